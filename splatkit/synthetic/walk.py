"""A rig that is walked through a scene: where it is at any moment, and its cameras and LiDAR on it.

The rig's frame is the LiDAR's: x ahead, y to the left, z up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.synthetic.cameras import pinhole_by_view
from splatkit.synthetic.description import CameraMount, SpinningLidar, Walk

Array = NDArray[np.float64]

_STEPS_PER_S = 1.8
_CAMERA_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # columns: camera's x, y, z in the rig
_PATH_SAMPLES = 4000


class RigMotion:
    """T_world_lidar at any time of a walk: along a smooth closed path at constant speed, swaying with each step."""

    def __init__(self, walk: Walk, rng: np.random.Generator) -> None:
        points = np.array([*walk.waypoints, walk.waypoints[0]], dtype=np.float64)
        chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        rough = CubicSpline(chord, points, bc_type="periodic")
        parameters = np.linspace(0, chord[-1], _PATH_SAMPLES)
        steps = np.linalg.norm(np.diff(rough(parameters), axis=0), axis=1)
        lengths = np.concatenate([[0], np.cumsum(steps)])
        places = rough(parameters)
        places[-1] = places[0]
        self._path = CubicSpline(lengths / walk.speed, places, bc_type="periodic")
        self._walk = walk
        self._phases = rng.uniform(0, 2 * np.pi, size=3)
        self.duration = float(lengths[-1] / walk.speed)

    def poses(self, times: Array) -> Array:
        """T_world_lidar [N, 4, 4] at times [N], s from the start; round and round."""
        walk, step = self._walk, 2 * np.pi * _STEPS_PER_S * np.asarray(times)
        velocity = self._path(times, 1)
        yaw = np.arctan2(velocity[:, 1], velocity[:, 0]) + 0.04 * np.sin(step / 2 + self._phases[2])
        sway = np.deg2rad(walk.sway_deg)
        pitch, roll = sway * np.sin(step + self._phases[0]), sway * np.sin(step / 2 + self._phases[1])
        out = np.tile(np.eye(4), (len(velocity), 1, 1))
        out[:, :3, :3] = Rotation.from_euler("ZYX", np.stack([yaw, pitch, roll], axis=-1)).as_matrix()
        out[:, :2, 3] = self._path(times)
        out[:, 2, 3] = walk.height + walk.bob * np.sin(step)
        return out


@dataclass(frozen=True, eq=False)
class RollingShutter:
    """A camera whose rows are taken one after the other while it moves; the middle one at `posed`."""

    posed: PosedCamera
    row_poses: Array  # T_world_camera [H + 1, 4, 4] at the upper edge of each row, and below the last

    @property
    def camera(self) -> Camera:
        """The lens."""
        return self.posed.camera

    def rays(self, pixels: NDArray[np.floating]) -> tuple[Array, Array]:
        """Origins [N, 3] and world directions [N, 3], z-depth 1 long, of pixel coordinates [N, 2]."""
        height = self.camera.height
        row = np.clip(pixels[:, 1], 0, height)
        first = np.minimum(row.astype(np.int64), height - 1)
        share = (row - first)[:, None]
        # Within a row the pose hardly changes: a straight line between both edges' rays is exact enough.
        local = self.camera.unproject(pixels, np.ones(len(pixels)))
        low, high = self.row_poses[first], self.row_poses[first + 1]
        origins = low[:, :3, 3] * (1 - share) + high[:, :3, 3] * share
        turned = [np.einsum("nij,nj->ni", pose[:, :3, :3], local) for pose in (low, high)]
        return origins, turned[0] * (1 - share) + turned[1] * share


def carried_camera(mount: CameraMount, size: tuple[int, int], motion: RigMotion, time: float) -> PosedCamera:
    """A camera of the rig where it is at a time, s."""
    camera = pinhole_by_view(*size, mount.horizontal_fov_deg)
    return PosedCamera(mount.name, camera, (motion.poses(np.array([time])) @ lidar_from_camera(mount))[0])


def rolling_shutter(
    posed: PosedCamera, mount: CameraMount, motion: RigMotion, time: float, readout_s: float
) -> RollingShutter:
    """The same camera when it takes `readout_s` from its first row to its last, the middle of it at `time`."""
    height = posed.camera.height
    edges = (np.arange(height + 1) / height - 0.5) * readout_s + time
    return RollingShutter(posed, motion.poses(edges) @ lidar_from_camera(mount))


def lidar_from_camera(camera: CameraMount) -> Array:
    """T_lidar_camera [4, 4]."""
    out = np.eye(4)
    turn = Rotation.from_euler("ZY", [camera.yaw_deg, -camera.pitch_deg], degrees=True).as_matrix()
    out[:3, :3] = turn @ _CAMERA_AXES
    out[:3, 3] = camera.position
    return out


def lidar_beams(lidar: SpinningLidar) -> tuple[Array, NDArray[np.int32], Array]:
    """One turn, column by column: directions [N, 3] in the LiDAR's frame, rings [N], seconds [N] since its start."""
    elevation = np.deg2rad(np.linspace(*lidar.elevation_deg, lidar.rings))
    azimuth = -2 * np.pi * np.arange(lidar.columns) / lidar.columns
    column, ring = (part.ravel() for part in np.mgrid[0 : lidar.columns, 0 : lidar.rings])
    directions = np.stack(
        [
            np.cos(elevation[ring]) * np.cos(azimuth[column]),
            np.cos(elevation[ring]) * np.sin(azimuth[column]),
            np.sin(elevation[ring]),
        ],
        axis=-1,
    )
    return directions, ring.astype(np.int32), column / (lidar.columns * lidar.turns_per_s)
