"""Every format of programs of photogrammetry: cameras come back as they were written, damage is one clear line."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.reading import read_poses
from splatkit.cli import main
from splatkit.errors import DatasetError
from splatkit.io.transforms_json import read_transforms
from tests.capture.images.photogrammetry.written import (
    COLORS,
    COUNT,
    FORMATS,
    HEIGHT,
    POINTS,
    WIDTH,
    true_poses,
    write_alicevision,
    write_opf,
)
from tests.capture.images.test_pose_formats import attack


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_cameras_are_read_as_they_were_written(form, tmp_path):
    path = form.write(tmp_path)
    found = read_poses(path, "auto", None, None, None)
    expected = true_poses()
    if form.name == "metashape":  # whose origin is the middle of the cameras, here to a micrometer of a flat Earth
        expected[:, :3, 3] -= expected[:, :3, 3].mean(0)
    assert [camera.name.rpartition("/")[2] for camera in found.cameras] == [f"{i}.png" for i in range(COUNT - 1)]
    for camera, pose in zip(found.cameras, expected, strict=True):
        np.testing.assert_allclose(camera.posed.T_world_camera, pose, atol=3e-6)
        lens = camera.posed.camera
        assert (lens.model, lens.width, lens.height) == ("brown_conrady", WIDTH, HEIGHT)
        np.testing.assert_allclose(lens.parameters, form.lens.parameters, atol=1e-12)
    assert (found.up, found.scale) == (form.up, form.scale)
    named = any("1 photograph of" in line and "3" in line for line in found.left_out)
    assert named == (form.name != "realityscan table")  # which has no line for it
    assert [group.reason for group in found.unused if group.names] == ["have no pose"] or "sidecars" in form.name
    assert (found.points is not None) == form.has_points
    if found.points is not None:
        np.testing.assert_allclose(found.points.points, POINTS)
        if form.name != "openmvg":
            assert found.points.colors is not None
            np.testing.assert_array_equal(found.points.colors, COLORS)


@pytest.mark.parametrize(
    ("form", "file"), [(form, file) for form in FORMATS for file in form.fuzzed], ids=lambda x: getattr(x, "name", x)
)
def test_damaged_files_are_one_error_that_names_them(form, file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    path = form.write(folder)
    attack(folder, file, lambda: read_poses(path, form.name.split()[0], None, None, None))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_photographs_that_are_not_there_are_named(form, tmp_path):
    path = form.write(tmp_path)
    (tmp_path / "images" / "0.png").unlink()
    found = read_poses(path, "auto", tmp_path / "images", None, None)
    assert len(found.cameras) == COUNT - 2
    assert any("1 photograph of" in line and "not in" in line and "0" in line for line in found.left_out)
    for index in range(1, COUNT):
        (tmp_path / "images" / f"{index}.png").unlink()
    with pytest.raises(DatasetError, match="none of its 3 photographs is in"):
        read_poses(path, "auto", tmp_path / "images", None, None)


def test_photographs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    path = write_opf(tmp_path)
    content = json.loads((tmp_path / "camera-list.json").read_text())
    for folder in ("left", "right"):
        (tmp_path / "images" / folder).mkdir()
        (tmp_path / "images" / folder / "0.png").write_bytes((tmp_path / "images/0.png").read_bytes())
    (tmp_path / "images/0.png").unlink()
    content["cameras"][0]["uri"] = "file:///c:/flight%20one/right/0.png"
    (tmp_path / "camera-list.json").write_text(json.dumps(content))
    found = read_poses(path, "auto", None, None, None)
    assert [camera.name for camera in found.cameras] == ["1.png", "2.png", "right/0.png"]
    content["cameras"][0]["uri"] = "0.png"
    (tmp_path / "camera-list.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"may be .*left/0.png or .*right/0.png; give --images"):
        read_poses(path, "auto", None, None, None)


def test_a_photograph_of_another_size_is_refused(tmp_path):
    path = write_alicevision(tmp_path)
    content = json.loads(path.read_text())
    content["intrinsics"][0]["width"] = "48"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"0.png: has 24x18 px, .*cameras.sfm says 48x18 px"):
        read_poses(path, "auto", None, None, None)


def test_omega_phi_kappa_are_those_of_the_specification(tmp_path):
    """R_x(omega) R_y(phi) R_z(kappa) leads from x right, y up, z backward to the processing system."""
    project = write_opf(tmp_path)
    given = read_poses(project, "auto", None, None, None)
    pose = json.loads((tmp_path / "calibrated-cameras.json").read_text())["cameras"][0]
    turn = Rotation.from_euler("XYZ", pose["orientation_deg"], degrees=True).as_matrix()
    seen = turn.T @ (np.array(POINTS[0]) - pose["position"])
    ours = given.cameras[0].posed.T_camera_world @ [*POINTS[0], 1.0]
    np.testing.assert_allclose(ours[:3], seen * [1, -1, -1], atol=1e-12)
    assert given.georeference == {"crs": "EPSG:32632", "offset": [382000.0, 5200000.0, 560.0]}


@pytest.mark.slow
def test_points_that_came_along_make_a_dataset(tmp_path):
    path = write_alicevision(tmp_path)
    main(["capture", "images", "--poses", str(path), "--out", str(tmp_path / "out"), "--stereo", "off", "--keep-world"])
    written = read_transforms(tmp_path / "out")
    assert [frame.file_path for frame in written.frames] == [f"images/{i}.png" for i in range(COUNT - 1)]
    for frame, pose in zip(written.frames, true_poses(), strict=True):
        np.testing.assert_allclose(frame.T_world_camera, pose, atol=1e-12)
    assert written.ply_path is not None
