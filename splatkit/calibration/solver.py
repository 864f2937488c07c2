"""The joint maximum-likelihood problem: one extrinsic and the pose of the board in every view.

Levenberg and Marquardt's iteration on SE(3) with a pseudo-Huber loss. Each view's board pose meets no other view, so it
is eliminated (Schur complement) and the system that is left has six unknowns, however many views there are.
"""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.camera import Camera
from splatkit.calibration.closed_form import DegenerateViewsError, board_poses, extrinsic_from_planes
from splatkit.calibration.residuals import Block, Kind, view_residuals
from splatkit.calibration.se3 import Array, exp_se3
from splatkit.calibration.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise, check_views

PLANE_ONLY: tuple[Kind, ...] = ("corners", "plane")
ALL_KINDS: tuple[Kind, ...] = ("corners", "plane", "rim")
_HUBER = 2.5  # standard deviations where the loss turns from square to straight
_MAX_ITERATIONS = 60
_DAMPING, _MOST_DAMPING = 1e-4, 1e8
_SMALL_STEP = 1e-7  # rad and m
_SMALL_GAIN, _SMALL_GAIN_AT_FIRST = 1e-10, 1e-4  # of the cost, relative


@dataclass(frozen=True)
class Solution:
    """A calibration.

    Attributes:
        T_camera_lidar: [4, 4] maps the LiDAR's coordinates to the camera's, m.
        T_camera_board: [N, 4, 4] of each view.
        covariance: [6, 6] of the twist of T_camera_lidar: rotation (rad), then translation (m), camera frame.
        kinds: of residuals that were used.
        blocks: by view, at the solution.
        chi: root mean square of each kind's residuals, robust; 1 where noise is as assumed.
        iterations: that were needed.
    """

    T_camera_lidar: Array
    T_camera_board: Array
    covariance: Array
    kinds: tuple[Kind, ...]
    blocks: tuple[tuple[Block, ...], ...]
    chi: dict[str, float]
    iterations: int

    @property
    def rotation_deg(self) -> float:
        """Standard deviation of the rotation, over its three axes together."""
        return float(np.degrees(np.sqrt(np.trace(self.covariance[:3, :3]))))

    @property
    def translation_m(self) -> float:
        """Standard deviation of the translation, over its three axes together."""
        return float(np.sqrt(np.trace(self.covariance[3:, 3:])))


@dataclass(frozen=True)
class Problem:
    """What is given."""

    views: list[BoardView]
    target: BoardTarget
    camera: Camera
    noise: SensorNoise

    def blocks(self, T_camera_lidar: Array, T_camera_board: Array, kinds: tuple[Kind, ...]) -> list[list[Block]]:
        """Residuals of all views."""
        return [
            view_residuals(view, self.target, self.camera, self.noise, T_camera_lidar, pose, kinds)
            for view, pose in zip(self.views, T_camera_board, strict=True)
        ]


def solve(
    views: list[BoardView],
    target: BoardTarget,
    camera: Camera,
    noise: SensorNoise | None = None,
    kinds: tuple[Kind, ...] = ALL_KINDS,
) -> Solution:
    """Calibrate.

    Args:
        views: poses of the board, at least three, tilted differently.
        target: the board.
        camera: its intrinsics are taken as they are.
        noise: of the sensors; residuals are scaled by what they turn out to be, so only ratios matter.
        kinds: PLANE_ONLY is the published formulation.

    Raises:
        SettingsError: a view cannot be used.
        DegenerateViewsError: the views do not determine the extrinsic.
    """
    check_views(views, target.columns * target.rows)
    problem = Problem(views, target, camera, noise or SensorNoise())
    boards = board_poses(views, target, camera)
    extrinsic = extrinsic_from_planes(views, boards)
    # Planes first: rims need a guess that is better than half the board.
    rims = "rim" in kinds and any(len(view.rim) for view in views)
    enough = _SMALL_GAIN_AT_FIRST if rims else _SMALL_GAIN
    extrinsic, boards, first = _iterate(problem, extrinsic, boards, PLANE_ONLY, enough)
    more = 0
    if rims:
        extrinsic, boards, more = _iterate(problem, extrinsic, boards, kinds, _SMALL_GAIN)
    blocks = problem.blocks(extrinsic, boards, kinds)
    return Solution(
        T_camera_lidar=extrinsic,
        T_camera_board=boards,
        covariance=extrinsic_covariance(blocks),
        kinds=kinds,
        blocks=tuple(tuple(view) for view in blocks),
        chi={kind: float(np.sqrt(inflation)) for kind, inflation in _inflations(blocks).items()},
        iterations=first + more,
    )


def information(blocks: list[list[Block]], weights: dict[str, float] | None = None) -> Array:
    """Information [6, 6] about the extrinsic, all board poses marginalized (exactly, for these derivatives).

    Args:
        blocks: by view.
        weights: of each kind, 1 by default.
    """
    total = np.zeros((6, 6))
    for view in blocks:
        A, B, D = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros((6, 6))
        for block in view:
            w = 1.0 if weights is None else weights[block.kind]
            A += w * block.to_extrinsic.T @ block.to_extrinsic
            B += w * block.to_extrinsic.T @ block.to_board
            D += w * block.to_board.T @ block.to_board
        total += A - B @ np.linalg.solve(D, B.T)
    return (total + total.T) / 2


def extrinsic_covariance(blocks: list[list[Block]]) -> Array:
    """Covariance [6, 6] of the extrinsic's twist, with the noise that the residuals show (M-estimate)."""
    matrix = information(blocks, {kind: 1 / inflation for kind, inflation in _inflations(blocks).items()})
    if np.linalg.eigvalsh(matrix)[0] < 1e-9 * np.trace(matrix):
        raise DegenerateViewsError("the views leave a motion of the LiDAR open: add poses with other tilts and places")
    return np.linalg.inv(matrix)


def _inflations(blocks: list[list[Block]]) -> dict[str, float]:
    """By what each kind's measurements are worth less than their derivatives say: E[psi^2] / E[psi']^2."""
    out: dict[str, float] = {}
    for kind in {block.kind for view in blocks for block in view}:
        x = np.concatenate([block.values for view in blocks for block in view if block.kind == kind])
        root = np.sqrt(1 + (x / _HUBER) ** 2)
        out[kind] = float(max(np.mean((x / root) ** 2) / np.mean(root**-3) ** 2, 1e-6))
    return out


def _iterate(
    problem: Problem, extrinsic: Array, boards: Array, kinds: tuple[Kind, ...], small_gain: float
) -> tuple[Array, Array, int]:
    damping = _DAMPING
    blocks = problem.blocks(extrinsic, boards, kinds)
    cost = _cost(blocks)
    for iteration in range(1, _MAX_ITERATIONS + 1):
        reduced = _weighted(blocks)
        while True:
            step, board_steps = _step(reduced, damping)
            moved = exp_se3(step) @ extrinsic, exp_se3(board_steps) @ boards
            trial = problem.blocks(*moved, kinds)
            trial_cost = _cost(trial)
            if np.isfinite(trial_cost) and trial_cost <= cost:
                break
            damping *= 10
            if damping > _MOST_DAMPING:
                return extrinsic, boards, iteration
        gain = (cost - trial_cost) / max(cost, 1e-300)
        (extrinsic, boards), blocks, cost = moved, trial, trial_cost
        damping = max(damping / 10, 1e-12)
        if np.abs(step).max() < _SMALL_STEP or gain < small_gain:
            return extrinsic, boards, iteration
    return extrinsic, boards, _MAX_ITERATIONS


def _cost(blocks: list[list[Block]]) -> float:
    return sum(
        float((_HUBER**2 * (np.sqrt(1 + (block.values / _HUBER) ** 2) - 1)).sum()) for view in blocks for block in view
    )


_Normal = tuple[Array, Array, Array, Array, Array]


def _weighted(blocks: list[list[Block]]) -> list[_Normal]:
    """Normal equations of each view: A, B, D and the right sides of extrinsic and board."""
    out = []
    for view in blocks:
        A, B, D, a, d = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros((6, 6)), np.zeros(6), np.zeros(6)
        for block in view:
            w = 1 / np.sqrt(1 + (block.values / _HUBER) ** 2)
            weighted_board = w[:, None] * block.to_board
            D += block.to_board.T @ weighted_board
            d += weighted_board.T @ block.values
            if block.kind != "corners":  # they know nothing of the LiDAR
                A += block.to_extrinsic.T @ (w[:, None] * block.to_extrinsic)
                B += block.to_extrinsic.T @ weighted_board
                a += block.to_extrinsic.T @ (w * block.values)
        out.append((A, B, D, a, d))
    return out


def _step(normals: list[_Normal], damping: float) -> tuple[Array, Array]:
    A, B, D, a, d = (np.stack(part) for part in zip(*normals, strict=True))
    D = D + damping * D * np.eye(6)
    eliminated = np.linalg.solve(D, np.concatenate([np.swapaxes(B, 1, 2), d[:, :, None]], 2))
    total = A.sum(0)
    schur = total + damping * np.diag(np.diag(total)) - (B @ eliminated[:, :, :6]).sum(0)
    right = a.sum(0) - (B @ eliminated[:, :, 6:])[:, :, 0].sum(0)
    step = -np.linalg.solve(schur, right)
    boards = -eliminated[:, :, 6] - eliminated[:, :, :6] @ step
    return step, boards
