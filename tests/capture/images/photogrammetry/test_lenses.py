"""Versions and lenses of the other programs: right where a name exists here, refused by name elsewhere."""

import json

import numpy as np
import pytest

from splatkit.capture.images.poses.photogrammetry.alicevision import read_alicevision
from splatkit.capture.images.poses.photogrammetry.opf import read_opf
from splatkit.capture.images.poses.photogrammetry.realityscan import read_realityscan
from splatkit.errors import DatasetError
from tests.capture.images.photogrammetry.written import (
    PERSPECTIVE,
    WIDTH,
    alicevision_scene,
    opf_file,
    sidecar,
    true_poses,
    write_opf,
    write_photographs,
    write_realityscan,
    write_sidecars,
)

TWO = {"distortionParams": [], "type": "pinhole"}
OLD = {**TWO, "principalPoint": ["12.5", "8.75"]}
NEW = {**TWO, "principalPoint": ["0.5", "-0.25"], "sensorWidth": "36", "focalLength": repr(20.0 / WIDTH * 36)}


@pytest.mark.parametrize(
    ("version", "intrinsic", "fy"),
    [
        ((1, 0, 0), {**OLD, "pxFocalLength": "20"}, 20.0),
        ((1, 2, 0), {**OLD, "pxFocalLength": ["20", "21"]}, 21.0),
        ((1, 2, 1), {**OLD, "principalPoint": ["0.5", "-0.25"], "pxFocalLength": ["20", "21"]}, 21.0),
        ((1, 2, 4), {**NEW, "pixelRatio": repr(20 / 21)}, 21.0),
        ((1, 2, 14), {**NEW, "pixelRatio": repr(21 / 20)}, 21.0),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_every_version_of_alicevision_states_the_same_lens(version, intrinsic, fy, tmp_path):
    """AliceVision keeps one scene in all versions for this purpose, with fx, fy = 1000, 2000: fy / fx is kept so."""
    path = tmp_path / "scene.sfm"
    path.write_text(json.dumps(alicevision_scene(version, intrinsic, write_photographs(tmp_path))))
    lens = read_alicevision(path, None).cameras[0].posed.camera
    np.testing.assert_allclose(lens.parameters, [20.0, fy, 12.5, 8.75], atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "terms", "model", "expected"),
    [
        ({"type": "radial1"}, [0.1], "brown_conrady", [20, 20, 0.1, 0, 0, 0, 0]),
        ({"type": "radial3"}, [0.1, 0.2, 0.3], "brown_conrady", [20, 20, 0.1, 0.2, 0, 0, 0.3]),
        ({"distortionType": "radialk3pt"}, [0.1, 0.2, 0.3], "brown_conrady", [12.5, 12.5, 0.1, 0.2, 0, 0, 0.3]),
        ({"distortionType": "brown"}, [0.1, 0.2, 0.3, 0.4, 0.5], "brown_conrady", [20, 20, 0.1, 0.2, 0.4, 0.5, 0.3]),
        ({"type": "fisheye4"}, [0.1, 0.2, 0.3, 0.4], "kannala_brandt", [20, 20, 0.1, 0.2, 0.3, 0.4]),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_lenses_of_alicevision(kind, terms, model, expected, tmp_path):
    path = tmp_path / "scene.sfm"
    intrinsic = {**NEW, **kind, "distortionParams": [repr(term) for term in terms]}
    path.write_text(json.dumps(alicevision_scene((1, 2, 14), intrinsic, write_photographs(tmp_path))))
    lens = read_alicevision(path, None).cameras[0].posed.camera
    assert lens.model == model
    np.testing.assert_allclose([*lens.parameters[:2], *lens.parameters[4:]], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "fisheye1", "distortionParams": ["0.1"]}, "lenses of type fisheye1 are not read"),
        ({"type": "equidistant"}, "lenses of type equidistant are not read"),
        ({"type": "radial3", "distortionParams": ["0.1"]}, "radialk3 has 3 numbers, got 1"),
        ({"undistortionParams": ["0.1", "0"]}, "undistortion by 3DEqualizer's models is not read"),
        ({"sensorWidth": "0"}, "sensorWidth and pixelRatio must be positive"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_lenses_that_cannot_be_ours_are_refused_by_name(change, message, tmp_path):
    path = tmp_path / "scene.sfm"
    path.write_text(json.dumps(alicevision_scene((1, 2, 14), {**NEW, **change}, write_photographs(tmp_path))))
    with pytest.raises(DatasetError, match=message):
        read_alicevision(path, None)


def test_the_division_model_is_exact(tmp_path):
    """x / (1 + k1 r^2), as RealityScan's reference has it."""
    folder = write_sidecars(tmp_path)
    for index, pose in enumerate(true_poses()):
        (folder / f"{index}.xmp").write_text(sidecar(pose, model="division"))
    camera = read_realityscan(folder, None).cameras[0].posed.camera
    x, y = np.array([0.1, -0.5, 0.4]), np.array([0.3, 0.2, -0.4])
    factor = 21 / (1 - 0.12 * (x**2 + y**2))
    seen = camera.image(np.stack([x, y, np.ones(3)], axis=1))
    np.testing.assert_allclose(seen, np.stack([factor * x + 12.5, factor * y + 8.75], axis=1), atol=1e-12)


def test_sidecars_of_another_lens_are_refused(tmp_path):
    folder = write_sidecars(tmp_path)
    (folder / "1.xmp").write_text(sidecar(true_poses()[1], model="fov"))
    with pytest.raises(DatasetError, match=r"1.xmp: the distortion model fov is not read; choose Brown3"):
        read_realityscan(folder, None)
    (folder / "1.xmp").write_text(sidecar(true_poses()[1]).replace('Skew="0"', 'Skew="0.1"'))
    with pytest.raises(DatasetError, match="Skew and AspectRatio are not read"):
        read_realityscan(folder, None)


def test_a_table_in_degrees_is_refused(tmp_path):
    path = write_realityscan(tmp_path)
    lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines[2:]]
    for index, row in enumerate(rows):
        row[1:4] = [f"{7.44 + index / 1000}", "46.95", "560"]
    path.write_text("\n".join([*lines[:2], *(",".join(row) for row in rows)]))
    with pytest.raises(
        DatasetError, match="look like degrees; export with a local or projected output coordinate system"
    ):
        read_realityscan(path, None)


def test_a_table_of_realityscan_says_that_its_distortion_has_no_name(tmp_path):
    found = read_realityscan(write_realityscan(tmp_path), None)
    assert any("was taken as Brown's" in line for line in found.left_out)


def test_the_term_k4_of_realityscan_is_measured(tmp_path):
    path = write_realityscan(tmp_path)
    lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines[2:]]
    for row in rows:
        row[13] = "-0.2"
    path.write_text("\n".join([*lines[:2], *(",".join(row) for row in rows)]))
    found = read_realityscan(path, None)
    said = next(line for line in found.left_out if "k4" in line)
    camera = found.cameras[0].posed.camera
    x, y = np.meshgrid(np.linspace(-0.55, 0.5, 15), np.linspace(-0.4, 0.4, 15))
    s = x**2 + y**2
    radial = 1 - 0.12 * s + 0.05 * s**2 + 0.01 * s**3 - 0.2 * s**4
    t1, t2 = -0.003, 0.002
    u = x * radial + t1 * (s + 2 * x**2) + 2 * t2 * x * y
    v = y * radial + t2 * (s + 2 * y**2) + 2 * t1 * x * y
    pixels = np.stack([21 * u + 12.5, 21 * v + 8.75], axis=-1)
    seen = camera.image(np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)).reshape(pixels.shape)
    assert np.linalg.norm(seen - pixels, axis=-1).max() <= float(said.split()[-2]) + 0.005


def test_fisheyes_of_opf_are_within_what_is_said(tmp_path):
    """Radius p0 + p1 t + p2 t^2 + p3 t^3 with t = 2 angle / pi, in the unit of the affine matrix."""
    scale, terms = 16.0, [0.0, 1.0, 0.0152646, -0.161096]  # the specification's example, smaller
    internals = {
        **{"type": "fisheye", "principal_point_px": [12.0, 9.0], "is_symmetric_affine": True, "is_p0_zero": True},
        **{"affine": [scale, 0.0, 0.0, scale], "polynomial": terms},
    }
    found = read_opf(write_opf(tmp_path, internals), None)
    camera = found.cameras[0].posed.camera
    angles = np.linspace(0.01, np.arctan(8.0), 40)  # the corner is 15 px away
    t = angles * 2 / np.pi
    radii = scale * (t + terms[2] * t**2 + terms[3] * t**3)
    inside = radii < 15
    points = np.stack([np.sin(angles), np.zeros_like(angles), np.cos(angles)], axis=-1)
    off = np.abs(camera.image(points)[:, 0] - 12.0 - radii)[inside].max()
    said = next(line for line in found.left_out if "fisheye of sensor 5" in line)
    assert off <= float(said.split()[-2]) + 0.005
    assert off < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "spherical"}, "lenses of type spherical are not read"),
        ({"type": "fisheye", "affine": [9, 1, 0, 9], "polynomial": [0, 1]}, "a fisheye that is sheared"),
        ({"radial_distortion": [0, 0]}, "radial_distortion: expected 3 finite numbers"),
    ],
    ids=["spherical", "sheared", "short"],
)
def test_lenses_of_opf_that_cannot_be_ours_are_refused(change, message, tmp_path):
    path = write_opf(tmp_path, {**PERSPECTIVE, **change})
    with pytest.raises(DatasetError, match=message):
        read_opf(path, None)


def test_files_of_a_project_stay_in_its_folder(tmp_path):
    path = write_opf(tmp_path)
    content = json.loads(path.read_text())
    content["items"][0]["resources"][0]["uri"] = "../camera-list.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="leads out of its folder; refused"):
        read_opf(path, None)


def test_other_axes_of_a_survey_give_no_georeference(tmp_path):
    path = write_opf(tmp_path)
    change = {"scale": [0.3048, 0.3048, 0.3048], "shift": [0, 0, 0], "swap_xy": False}
    reference = {"crs": {"definition": "EPSG:6434"}, "base_to_canonical": change}
    opf_file(tmp_path / "scene-reference-frame.json", "scene-reference-frame", reference)
    found = read_opf(path, None)
    assert (found.scale, found.georeference) == ("arbitrary", None)
    assert any("no georeference is written" in line for line in found.left_out)
