"""All residuals of a calibration, and the information that they hold."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.solver.parameters import Layout, Parameters, Prior, RangeBasis
from splatkit.calibration.solver.residuals import Block, Kind, corner_residuals, plane_residuals, rim_residuals
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array

HUBER = 2.5  # standard deviations where the loss turns from square to straight


@dataclass(frozen=True)
class Problem:
    """What is given, and what of it is unknown."""

    views: list[BoardView]
    target: BoardTarget
    cameras: tuple[Camera, ...]
    noise: SensorNoise
    basis: RangeBasis
    layout: Layout

    def blocks(self, guess: Parameters, kinds: tuple[Kind, ...]) -> list[list[Block]]:
        """Residuals of all views, of the kinds that are wanted and measured."""
        out: list[list[Block]] = [[] for _ in self.views]
        if "corners" in kinds:
            for camera in range(len(self.cameras)):
                for index, block in self._corner_blocks(camera, guess):
                    out[index].append(block)
        for index, blocks in enumerate(out):
            blocks += self._lidar_blocks(index, guess, kinds)
        return out

    def _corner_blocks(self, camera: int, guess: Parameters) -> list[tuple[int, Block]]:
        """Of the views that a camera sees the board in, with their numbers."""
        views = {index: seen for index, view in enumerate(self.views) if (seen := view.corners[camera]) is not None}
        if not views:
            return []
        columns = self.layout.camera(camera)
        boards = [guess.T_lidar_board[index] for index in views]
        found = corner_residuals(
            list(views.values()),
            self.target,
            guess.cameras[camera],
            self.noise,
            guess.T_camera_lidar[camera],
            boards,
        )
        return [
            (index, Block("corners", values, to_board, columns, to_camera[:, : len(columns)], camera))
            for index, (values, to_board, to_camera) in zip(views, found, strict=True)
        ]

    def _lidar_blocks(self, index: int, guess: Parameters, kinds: tuple[Kind, ...]) -> list[Block]:
        view, board = self.views[index], guess.T_lidar_board[index]
        out: list[Block] = []
        if "plane" in kinds:
            weights = self.basis.weights[index]
            values, to_board, to_errors = plane_residuals(view, self.noise, board, weights @ guess.range_bias)
            columns = np.arange(self.layout.biases.start, self.layout.biases.stop)
            out.append(Block("plane", values, to_board, columns, to_errors[:, None] * weights))
        if "rim" in kinds and len(view.rim):
            values, to_board = rim_residuals(view, self.target, self.noise, board)
            out.append(Block("rim", values, to_board, np.zeros(0, dtype=np.int64), np.zeros((len(values), 0))))
        return out


@dataclass(frozen=True)
class NormalEquations:
    """Of a Gauss-Newton step: shared A [S, S], each view's B [N, S, 6] and D [N, 6, 6], right sides a [S], d [N, 6]."""

    A: Array
    B: Array
    D: Array
    a: Array
    d: Array

    def reduced(self, damping: float = 0.0) -> tuple[Array, Array, Array]:
        """Boards eliminated: matrix [S, S], right side [S], and what gives the boards' steps back [N, 6, S + 1]."""
        D = self.D + damping * self.D * np.eye(6)
        eliminated = np.linalg.solve(D, np.concatenate([np.swapaxes(self.B, 1, 2), self.d[:, :, None]], 2))
        size = len(self.A)
        matrix = self.A + damping * np.diag(np.diag(self.A)) - (self.B @ eliminated[:, :, :size]).sum(0)
        right = self.a - (self.B @ eliminated[:, :, size:])[:, :, 0].sum(0)
        return (matrix + matrix.T) / 2, right, eliminated


def normal_equations(
    blocks: list[list[Block]], size: int, prior: Prior | None = None, kind_weights: dict[str, float] | None = None
) -> NormalEquations:
    """Sum up what all residuals say.

    Args:
        blocks: by view.
        size: of the shared unknowns.
        prior: on them.
        kind_weights: of each kind alone; without them each residual is weighted by the robust loss.
    """
    count = len(blocks)
    A, a = np.zeros((size, size)), np.zeros(size)
    B, D, d = np.zeros((count, size, 6)), np.zeros((count, 6, 6)), np.zeros((count, 6))
    for index, view in enumerate(blocks):
        for block in view:
            if kind_weights is None:
                w = 1 / np.sqrt(1 + (block.values / HUBER) ** 2)
            else:
                w = np.full(len(block.values), kind_weights[block.kind])
            weighted = w[:, None] * block.to_board
            D[index] += block.to_board.T @ weighted
            d[index] += weighted.T @ block.values
            if len(block.shared):
                A[np.ix_(block.shared, block.shared)] += block.to_shared.T @ (w[:, None] * block.to_shared)
                B[index, block.shared] += block.to_shared.T @ weighted
                a[block.shared] += block.to_shared.T @ (w * block.values)
    if prior is not None:
        A += prior.rows.T @ prior.rows
        a -= prior.rows.T @ prior.targets
    return NormalEquations(A, B, D, a, d)


def information(
    blocks: list[list[Block]], size: int, prior: Prior | None = None, kind_weights: dict[str, float] | None = None
) -> Array:
    """Information [S, S] about the shared unknowns, all board poses marginalized (exactly, for these derivatives).

    Args:
        blocks: by view.
        size: S.
        prior: on the shared unknowns.
        kind_weights: of each kind, 1 by default.
    """
    weights = {"corners": 1.0, "plane": 1.0, "rim": 1.0} | (kind_weights or {})
    return normal_equations(blocks, size, prior, weights).reduced()[0]


def inflations(blocks: list[list[Block]]) -> dict[str, float]:
    """By what each kind's measurements are worth less than their derivatives say: E[psi^2] / E[psi']^2."""
    out: dict[str, float] = {}
    for kind in sorted({block.kind for view in blocks for block in view}):
        x = np.concatenate([block.values for view in blocks for block in view if block.kind == kind])
        root = np.sqrt(1 + (x / HUBER) ** 2)
        out[kind] = float(max(np.mean((x / root) ** 2) / np.mean(root**-3) ** 2, 1e-6))
    return out


def fitted_shares(
    blocks: list[list[Block]], covariance: Array, prior: Prior, kind_weights: dict[str, float]
) -> dict[str, float]:
    """Share of each kind's residuals that the unknowns take up: its leverages over its count.

    Args:
        blocks: by view.
        covariance: [S, S] of the shared unknowns.
        prior: on them.
        kind_weights: that the covariance was made with.
    """
    equations = normal_equations(blocks, len(covariance), prior, kind_weights)
    follows = np.linalg.solve(equations.D, np.swapaxes(equations.B, 1, 2))  # [N, 6, S] a board's step by shared ones
    taken, counts = dict.fromkeys(kind_weights, 0.0), dict.fromkeys(kind_weights, 0)
    for view, D, follow in zip(blocks, equations.D, follows, strict=True):
        board, cross = np.linalg.inv(D) + follow @ covariance @ follow.T, -follow @ covariance
        for block in view:
            # The trace of J covariance J^T is the sum of J^T J times the covariance.
            own = ((block.to_board.T @ block.to_board) * board).sum()
            both = ((block.to_board.T @ block.to_shared) * cross[:, block.shared]).sum()
            joint = covariance[np.ix_(block.shared, block.shared)]
            shared = ((block.to_shared.T @ block.to_shared) * joint).sum()
            taken[block.kind] += kind_weights[block.kind] * float(own + 2 * both + shared)
            counts[block.kind] += len(block.values)
    return {kind: taken[kind] / max(counts[kind], 1) for kind in kind_weights}


def robust_cost(blocks: list[list[Block]]) -> float:
    """Pseudo-Huber loss of all residuals."""
    return sum(
        float((HUBER**2 * (np.sqrt(1 + (block.values / HUBER) ** 2) - 1)).sum()) for view in blocks for block in view
    )
