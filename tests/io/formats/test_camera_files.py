"""Cameras in the words of OpenCV, and intrinsics from files of the usual forms."""

import json

import numpy as np
import pytest

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import (
    camera_from_opencv,
    opencv_K,
    opencv_model,
    opencv_parameters,
    read_intrinsics,
)

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
    assert camera == Camera("brown_conrady", 640, 480, 700.0, 710.0, 320.5, 240.5, (-0.1, 0.02, 0, 0, 0))
    np.testing.assert_array_equal(opencv_K(camera).ravel(), K)
    np.testing.assert_array_equal(opencv_parameters(camera), [700, 710, 320, 240, -0.1, 0.02, 0, 0, 0])


def test_a_fisheye_is_named_by_the_file_or_by_the_caller(tmp_path):
    record = {"K": K, "D": [0.01, 0, 0, 0], "width": 640, "height": 480}
    (tmp_path / "a.json").write_text(json.dumps(record | {"distortion_model": "equidistant"}))
    assert read_intrinsics(tmp_path / "a.json").model == "kannala_brandt"
    (tmp_path / "b.json").write_text(json.dumps(record))
    assert opencv_model(read_intrinsics(tmp_path / "b.json", "fisheye")) == "fisheye"
    (tmp_path / "c.json").write_text(json.dumps(record | {"D": [0, 0, 0, 0, 0]}))
    assert read_intrinsics(tmp_path / "c.json") == Camera("pinhole", 640, 480, 700.0, 710.0, 320.5, 240.5)


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


@pytest.mark.parametrize(
    ("model", "K", "distortion", "message"),
    [
        ("pinhole", np.eye(3) * -1, (), "focal length above 0"),
        ("pinhole", np.full((3, 3), np.nan), (), "finite matrix"),
        ("pinhole", np.eye(3), (0,) * 3, "0 or 4 or 5 or 8 distortion"),
        ("fisheye", np.eye(3), (), "4 distortion"),
        ("spiral", np.eye(3), (), "model pinhole or fisheye"),
    ],
)
def test_what_is_no_camera_is_refused(model, K, distortion, message):
    with pytest.raises(SettingsError, match=message):
        camera_from_opencv(model, K, distortion, 640, 480)


def test_lenses_that_opencv_does_not_have_are_refused():
    with pytest.raises(SettingsError, match="no equirectangular lens"):
        opencv_model(Camera("equirectangular", 640, 320, 100.0, 100.0, 320.0, 160.0))
