"""Cameras in the words of OpenCV, and intrinsics from files of the usual forms."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import (
    camera_from_opencv,
    opencv_K,
    opencv_model,
    opencv_parameters,
    read_cameras,
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


ECHO = """header:
  seq: 12
  stamp:
    secs: 1700000000
    nsecs: 0
  frame_id: "camera_optical"
height: 480
width: 640
distortion_model: "{model}"
D: {D}
K: [700.0, 0.0, 320.0, 0.0, 710.0, 240.0, 0.0, 0.0, 1.0]
R: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
P: [700.0, 0.0, 320.0, 0.0, 0.0, 710.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
roi:
  x_offset: 0
  do_rectify: False
"""
LENSES: dict[str, list[tuple[float, ...]]] = {
    "plumb_bob": [(), (-0.1, 0.02, 1e-3, -2e-3, 0.01)],
    "rational_polynomial": [(0.5, -2.6, 6e-4, 2e-4, 1.5, 0.4, -2.4, 1.4)],
    "equidistant": [(), (0.1, -0.01, 0.002, 1e-4)],
}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    lens=st.sampled_from([(model, D) for model, lenses in LENSES.items() for D in lenses]),
    messages=st.integers(1, 4),
    ends=st.booleans(),
    lower=st.booleans(),
    padding=st.integers(0, 6),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_echoes_of_camera_info_are_read(lens, messages, ends, lower, padding, newline, tmp_path_factory):
    """`rostopic echo`, which ends each message with ---, and `ros2 topic echo`, whose names are in lower case."""
    model, D = lens
    text = ECHO.format(model=model, D=[*D, *([0.0] * padding if D else [])])
    if lower:
        text = text.replace("D:", "d:").replace("K:", "k:").replace("R:", "r:").replace("P:", "p:")
    path = tmp_path_factory.getbasetemp() / "echo.yaml"
    path.write_bytes(("---\n".join([text] * messages) + ("---\n" if ends else "")).replace("\n", newline).encode())
    camera = read_intrinsics(path)
    np.testing.assert_array_equal(opencv_K(camera).ravel(), K)
    assert camera.model == ("kannala_brandt" if model == "equidistant" else "brown_conrady" if D else "pinhole")
    np.testing.assert_array_equal(np.trim_zeros(camera.distortion, "b"), D)


def test_messages_that_contradict_each_other_are_refused(tmp_path):
    one = ECHO.format(model="plumb_bob", D=[0.0] * 5)
    (tmp_path / "echo.yaml").write_text(f"{one}---\n{one.replace('710.0', '720.0')}---\n")
    with pytest.raises(DatasetError, match=r"echo\.yaml: message 2 of 2 has other intrinsics than the first"):
        read_intrinsics(tmp_path / "echo.yaml")


CHAIN = """{name}:
  cam_overlaps: []
  camera_model: {camera_model}
  distortion_coeffs: [-0.1, 0.02, 0.001, -0.002]
  distortion_model: {model}
  intrinsics: [700.0, 710.0, 320.0, 240.0]
  resolution: [640, 480]
  rostopic: /{name}/image_raw
"""


@pytest.mark.parametrize(("model", "kind"), [("radtan", "brown_conrady"), ("equidistant", "kannala_brandt")])
def test_chains_of_kalibr_are_read(tmp_path, model, kind):
    """Source: lidar_slam_ros2 PR #340."""
    chain = "".join(CHAIN.format(name=f"cam{k}", model=model, camera_model="pinhole") for k in (0, 10, 2))
    (tmp_path / "chain.yaml").write_text(chain)
    cameras = read_cameras(tmp_path / "chain.yaml")
    assert list(cameras) == ["cam0", "cam2", "cam10"]
    expected = Camera(kind, 640, 480, 700.0, 710.0, 320.5, 240.5, (-0.1, 0.02, 0.001, -0.002))
    assert all(camera == expected for camera in cameras.values())
    with pytest.raises(DatasetError, match=r"chain\.yaml: holds 3 cameras \(cam0, cam2, cam10\)"):
        read_intrinsics(tmp_path / "chain.yaml")
    (tmp_path / "one.yaml").write_text(CHAIN.format(name="cam0", model=model, camera_model="pinhole"))
    assert read_intrinsics(tmp_path / "one.yaml") == expected


@pytest.mark.parametrize(("change", "message"), [("omni", "camera_model omni is not known"), ("pinhole", "'fov'")])
def test_chains_of_other_lenses_are_refused(tmp_path, change, message):
    (tmp_path / "chain.yaml").write_text(CHAIN.format(name="cam0", model="fov", camera_model=change))
    with pytest.raises(DatasetError, match=rf"chain\.yaml: cam0: .*{message}"):
        read_intrinsics(tmp_path / "chain.yaml")


def test_the_inverse_lens_of_a_realsense_is_a_pinhole_where_it_has_no_coefficients(tmp_path):
    (tmp_path / "a.yaml").write_text(ECHO.format(model="inverse_brown_conrady", D=[0.0] * 5))
    assert read_intrinsics(tmp_path / "a.yaml").model == "pinhole"
    (tmp_path / "b.yaml").write_text(ECHO.format(model="inverse_brown_conrady", D=[0.1] * 5))
    with pytest.raises(DatasetError, match="'inverse_brown_conrady' is not known"):
        read_intrinsics(tmp_path / "b.yaml")
