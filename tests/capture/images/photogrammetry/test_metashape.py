"""What Metashape's files say besides poses: places on Earth, components, lenses with terms of their own."""

import numpy as np
import pytest

from splatkit.capture.images.poses.photogrammetry.metashape import read_metashape
from splatkit.errors import DatasetError
from splatkit.geometry.geodesy import GEOCENTRIC, east_north_up, geocentric
from splatkit.io.images import write_image
from tests.capture.images.photogrammetry.written import (
    FOCAL,
    GEOGRAPHIC,
    HEIGHT,
    METASHAPE_LENS,
    PLACE,
    WIDTH,
    metashape_chunk,
    metashape_document,
    similarity_text,
    text,
    true_poses,
    write_metashape,
    write_photographs,
)

LOCAL = 'LOCAL_CS["Local Coordinates (m)",LOCAL_DATUM["Local Datum",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]]]'


def test_places_are_where_geocentric_coordinates_say(tmp_path):
    found = read_metashape(write_metashape(tmp_path), None)
    place = found.georeference
    assert place is not None
    assert place["crs"] == GEOCENTRIC
    centers = np.stack([camera.posed.center for camera in found.cameras])
    on_earth = centers @ np.array(place["rotation"]).T + place["offset"]
    truth = true_poses()[:, :3, 3] @ east_north_up(*PLACE[:2]).T + geocentric(*map(np.array, PLACE))
    np.testing.assert_allclose(on_earth, truth, atol=1e-8)
    np.testing.assert_allclose(place["origin"]["latitude"], PLACE[0], atol=1e-3)
    np.testing.assert_allclose(place["origin"]["altitude"], PLACE[2], atol=10.0)
    assert "WGS 84" in found.frame


def test_a_camera_of_a_real_flight_is_where_its_geotag_says(tmp_path):
    """Numbers of one camera that Metashape 2 wrote, and of the RTK position and heading that it had been given.

    Source of the numbers: tests of geograypher (open-forest-observatory). The flight was straight down.
    """
    geotag, yaw = (39.41191747, -120.417985477, 2420.109), 179.9
    turn = [
        [0.8710699454, 0.3070967021, -0.3833128821],
        [-0.4909742007, 0.5658364395, -0.6623997719],
        [0.0134716110, 0.7651932691, 0.6436596744],
    ]
    pose = [
        [-0.99988146, -0.00872749, 0.01268391, 7.04224697],
        [-0.00842932, 0.99969124, 0.02337453, 7.05403071],
        [-0.01288400, 0.02326485, -0.99964631, 0.43561421],
        [0, 0, 0, 1],
    ]
    transform = similarity_text(turn, [-2499366.429888, -4256836.520906, 4029217.965003], 12.354192447331316)
    write_image(tmp_path / "0.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    chunk = metashape_chunk(np.array([pose]), {"f": FOCAL}, transform)
    found = read_metashape(metashape_document(tmp_path / "cameras.xml", chunk), None)
    assert found.georeference is not None
    camera = found.cameras[0].posed
    on_earth = np.array(found.georeference["rotation"]) @ camera.center + found.georeference["offset"]
    assert np.linalg.norm(on_earth - geocentric(*map(np.array, geotag))) < 0.1  # m; here 0.04
    up, ahead = -camera.T_world_camera[:3, 1], camera.T_world_camera[:3, 2]
    assert ahead[2] < -0.999
    assert np.degrees(np.arctan2(up[0], up[1])) % 360 == pytest.approx(yaw, abs=3.0)  # a magnetometer's
    assert any("names no reference" in line for line in found.left_out)


@pytest.mark.parametrize(
    ("transform", "reference", "scale", "up"),
    [("", LOCAL, "arbitrary", "unknown"), (similarity_text(np.eye(3), np.zeros(3), 2.0), LOCAL, "metric", "z")],
    ids=["never scaled", "local coordinates"],
)
def test_local_coordinates_are_metric_where_the_chunk_was_scaled(transform, reference, scale, up, tmp_path):
    write_photographs(tmp_path)
    document = metashape_document(
        tmp_path / "c.xml", metashape_chunk(true_poses(), METASHAPE_LENS, transform, reference)
    )
    found = read_metashape(document, None)
    assert (found.scale, found.up, found.georeference) == (scale, up, None)
    factor = 2.0 if transform else 1.0
    for camera, pose in zip(found.cameras, true_poses(), strict=True):
        np.testing.assert_allclose(camera.posed.center, factor * pose[:3, 3], atol=1e-12)


def test_other_components_and_chunks_and_disabled_cameras_are_counted(tmp_path):
    write_photographs(tmp_path)
    poses = true_poses()
    chunk = metashape_chunk(poses, METASHAPE_LENS)
    chunk = chunk.replace(
        '<camera id="1" sensor_id="0" component_id="0"', '<camera id="1" sensor_id="0" component_id="1"'
    )
    other = metashape_chunk(poses[:1], METASHAPE_LENS).replace("Chunk 1", "Chunk 2")
    found = read_metashape(metashape_document(tmp_path / "c.xml", other, chunk), None)
    assert [camera.name for camera in found.cameras] == ["0.png", "2.png"]
    assert "chunk 'Chunk 2' with 1 cameras is left out for chunk 'Chunk 1' with 2" in found.left_out
    assert "1 cameras are of another component and are left out (e.g. 1)" in found.left_out
    chunk = chunk.replace('<camera id="2"', '<camera enabled="false" id="2"')
    found = read_metashape(metashape_document(tmp_path / "c.xml", chunk), None)
    assert len(found.cameras) == 1
    assert any("are disabled in Metashape" in line for line in found.left_out)


def test_terms_that_are_not_ours_are_measured(tmp_path):
    """k4 and b2: pixels by the manual's formula are nearest to what is read, and as far off as is said."""
    write_photographs(tmp_path)
    lens = {**METASHAPE_LENS, "k4": -0.08, "b1": 0.05, "b2": 0.02}
    document = metashape_document(tmp_path / "c.xml", metashape_chunk(true_poses(), lens))
    found = read_metashape(document, None)
    camera = found.cameras[0].posed.camera
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 21), np.linspace(-0.35, 0.35, 21))
    s = x**2 + y**2
    radial = 1 + lens["k1"] * s + lens["k2"] * s**2 + lens["k3"] * s**3 + lens["k4"] * s**4
    u = x * radial + lens["p1"] * (s + 2 * x**2) + 2 * lens["p2"] * x * y
    v = y * radial + lens["p2"] * (s + 2 * y**2) + 2 * lens["p1"] * x * y
    pixels = np.stack(
        [
            WIDTH / 2 + lens["cx"] + u * (lens["f"] + lens["b1"]) + v * lens["b2"],
            HEIGHT / 2 + lens["cy"] + v * lens["f"],
        ],
        axis=-1,
    )
    off = np.linalg.norm(
        camera.image(np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)).reshape(pixels.shape) - pixels, axis=-1
    )
    said = next(line for line in found.left_out if "off by" in line)
    assert off.max() <= float(said.split()[-2]) + 0.005  # it is printed with two digits
    assert off.max() < 0.02


def test_fisheyes_are_exact(tmp_path):
    write_photographs(tmp_path)
    lens = {"f": 10.0, "cx": 0.5, "cy": -0.25, "b1": 0.5, "k1": 0.1, "k2": -0.05, "k3": 0.01, "k4": -0.002}
    document = metashape_document(tmp_path / "c.xml", metashape_chunk(true_poses(), lens, kind="fisheye"))
    camera = read_metashape(document, None).cameras[0].posed.camera
    assert camera.model == "kannala_brandt"
    assert camera.parameters.tolist() == [10.5, 10.0, 12.5, 8.75, 0.1, -0.05, 0.01, -0.002]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b2": 8.0}, "no lens that is known comes nearer to this one than"),
        ({"k1": -3.0}, "the lens shows nothing at some of its pixels|k4"),
        ({"k5": 0.1}, "the term k5 of the lens is not known"),
        ({"f": 0.0}, "focal length above 0"),
        ({"kind": "spherical"}, "lenses of type spherical are not read"),
        ({"kind": "equisolid_fisheye"}, "lenses of type equisolid_fisheye are not read"),
        ({"kind": "fisheye", "p1": 0.1}, "a fisheye with b2 or p1, p2 is not read"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_lenses_that_cannot_be_ours_are_refused_by_name(change, message, tmp_path):
    write_photographs(tmp_path)
    kind = str(change.pop("kind", "frame"))
    lens = {**METASHAPE_LENS, "k4": 0.0001, **change}
    if kind == "fisheye":
        lens = {"f": FOCAL, **change}
    document = metashape_document(tmp_path / "c.xml", metashape_chunk(true_poses(), lens, kind=kind))
    with pytest.raises(DatasetError, match=message):
        read_metashape(document, None)


def test_a_transform_that_does_not_fit_its_reference_is_refused(tmp_path):
    write_photographs(tmp_path)
    chunk = metashape_chunk(true_poses(), METASHAPE_LENS, similarity_text(np.eye(3), np.zeros(3), 1.0), GEOGRAPHIC)
    with pytest.raises(
        DatasetError, match="km from the center of the Earth: the transform is not that of the reference"
    ):
        read_metashape(metashape_document(tmp_path / "c.xml", chunk), None)


def test_documents_with_entities_are_refused(tmp_path):
    write_photographs(tmp_path)
    path = tmp_path / "c.xml"
    path.write_text(f'<!DOCTYPE d [<!ENTITY a "{text([1.0])}">]><document><chunk>&a;</chunk></document>')
    with pytest.raises(DatasetError, match="declares a document type; refused"):
        read_metashape(path, None)
