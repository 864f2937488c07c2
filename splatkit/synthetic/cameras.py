"""Pinhole cameras on rings around a scene."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.synthetic.description import CameraRig


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion, OpenCV axes (x right, y down, z forward)."""

    width: int  # px
    height: int  # px
    K: NDArray[np.float64]  # [3, 3] px
    camera_to_world: NDArray[np.float64]  # [4, 4] T_world_camera

    @property
    def center(self) -> NDArray[np.float64]:
        """[3] position in the world."""
        return self.camera_to_world[:3, 3]

    def directions(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """World directions, z-depth 1 long, of pixel coordinates [N, 2] -> [N, 3]."""
        inverse = np.linalg.inv(self.K)
        rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=-1) @ inverse.T
        return rays @ self.camera_to_world[:3, :3].T

    def rays(self, pixels: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Origins [N, 3] and `directions` [N, 3] of pixel coordinates [N, 2]."""
        return np.broadcast_to(self.center, (len(pixels), 3)), self.directions(pixels)

    def project(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixel coordinates [N, 2] and z-depths [N] of world points [N, 3]; pixels mean something where depth > 0."""
        local = (points - self.center) @ self.camera_to_world[:3, :3]
        image = local @ self.K.T
        return image[:, :2] / np.where(image[:, 2:] == 0, np.nan, image[:, 2:]), local[:, 2]


def orbit_cameras(rig: CameraRig, width: int, height: int, views: int, phase: float) -> list[Pinhole]:
    """Cameras that look at the rig's target, evenly spread in azimuth, taking the rings in turn.

    With a number of rings that has no factor in common with 8, every 8th view visits all rings.

    Args:
        rig: rings and field of view.
        width: px.
        height: px.
        views: how many.
        phase: azimuth of the first view, rad.
    """
    focal = width / (2 * np.tan(np.deg2rad(rig.horizontal_fov_deg) / 2))
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    target = np.array(rig.target)
    cameras = []
    for view in range(views):
        ring = rig.rings[view % len(rig.rings)]
        azimuth = phase + 2 * np.pi * view / views
        eye = np.array(
            [target[0] + ring.radius * np.cos(azimuth), target[1] + ring.radius * np.sin(azimuth), ring.height]
        )
        cameras.append(Pinhole(width, height, K, _look_at(eye, target)))
    return cameras


def _look_at(eye: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """T_world_camera [4, 4] of an upright camera at `eye`; not for one that looks straight up or down."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=-1)
    return pose
