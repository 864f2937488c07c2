"""Measurements of boards at random poses, drawn without rendering: for trials, for advice and for tests."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.detection.beams import LidarScan, estimate_beams
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise
from splatkit.errors import SplatkitError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, compose, invert, transform_points

LidarName = Literal["16", "32", "64", "solid"]
_RANGE_M = (1.8, 4.5)
_TILT = np.radians(40)
_IN_PLANE = (np.radians(45) - 0.3, np.radians(45) + 0.3)  # turned so that scan lines cross two edges
_CENTER = 0.5  # of the first pixel: places are drawn from there on, so that seeds give the poses they always gave
_MARGIN = 0.05  # of the image, that boards keep from its border
_LEAST_ON_LINE = 5  # returns, for its ends to count as rim
_TRIES = 1000
_VERTICAL = {"16": (-22.0, 22.0), "32": (-25.0, 15.0), "64": (-22.5, 22.5), "solid": (-22.0, 22.0)}  # degrees
_ROSETTE_COUNT, _ROSETTE_RATE = 50_000, 1e5  # returns of a solid-state LiDAR in a scan, and in a second
_ROSETTE_PERIODS = 7294 / 60, -4664 / 60  # turns of its two prisms, 1/s


@dataclass(frozen=True)
class Rig:
    """A camera and a LiDAR with exactly known extrinsic."""

    camera: Camera
    lidar: LidarName
    T_camera_lidar: Array
    noise: SensorNoise


def example_rig(lidar: LidarName, noise: SensorNoise | None = None) -> Rig:
    """A fisheye camera of 1920 x 1208 px beside a LiDAR whose x axis points where the camera looks."""
    axes = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    turn = Rotation.from_euler("xyz", [3, -2, 1.5], degrees=True).as_matrix()
    extrinsic = compose(turn @ axes, np.array([0.06, -0.21, -0.08]))
    camera = Camera("kannala_brandt", 1920, 1208, 1180.0, 1180.0, 960.5, 604.5, (0.0,) * 4)
    return Rig(camera, lidar, extrinsic, noise or SensorNoise(corner_px=0.3, range_m=0.02, outline_m=0.001))


def resized(rig: Rig, width: int) -> Rig:
    """The rig with a camera of the same lens and fewer or more pixels."""
    camera = rig.camera
    factor = width / camera.width
    fx, fy, cx, cy = (factor * camera.parameters[:4]).tolist()
    height = round(camera.height * factor)
    return replace(rig, camera=replace(camera, fx=fx, fy=fy, cx=cx, cy=cy, width=width, height=height))


def likely_lidar(scan: LidarScan) -> LidarName:
    """The simulated LiDAR that is most like the one that took a scan."""
    if scan.ring is not None:
        lasers = len(np.unique(scan.ring))
        return "16" if lasers <= 20 else "32" if lasers <= 44 else "64"
    beams = estimate_beams(scan.points)
    if beams.line_spacing < 2 * beams.spacing:
        return "solid"
    degrees = np.degrees(beams.line_spacing)
    return "16" if degrees > 1.7 else "32" if degrees > 0.9 else "64"


def draw_views(rig: Rig, target: BoardTarget, count: int, rng: np.random.Generator) -> tuple[list[BoardView], Array]:
    """Views of boards at random poses that both sensors see whole, and the true T_camera_board [count, 4, 4]."""
    views: list[BoardView] = []
    poses: list[Array] = []
    while len(views) < count:
        pose = _draw_pose(rig, target, rng)
        view = measure(rig, target, pose, rng)
        if len(view.points) >= 3 * _LEAST_ON_LINE:
            views.append(view)
            poses.append(pose)
    return views, np.stack(poses)


def measure(rig: Rig, target: BoardTarget, T_camera_board: Array, rng: np.random.Generator) -> BoardView:
    """What the rig sees of the board at a pose."""
    pixels = rig.camera.image(transform_points(T_camera_board, target.corners()))
    directions, line = lidar_rays(rig.lidar, rng)
    T_lidar_board = invert(rig.T_camera_lidar) @ T_camera_board
    normal, origin = T_lidar_board[:3, 2], T_lidar_board[:3, 3]
    along = directions @ normal
    ranges = np.where(np.abs(along) > 1e-6, (origin @ normal) / np.where(along == 0, 1, along), -1.0)
    position = (ranges[:, None] * directions - origin) @ T_lidar_board[:3, :2]
    on_board = (ranges > 0) & (np.abs(position) <= np.array([target.width, target.height]) / 2).all(1)
    exact = ranges[on_board, None] * directions[on_board]
    noisy = (ranges[on_board] + rng.normal(0, rig.noise.range_m, on_board.sum()))[:, None] * directions[on_board]
    ends, before = _ends_of_runs(np.flatnonzero(on_board), line[on_board])
    return BoardView(
        corners=(pixels + rng.normal(0, rig.noise.corner_px, pixels.shape),),
        points=noisy,
        rim=noisy[ends],
        rim_steps=exact[ends] - exact[before],  # an extraction takes them from the fitted plane
    )


def _ends_of_runs(order: NDArray[np.int64], line: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where returns on the board begin and end, and the return beside each, as indices into the returns.

    Args:
        order: [P] number of each return in the scan, ascending.
        line: [P] scan line of each.
    """
    breaks = np.flatnonzero((np.diff(order) != 1) | (np.diff(line) != 0)) + 1
    first = np.concatenate([[0], breaks])
    last = np.concatenate([breaks, [len(order)]]) - 1
    long = last - first + 1 >= _LEAST_ON_LINE
    first, last = first[long], last[long]
    return np.concatenate([first, last]), np.concatenate([first + 1, last - 1])


def lidar_rays(lidar: LidarName, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """Unit vectors [N, 3] of one scan, LiDAR frame, and the scan line [N] of each."""
    if lidar == "solid":
        return _rosette(rng)
    low, high, step = {"16": (-15, 15, 0.2), "32": (-25, 15, 0.2), "64": (-22.5, 22.5, 0.35)}[lidar]
    rings = int(lidar)
    azimuth = np.arange(-70, 70, step) + rng.uniform(0, step, (rings, 1))  # each ring fires at its own time
    elevation = np.broadcast_to(np.linspace(low, high, rings)[:, None], azimuth.shape)
    line = np.repeat(np.arange(rings), azimuth.shape[1])
    return _directions(np.radians(azimuth).ravel(), np.radians(elevation).ravel()), line


def _rosette(rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """The pattern of two turning prisms that does not repeat; one line from end to end."""
    time = np.arange(_ROSETTE_COUNT) / _ROSETTE_RATE + rng.uniform(0, 10)
    reach = np.radians(17.6)
    first, second = (2 * np.pi * rate * time for rate in _ROSETTE_PERIODS)
    azimuth, elevation = reach * (np.cos(first) + np.cos(second)), 0.7 * reach * (np.sin(first) + np.sin(second))
    return _directions(azimuth, elevation), np.zeros(_ROSETTE_COUNT, dtype=np.int64)


def _directions(azimuth: Array, elevation: Array) -> Array:
    return np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)


def _draw_pose(rig: Rig, target: BoardTarget, rng: np.random.Generator) -> Array:
    """T_camera_board of a board that lies whole in the image and in the LiDAR's field of view."""
    size = np.array([rig.camera.width, rig.camera.height])
    for _ in range(_TRIES):
        depth = rng.uniform(*_RANGE_M)
        ray = rig.camera.tangents(rng.uniform(0.1, 0.9, (1, 2)) * size + _CENTER)[0]
        tilt = Rotation.from_euler("xy", rng.uniform(-_TILT, _TILT, 2))
        rotation = (tilt * Rotation.from_euler("z", rng.uniform(*_IN_PLANE))).as_matrix()
        pose = compose(rotation, depth * np.append(ray, 1.0))
        outline = transform_points(pose, target.outline())
        if outline[:, 2].min() < 0.5:
            continue
        pixels = rig.camera.image(outline) - _CENTER
        if (pixels < _MARGIN * size).any() or (pixels > (1 - _MARGIN) * size).any():
            continue
        seen = transform_points(invert(rig.T_camera_lidar), outline)
        low, high = _VERTICAL[rig.lidar]
        elevation = np.degrees(np.arctan2(seen[:, 2], np.linalg.norm(seen[:, :2], axis=1)))
        if elevation.min() > low and elevation.max() < high:
            return pose
    raise SplatkitError("simulation: no pose of this board lies in both fields of view; is the board too large?")
