"""Pinhole cameras on rings around a scene."""

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.synthetic.description import CameraRig


def pinhole_by_view(width: int, height: int, horizontal_fov_deg: float) -> Camera:
    """A pinhole whose axis meets the middle of the image, by how wide it sees."""
    focal = width / (2 * np.tan(np.deg2rad(horizontal_fov_deg) / 2))
    return Camera("pinhole", width, height, focal, focal, width / 2, height / 2)


def orbit_cameras(rig: CameraRig, width: int, height: int, views: int, phase: float) -> list[PosedCamera]:
    """Cameras that look at the rig's target, evenly spread in azimuth, taking the rings in turn.

    With a number of rings that has no factor in common with 8, every 8th view visits all rings.

    Args:
        rig: rings and field of view.
        width: px.
        height: px.
        views: how many.
        phase: azimuth of the first view, rad.
    """
    camera, target = pinhole_by_view(width, height, rig.horizontal_fov_deg), np.array(rig.target)
    cameras = []
    for view in range(views):
        ring = rig.rings[view % len(rig.rings)]
        azimuth = phase + 2 * np.pi * view / views
        eye = np.array(
            [target[0] + ring.radius * np.cos(azimuth), target[1] + ring.radius * np.sin(azimuth), ring.height]
        )
        cameras.append(PosedCamera(f"frame_{view:04d}", camera, _look_at(eye, target)))
    return cameras


def _look_at(eye: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """T_world_camera [4, 4] of an upright camera at `eye`; not for one that looks straight up or down."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=-1)
    return pose
