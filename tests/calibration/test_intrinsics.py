"""Intrinsics from files of the usual forms, and from boards."""

import json

import numpy as np
import pytest

from splatkit.calibration.intrinsics import calibrate_intrinsics, read_intrinsics
from splatkit.errors import CalibrationRefusedError, DatasetError
from tests.calibration.halls import TARGET

K = [700.0, 0, 320, 0, 710, 240, 0, 0, 1]
FORMS = {
    "ros.yaml": "image_width: 640\nimage_height: 480\ncamera_matrix: {rows: 3, cols: 3,\n"
    "  data: [700.0, 0, 320, 0, 710, 240, 0, 0, 1]}\n"
    "distortion_model: plumb_bob\ndistortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.02, 0, 0, 0]}\n",
    "opencv.yml": "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n  rows: 3\n"
    "  cols: 3\n  dt: d\n"
    "  data: [700.0, 0, 320, 0, 710, 240, 0, 0, 1]\ndistortion_coefficients: !!opencv-matrix\n"
    "  data: [-0.1, 0.02, 0, 0, 0]\n",
    "plain.json": json.dumps({"K": K, "D": [-0.1, 0.02, 0, 0, 0], "width": 640, "height": 480}),
}


@pytest.mark.parametrize("name", FORMS)
def test_usual_forms_are_read(tmp_path, name):
    (tmp_path / name).write_text(FORMS[name])
    camera = read_intrinsics(tmp_path / name)
    assert (camera.model, camera.width, camera.height) == ("pinhole", 640, 480)
    np.testing.assert_array_equal(camera.K.ravel(), K)
    np.testing.assert_array_equal(camera.distortion, [-0.1, 0.02, 0, 0, 0])


def test_a_fisheye_is_named_by_the_file_or_by_the_caller(tmp_path):
    record = {"K": K, "D": [0.01, 0, 0, 0], "width": 640, "height": 480}
    (tmp_path / "a.json").write_text(json.dumps(record | {"distortion_model": "equidistant"}))
    assert read_intrinsics(tmp_path / "a.json").model == "fisheye"
    (tmp_path / "b.json").write_text(json.dumps(record))
    assert read_intrinsics(tmp_path / "b.json", "fisheye").model == "fisheye"
    (tmp_path / "c.json").write_text(json.dumps(record | {"D": [0, 0, 0, 0, 0]}))
    assert read_intrinsics(tmp_path / "c.json").distortion.size == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "]",
        "{",
        "K: [1, 2]",
        "- 1",
        f"K: {K}\nwidth: 640\nheight: 480\n",
        FORMS["ros.yaml"].replace("700", "nan"),
        FORMS["ros.yaml"].replace("plumb_bob", "spiral"),
        FORMS["ros.yaml"].replace("640", "wide"),
    ],
)
def test_bad_files_are_named(tmp_path, text):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"camera\.yaml"):
        read_intrinsics(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        read_intrinsics(tmp_path / "none.yaml")


def test_intrinsics_follow_from_the_boards(hall):
    corners = [frame.corners[0] for frame in hall.frames]
    camera, rms = calibrate_intrinsics(corners, TARGET, (1920, 1208), "fisheye")
    assert rms < 0.3
    np.testing.assert_allclose(camera.parameters[:4], hall.rig.camera.parameters[:4], rtol=0.02)


def test_boards_seen_in_part_give_intrinsics_too(hall):
    corners = [frame.corners[0].copy() for frame in hall.frames]
    for index, seen in enumerate(corners):
        seen[: 7 * (index % 3)] = np.nan
    for model in ("fisheye", "pinhole"):
        camera, rms = calibrate_intrinsics(corners, TARGET, (1920, 1208), model)
        assert rms < 0.6
        np.testing.assert_allclose(camera.parameters[:2], hall.rig.camera.parameters[:2], rtol=0.05)


def test_too_few_boards_are_refused(hall):
    corners = [frame.corners[0] for frame in hall.frames[:5]]
    with pytest.raises(CalibrationRefusedError, match="at least 6 images of the board, got 5"):
        calibrate_intrinsics(corners, TARGET, (1920, 1208), "pinhole")
