"""calibration.json as a dataset needs it: read with pixel centers at 0.5, and refused by name where it is damaged."""

import json

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.calibration_json import (
    FORMAT,
    camera_entry,
    camera_from_entry,
    is_calibration,
    read_calibration,
)

CAMERAS = [
    Camera("pinhole", 640, 480, 500.0, 510.0, 320.5, 240.25),
    Camera("brown_conrady", 640, 480, 500.0, 510.0, 320.5, 240.25, (0.1, -0.05, 1e-3, -2e-3)),
    Camera("brown_conrady", 640, 480, 500.0, 510.0, 320.5, 240.25, (0.1, -0.05, 1e-3, -2e-3, 0.01, 0.2, 0.1, 0.03)),
    Camera("kannala_brandt", 640, 480, 250.0, 251.0, 321.0, 239.0, (0.1, -0.05, 0.01, 0.002)),
]


def record() -> dict:
    pose = np.eye(4)
    pose[:3, 3] = [0.1, -0.2, 0.3]
    entry = {"name": "front", "T_camera_lidar": pose.tolist(), "covariance_with_intrinsics": np.eye(10).tolist()}
    return {
        "format": FORMAT,
        "cameras": [entry | camera_entry(CAMERAS[0])],
        "noise": {"corner_px": 0.2, "range_m": 0.02, "outline_m": 0.003},
        "lidar": {"ring_bias_m": {"3": 0.01}},
        "board": {"columns": 7, "rows": 5, "square": 0.095, "width": 0.85, "height": 0.61},
    }


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: f"{camera.model}{len(camera.distortion)}")
def test_cameras_come_back_and_the_file_counts_from_pixel_centers(camera):
    entry = json.loads(json.dumps(camera_entry(camera)))
    assert camera_from_entry(entry) == camera
    assert entry["K"][0][2] == camera.cx - 0.5
    assert entry["model"] == ("fisheye" if camera.model == "kannala_brandt" else "pinhole")


def test_a_calibration_is_read(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(record()))
    stored = read_calibration(path)
    assert is_calibration(record())
    assert (stored.names, stored.cameras) == (("front",), (CAMERAS[0],))
    assert stored.T_camera_lidar[0, :3, 3].tolist() == [0.1, -0.2, 0.3]
    assert (stored.ring_bias, stored.noise["range_m"]) == ({3: 0.01}, 0.02)
    assert stored.joint_covariances[0].shape == (10, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is of format 'other'"),
        ({"cameras": [{}]}, "damaged"),
        ({"noise": {}}, "damaged"),
        ({"board": {}}, "damaged"),
        ({"board": {**record()["board"], "width": float("nan")}}, "finite sizes"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, message):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(record() | change))
    with pytest.raises(DatasetError, match=rf"calibration\.json.*{message}"):
        read_calibration(path)
