"""Photographs of a dataset find their camera on the LiDAR's rig."""

from pathlib import Path

import numpy as np
import pytest

from splatkit.capture.lidar.photographs import photographs_of_dataset
from splatkit.capture.rig import DEFAULT_RANGE_NOISE_M, Rig
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.rig import MountedCamera
from splatkit.io.transforms_json import Frame, Transforms

CAMERA = Camera("pinhole", 64, 48, 50.0, 50.0, 32.0, 24.0)


def rig(*names: str) -> Rig:
    return Rig(tuple(MountedCamera(name, np.eye(4), np.eye(6)) for name in names), DEFAULT_RANGE_NOISE_M, {})


def cuts(*names: str) -> Transforms:
    """What became of one panorama."""
    frames = [
        Frame(PosedCamera(f"images/{name}/1.jpg", CAMERA, np.eye(4)), Path(f"/{name}/1.jpg"), None, rig_camera=name)
        for name in names
    ]
    return Transforms(Path("/"), tuple(Frame(**{**vars(frame), "rig_frame": "1.jpg"}) for frame in frames))


def test_a_lone_calibration_does_not_stand_for_all_cameras_of_a_body():
    with pytest.raises(DatasetError, match=r"right/1\.jpg: was taken by camera 'right' of a body, .* has front; give"):
        photographs_of_dataset(cuts("front", "right"), rig("front"), None)


def test_each_camera_of_a_body_is_the_calibrations_of_its_name():
    found = photographs_of_dataset(cuts("front", "right"), rig("right", "front"), None)
    assert [photograph.mount for photograph in found] == [1, 0]
