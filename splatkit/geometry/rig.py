"""Cameras that have a LiDAR beside them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class MountedCamera:
    """A camera of a rig and where the LiDAR is, as calibrated or as somebody stated it."""

    name: str
    T_camera_lidar: NDArray[np.float64]  # [4, 4]
    covariance: NDArray[np.float64]  # [6, 6] of its twist: rotation (rad), then translation (m), camera frame
    camera: Camera | None = None  # intrinsics, where the file has them
    is_covariance_stated: bool = True  # False: the file gives none, and this one is assumed
