"""What the measurements say against a guess of all poses: residuals in standard deviations, and their derivatives.

Three kinds for each view of the board. *Corners*: the pattern's corners in the images. *Plane* (YOCO's co-planarity,
arXiv 2407.18043): LiDAR points lie on the board. Their noise runs along the ray, so the range is compared with that to
the board, which is the distance from the plane over the cosine of incidence. *Rim*: the ray of the first or last return
of a scan line meets the board inside its outline, by a uniform share of the line's last step; the ray and not the point
is taken, because the point's range error is in the plane's residual already.

Boards are posed in the LiDAR's frame: its residuals know nothing of any camera, and cameras meet the LiDAR, and each
other, through the boards.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise, corners_seen
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, lengths, point_motion, transform_points

Kind = Literal["corners", "plane", "rim"]
_PARALLEL = 1e-3  # cosine; rays along the board meet it nowhere
_MOST_OBLIQUE = 0.2  # cosine of incidence; more oblique rays would weigh more than their ranges are worth


@dataclass(frozen=True)
class Block:
    """Residuals of one kind, view and camera.

    Attributes:
        kind: which.
        values: [n] in standard deviations.
        to_board: [n, 6] derivatives to the twist of T_lidar_board, in the LiDAR's frame.
        shared: [m] numbers of the shared unknowns that they depend on.
        to_shared: [n, m] derivatives to those.
        camera: of corners.
    """

    kind: Kind
    values: Array
    to_board: Array
    shared: NDArray[np.int64]
    to_shared: Array
    camera: int = 0


def corner_residuals(
    views: list[Array],
    target: BoardTarget,
    camera: Camera,
    noise: SensorNoise,
    T_camera_lidar: Array,
    T_lidar_board: list[Array],
) -> list[tuple[Array, Array, Array]]:
    """Distances of the corners that are seen in each view's image, x and y of each, in standard deviations.

    All views at once: they are many, and of few corners.

    Args:
        views: corners [columns * rows, 2] px, NaN where unseen.
        target: the board.
        camera: that sees it.
        noise: of the sensors.
        T_camera_lidar: [4, 4].
        T_lidar_board: [4, 4] of each view.

    Returns:
        Of each view values [n] and derivatives to the twist of T_lidar_board [n, 6], and to that of T_camera_lidar and
        the camera's parameters [n, 6 + 4 + D].
    """
    seen = [corners_seen(corners) for corners in views]
    boards = [transform_points(T, target.corners()[where]) for T, where in zip(T_lidar_board, seen, strict=True)]
    points_lidar = np.concatenate(boards)
    points = transform_points(T_camera_lidar, points_lidar)
    pixels, to_points, to_intrinsics = camera.jacobians(points)
    sigma = noise.corner_px
    measured = np.concatenate([corners[where] for corners, where in zip(views, seen, strict=True)])
    values = (pixels - measured) / sigma
    to_board = to_points @ T_camera_lidar[:3, :3] @ point_motion(points_lidar) / sigma
    to_camera = np.concatenate([to_points @ point_motion(points), to_intrinsics], 2) / sigma
    ends = np.cumsum([len(board) for board in boards])[:-1]
    parts = zip(*(np.split(array, ends) for array in (values, to_board, to_camera)), strict=True)
    columns = to_camera.shape[2]
    return [(a.reshape(-1), b.reshape(-1, 6), c.reshape(-1, columns)) for a, b, c in parts]


def plane_residuals(
    view: BoardView, noise: SensorNoise, T_lidar_board: Array, range_errors: Array
) -> tuple[Array, Array, Array]:
    """By how much the LiDAR's ranges differ from those to the board.

    A noisy point off its true place along the ray would turn the derivatives by noise that the residual shares, which
    biases the board as soon as points are many: derivatives are taken where the ray meets the board.

    Args:
        view: with P points.
        noise: of the sensors.
        T_lidar_board: [4, 4].
        range_errors: [P] that are known of the ranges, measured minus true, m.

    Returns:
        Values [P], derivatives to the twist of the board [P, 6] and to the range errors [P].
    """
    rays, along, hits = _meet(view.points, T_lidar_board)
    ranges = (hits * rays).sum(1)
    sigma = noise.range_m * np.maximum(1, _MOST_OBLIQUE / np.abs(along))
    values = (lengths(view.points) - range_errors - ranges) / sigma
    return values, _of_board(hits, T_lidar_board[:3, 2] / (along * sigma)[:, None]), -1 / sigma


def rim_residuals(
    view: BoardView, target: BoardTarget, noise: SensorNoise, T_lidar_board: Array
) -> tuple[Array, Array]:
    """How far the rays of rim points meet the board from where the outline lets them on average.

    Returns:
        Values [E] and derivatives to the twist of the board [E, 6].
    """
    rays, along, hits = _meet(view.rim, T_lidar_board)
    position = (hits - T_lidar_board[:3, 3]) @ T_lidar_board[:3, :2]
    outside = np.abs(position) - np.array([target.width, target.height]) / 2
    axis = outside.argmax(1)
    sign = np.sign(np.take_along_axis(position, axis[:, None], 1))
    edge = sign * T_lidar_board[:3, :2].T[axis]  # [E, 3] outward normal, in the board
    steps = np.abs((view.rim_steps * edge).sum(1))
    sigma = np.hypot(steps / np.sqrt(12), noise.outline_m)
    values = (np.take_along_axis(outside, axis[:, None], 1)[:, 0] + steps / 2) / sigma
    # A ray that moves by dx meets the board elsewhere by dx less its part along the ray's slope.
    slope = edge - ((edge * rays).sum(1) / along)[:, None] * T_lidar_board[:3, 2]
    return values, _of_board(hits, slope / sigma[:, None])


def _meet(points: Array, T_lidar_board: Array) -> tuple[Array, Array, Array]:
    """Where rays to points [N, 3] meet the board: unit rays [N, 3], their cosines [N] and hits [N, 3]."""
    rays = points / lengths(points)[:, None]
    normal, origin = T_lidar_board[:3, 2], T_lidar_board[:3, 3]
    along = rays @ normal
    along = np.where(np.abs(along) < _PARALLEL, np.copysign(_PARALLEL, along), along)
    return rays, along, (origin @ normal / along)[:, None] * rays


def _of_board(points: Array, gradient: Array) -> Array:
    """Derivatives [n, 6] to the board's twist of values that grow by gradient . dx as their points [n, 3] move by dx
    against the board."""
    (x, y, z), (a, b, c) = points.T, gradient.T
    return np.stack([z * b - y * c, x * c - z * a, y * a - x * b, -a, -b, -c], 1)
