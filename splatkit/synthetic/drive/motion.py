"""Where a vehicle is at any moment of a drive, and the fisheyes on it.

The vehicle's frame stands on the ground: x ahead, y to the left, z up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.synthetic.description import CameraMount, Drive
from splatkit.synthetic.walk import lidar_from_camera

Array = NDArray[np.float64]

_PATH_SAMPLES = 2000
_SWAY_M = 4.0  # of way, after which a body sways anew


class VehicleMotion:
    """T_world_vehicle at any time: along a smooth open path at constant speed, the body swaying on its suspension."""

    def __init__(self, drive: Drive, rng: np.random.Generator) -> None:
        points = np.array(drive.waypoints, dtype=np.float64)
        chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        rough = CubicSpline(chord, points)
        places = rough(np.linspace(0, chord[-1], _PATH_SAMPLES))
        way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
        self.duration = float(way[-1] / drive.speed)
        self._path = CubicSpline(way / drive.speed, places)
        knots = np.arange(int(np.ceil(way[-1] / _SWAY_M)) + 2) * _SWAY_M / drive.speed
        sigmas = np.array([drive.sway_deg, drive.sway_deg, drive.heave])
        self._sway = CubicSpline(knots, rng.normal(size=(len(knots), 3)) * sigmas)

    def poses(self, times: Array) -> Array:
        """T_world_vehicle [N, 4, 4] at times [N], s from the start."""
        ahead, (pitch, roll, heave) = self._path(times, 1), self._sway(times).T
        yaw = np.degrees(np.arctan2(ahead[:, 1], ahead[:, 0]))
        out = np.tile(np.eye(4), (len(ahead), 1, 1))
        out[:, :3, :3] = Rotation.from_euler("ZYX", np.stack([yaw, pitch, roll], -1), degrees=True).as_matrix()
        out[:, :2, 3] = self._path(times)
        out[:, 2, 3] = heave
        return out


def fisheye(mount: CameraMount, drive: Drive, width: int, height: int) -> Camera:
    """The lens: `horizontal_fov_deg` across the width of the image, its axis in the middle."""
    half = np.deg2rad(mount.horizontal_fov_deg / 2)
    unit = Camera("kannala_brandt", width, height, 1.0, 1.0, 0.0, 0.0, drive.distortion)
    focal = width / 2 / float(unit.image(np.array([[np.sin(half), 0.0, np.cos(half)]]))[0, 0])
    return Camera("kannala_brandt", width, height, focal, focal, width / 2, height / 2, drive.distortion)


@dataclass(frozen=True, eq=False)
class FisheyeShot:
    """A fisheye whose rows are taken one after the other while the vehicle moves; to be traced."""

    camera: Camera
    row_poses: Array  # T_world_camera [H + 1, 4, 4] at the upper edge of each row, and below the last

    def rays(self, pixels: NDArray[np.floating]) -> tuple[Array, Array]:
        """Origins [N, 3] and unit directions [N, 3] in the world of pixels [N, 2]; upward where the lens shows none."""
        row = np.clip(pixels[:, 1], 0, self.camera.height)
        first = np.minimum(row.astype(np.int64), self.camera.height - 1)
        share = (row - first)[:, None]
        local = self.camera.rays(pixels.astype(np.float64))
        low, high = self.row_poses[first], self.row_poses[first + 1]
        turned = [np.einsum("nij,nj->ni", pose[:, :3, :3], local) for pose in (low, high)]
        ways = turned[0] * (1 - share) + turned[1] * share
        ways[np.isnan(ways).any(1)] = (0.0, 0.0, 1.0)
        return low[:, :3, 3] * (1 - share) + high[:, :3, 3] * share, ways


def take_shot(mount: CameraMount, camera: Camera, motion: VehicleMotion, time: float, readout_s: float) -> FisheyeShot:
    """What a mounted fisheye takes within `readout_s`, the middle of it at `time`, s."""
    edges = (np.arange(camera.height + 1) / camera.height - 0.5) * readout_s + time
    return FisheyeShot(camera, motion.poses(edges) @ lidar_from_camera(mount))
