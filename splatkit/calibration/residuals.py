"""What the measurements say against a guess of all poses: residuals in standard deviations, and their derivatives.

Three kinds for each view of the board. *Corners*: the pattern's corners in the image. *Plane* (YOCO's co-planarity,
arXiv 2407.18043): LiDAR points lie on the board. Their noise runs along the ray, so the range is compared with that to
the board, which is the distance from the plane over the cosine of incidence. *Rim*: the ray of the first or last return
of a scan line meets the board inside its outline, by a uniform share of the line's last step; the ray and not the point
is taken, because the point's range error is in the plane's residual already.

A LiDAR residual changes with the motion of its point x as g . dx, so under a twist of the point as [x cross g, g], and
under the same twist of the board as the negative of it: only their relative motion can be seen.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from splatkit.calibration.camera import Camera
from splatkit.calibration.se3 import Array, apply, cross_matrix
from splatkit.calibration.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise

Kind = Literal["corners", "plane", "rim"]
_PARALLEL = 1e-3  # cosine; rays along the board meet it nowhere
_MOST_OBLIQUE = 0.2  # cosine of incidence; more oblique rays would weigh more than their ranges are worth


@dataclass(frozen=True)
class Block:
    """Residuals of one kind and view.

    Attributes:
        kind: which.
        values: [n] in standard deviations.
        to_extrinsic: [n, 6] derivatives to the twist of T_camera_lidar.
        to_board: [n, 6] derivatives to the twist of T_camera_board.
    """

    kind: Kind
    values: Array
    to_extrinsic: Array
    to_board: Array


def view_residuals(
    view: BoardView,
    target: BoardTarget,
    camera: Camera,
    noise: SensorNoise,
    T_camera_lidar: Array,
    T_camera_board: Array,
    kinds: tuple[Kind, ...],
) -> list[Block]:
    """Blocks of one view, of the kinds that are wanted and measured."""
    blocks = [corner_residuals(view, target, camera, noise, T_camera_board)] if "corners" in kinds else []
    if "plane" in kinds:
        blocks.append(plane_residuals(view, noise, T_camera_lidar, T_camera_board))
    if "rim" in kinds and len(view.rim):
        blocks.append(rim_residuals(view, target, noise, T_camera_lidar, T_camera_board))
    return blocks


def corner_residuals(
    view: BoardView, target: BoardTarget, camera: Camera, noise: SensorNoise, T_camera_board: Array
) -> Block:
    """Distances of the corners in the image, x and y of each."""
    points = apply(T_camera_board, target.corners())
    pixels, to_points = camera.project(points)
    motion = np.concatenate([-cross_matrix(points), np.broadcast_to(np.eye(3), (len(points), 3, 3))], 2)
    to_board = (to_points @ motion).reshape(-1, 6) / noise.corner_px
    values = (pixels - view.corners).reshape(-1) / noise.corner_px
    return Block("corners", values, np.zeros_like(to_board), to_board)


def plane_residuals(view: BoardView, noise: SensorNoise, T_camera_lidar: Array, T_camera_board: Array) -> Block:
    """By how much the LiDAR's ranges differ from those to the board.

    A noisy point off its true place along the ray would turn the derivatives by noise that the residual shares, which
    biases the extrinsic as soon as points are many: derivatives are taken where the ray meets the board.
    """
    rays, along, hits = _meet(view.points, T_camera_lidar, T_camera_board)
    ranges = ((hits - T_camera_lidar[:3, 3]) * rays).sum(1)
    sigma = noise.range_m * np.maximum(1, _MOST_OBLIQUE / np.abs(along))
    values = (np.linalg.norm(view.points, axis=1) - ranges) / sigma
    return _relative("plane", values, hits, T_camera_board[:3, 2] / (along * sigma)[:, None])


def rim_residuals(
    view: BoardView, target: BoardTarget, noise: SensorNoise, T_camera_lidar: Array, T_camera_board: Array
) -> Block:
    """How far the rays of rim points meet the board from where the outline lets them on average."""
    rays, along, hits = _meet(view.rim, T_camera_lidar, T_camera_board)
    position = (hits - T_camera_board[:3, 3]) @ T_camera_board[:3, :2]
    outside = np.abs(position) - np.array([target.width, target.height]) / 2
    axis = outside.argmax(1)
    sign = np.sign(np.take_along_axis(position, axis[:, None], 1))
    edge = sign * T_camera_board[:3, :2].T[axis]  # [E, 3] outward normal, in the board
    steps = np.abs(((view.rim_steps @ T_camera_lidar[:3, :3].T) * edge).sum(1))
    sigma = np.hypot(steps / np.sqrt(12), noise.outline_m)
    values = (np.take_along_axis(outside, axis[:, None], 1)[:, 0] + steps / 2) / sigma
    # A ray that moves by dx meets the board elsewhere by dx less its part along the ray's slope.
    slope = edge - ((edge * rays).sum(1) / along)[:, None] * T_camera_board[:3, 2]
    return _relative("rim", values, hits, slope / sigma[:, None])


def _meet(points: Array, T_camera_lidar: Array, T_camera_board: Array) -> tuple[Array, Array, Array]:
    """Where rays to points [N, 3] meet the board: unit rays [N, 3], their cosines [N], hits [N, 3], camera frame."""
    rays = (points / np.linalg.norm(points, axis=1, keepdims=True)) @ T_camera_lidar[:3, :3].T
    normal, origin = T_camera_board[:3, 2], T_camera_board[:3, 3]
    along = rays @ normal
    along = np.where(np.abs(along) < _PARALLEL, np.copysign(_PARALLEL, along), along)
    ranges = (origin - T_camera_lidar[:3, 3]) @ normal / along
    return rays, along, T_camera_lidar[:3, 3] + ranges[:, None] * rays


def _relative(kind: Kind, values: Array, points: Array, directions: Array) -> Block:
    # Written out: np.cross takes longer than all the rest.
    (x, y, z), (u, v, w) = points.T, directions.T
    motion = np.stack([y * w - z * v, z * u - x * w, x * v - y * u, u, v, w], 1)
    return Block(kind, values, motion, -motion)
