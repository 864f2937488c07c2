"""The joint maximum-likelihood problem: extrinsics, what is freed beside them, and the board's pose in every view.

Levenberg and Marquardt's iteration on SE(3) with a pseudo-Huber loss. Each view's board pose meets no other view, so it
is eliminated (Schur complement), and the system that is left has six unknowns a camera, however many views there are.
"""

from dataclasses import dataclass, replace

import numpy as np

from splatkit.calibration.solver.closed_form import DegenerateViewsError, board_poses, extrinsic_from_planes
from splatkit.calibration.solver.parameters import (
    Freedom,
    Layout,
    Parameters,
    RangeBasis,
    make_prior,
    range_basis,
)
from splatkit.calibration.solver.problem import (
    Problem,
    fitted_shares,
    inflations,
    information,
    normal_equations,
    robust_cost,
)
from splatkit.calibration.solver.residuals import Block, Kind
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise, check_views
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, invert

PLANE_ONLY: tuple[Kind, ...] = ("corners", "plane")
ALL_KINDS: tuple[Kind, ...] = ("corners", "plane", "rim")
_MAX_ITERATIONS = 60
_DAMPING, _MOST_DAMPING = 1e-4, 1e8
_SMALL_STEP = 1e-7  # rad and m
_LEAST_WIDTH = 0.08  # of the plate's smaller side; points on one scan line tell no plane
_LEAST_LEFT = 0.2  # of a kind's residuals by their count, after what the unknowns fit
# Of the cost, relative; to judge a way to calibrate, a fiftieth of a standard deviation is near enough.
_SMALL_GAIN, _SMALL_GAIN_TO_JUDGE, _SMALL_GAIN_AT_FIRST = 1e-10, 1e-7, 1e-4


@dataclass(frozen=True)
class Solution:
    """A calibration.

    Attributes:
        guess: extrinsics, boards, intrinsics and range errors.
        joint_covariances: [6 + P, 6 + P] of each camera: of the twist of T_camera_lidar, that is rotation (rad), then
            translation (m), camera frame, and of its intrinsics where they are freed; all else is marginalized.
        pulled: [S] standard deviation of each shared unknown over what was known of it before; NaN for extrinsics.
        basis: of the range errors.
        layout: of the shared unknowns.
        kinds: of residuals that were used.
        blocks: by view, at the solution.
        chi: root mean square of each kind's residuals, robust; 1 where noise is as assumed.
        iterations: that were needed.
    """

    guess: Parameters
    joint_covariances: tuple[Array, ...]
    pulled: Array
    basis: RangeBasis
    layout: Layout
    kinds: tuple[Kind, ...]
    blocks: tuple[tuple[Block, ...], ...]
    chi: dict[str, float]
    iterations: int

    @property
    def T_camera_lidar(self) -> Array:
        """[4, 4] of the first camera: maps the LiDAR's coordinates to the camera's, m."""
        return self.guess.T_camera_lidar[0]

    @property
    def covariances(self) -> Array:
        """[C, 6, 6] of the twist of each T_camera_lidar."""
        return np.stack([joint[:6, :6] for joint in self.joint_covariances])

    @property
    def covariance(self) -> Array:
        """[6, 6] of the first camera."""
        return self.covariances[0]

    @property
    def T_camera_board(self) -> Array:
        """[N, 4, 4] of each view, first camera."""
        return self.T_camera_lidar @ self.guess.T_lidar_board

    @property
    def rotation_deg(self) -> float:
        """Standard deviation of the first camera's rotation, over its three axes together."""
        return float(np.degrees(np.sqrt(np.trace(self.covariance[:3, :3]))))

    @property
    def translation_m(self) -> float:
        """Standard deviation of the first camera's translation, over its three axes together."""
        return float(np.sqrt(np.trace(self.covariance[3:, 3:])))


def make_problem(
    views: list[BoardView],
    target: BoardTarget,
    cameras: tuple[Camera, ...],
    noise: SensorNoise,
    freedom: Freedom | None = None,
) -> Problem:
    """Put together what is given."""
    freedom = freedom or Freedom()
    basis = range_basis(views, freedom)
    layout = Layout(freedom, tuple(len(camera.parameters) for camera in cameras), len(basis.shares))
    return Problem(views, target, cameras, noise, basis, layout)


def solve(
    views: list[BoardView],
    target: BoardTarget,
    cameras: Camera | tuple[Camera, ...],
    noise: SensorNoise | None = None,
    kinds: tuple[Kind, ...] = ALL_KINDS,
    freedom: Freedom | None = None,
    start: Parameters | None = None,
) -> Solution:
    """Calibrate.

    Args:
        views: poses of the board, at least three for each camera, tilted differently.
        target: the board.
        cameras: one, or several on the same LiDAR.
        noise: of the sensors; residuals are scaled by what they turn out to be, so only ratios matter.
        kinds: PLANE_ONLY is the published formulation.
        freedom: what is estimated beside extrinsics and boards.
        start: extrinsics, boards and intrinsics that are known to be near, as those of more views, for solutions that
            only judge others: they are found sooner, and to fewer digits. Its range errors are not used.

    Raises:
        SettingsError: a view cannot be used.
        DegenerateViewsError: the views do not determine the extrinsic.
    """
    cameras = (cameras,) if isinstance(cameras, Camera) else cameras
    check_views(views, target.columns * target.rows, len(cameras))
    problem = make_problem(views, target, cameras, noise or SensorNoise(), freedom)
    guess = _first_guess(problem)  # in any case: it refuses views that determine nothing
    rims = "rim" in kinds and any(len(view.rim) for view in views)
    first, more, small_gain = 0, 0, _SMALL_GAIN if start is None else _SMALL_GAIN_TO_JUDGE
    if start is not None:
        guess = replace(start, range_bias=guess.range_bias)
    if start is None or not rims:
        # Planes first: rims need a guess that is better than half the board.
        guess, first = _iterate(problem, guess, PLANE_ONLY, _SMALL_GAIN_AT_FIRST if rims else small_gain)
    if rims:
        guess, more = _iterate(problem, guess, kinds, small_gain)
    blocks = problem.blocks(guess, kinds)
    covariance, pulled = _uncertainty(problem, guess, blocks)
    return Solution(
        guess=guess,
        joint_covariances=tuple(
            covariance[np.ix_(where, where)] for where in map(problem.layout.camera, range(len(cameras)))
        ),
        pulled=pulled,
        basis=problem.basis,
        layout=problem.layout,
        kinds=kinds,
        blocks=tuple(tuple(view) for view in blocks),
        chi={kind: float(np.sqrt(inflation)) for kind, inflation in inflations(blocks).items()},
        iterations=first + more,
    )


def _first_guess(problem: Problem) -> Parameters:
    """Each camera by its planes, each board by the first camera that sees it."""
    boards: list[Array | None] = [None] * len(problem.views)
    extrinsics = []
    for index, camera in enumerate(problem.cameras):
        seen = [number for number, view in enumerate(problem.views) if view.corners[index] is not None]
        corners = [found for number in seen if (found := problem.views[number].corners[index]) is not None]
        poses = board_poses(corners, problem.target, camera)
        least_width = _LEAST_WIDTH * min(problem.target.width, problem.target.height)
        extrinsics.append(extrinsic_from_planes([problem.views[number].points for number in seen], poses, least_width))
        for number, pose in zip(seen, poses, strict=True):
            if boards[number] is None:
                boards[number] = invert(extrinsics[-1]) @ pose
    return Parameters(
        T_camera_lidar=np.stack(extrinsics),
        T_lidar_board=np.stack([board for board in boards if board is not None]),
        cameras=problem.cameras,
        range_bias=np.zeros(problem.layout.bias_count),
    )


def _uncertainty(problem: Problem, guess: Parameters, blocks: list[list[Block]]) -> tuple[Array, Array]:
    """Covariance [S, S] with the noise that the residuals show (M-estimate), and its deviations over the prior's."""
    prior = make_prior(problem.cameras, problem.basis, problem.layout, guess)
    weights = {kind: 1 / inflation for kind, inflation in inflations(blocks).items()}
    covariance = checked_inverse(information(blocks, problem.layout.size, prior, weights))
    # Residuals are smaller than noise by what the unknowns fit of it.
    shares = fitted_shares(blocks, covariance, prior, weights)
    weights = {kind: weight * max(1 - shares[kind], _LEAST_LEFT) for kind, weight in weights.items()}
    covariance = checked_inverse(information(blocks, problem.layout.size, prior, weights))
    return covariance, np.sqrt(np.diag(covariance)) / np.where(np.isfinite(prior.deviations), prior.deviations, np.nan)


def checked_inverse(matrix: Array) -> Array:
    """Covariance of an information matrix; DegenerateViewsError where it leaves a motion open."""
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * np.outer(scale, scale)
    if np.linalg.eigvalsh(scaled)[0] < 1e-9:
        raise DegenerateViewsError("the views leave a motion of the LiDAR open: add poses with other tilts and places")
    return np.asarray(np.linalg.inv(scaled) * np.outer(scale, scale), np.float64)


def _iterate(problem: Problem, guess: Parameters, kinds: tuple[Kind, ...], small_gain: float) -> tuple[Parameters, int]:
    damping = _DAMPING
    blocks = problem.blocks(guess, kinds)
    cost = _cost(problem, guess, blocks)
    for iteration in range(1, _MAX_ITERATIONS + 1):
        prior = make_prior(problem.cameras, problem.basis, problem.layout, guess)
        equations = normal_equations(blocks, problem.layout.size, prior)
        while True:
            matrix, right, eliminated = equations.reduced(damping)
            step = -np.linalg.solve(matrix, right)
            boards = -eliminated[:, :, -1] - eliminated[:, :, :-1] @ step
            moved = guess.moved(step, boards, problem.layout)
            trial = problem.blocks(moved, kinds)
            trial_cost = _cost(problem, moved, trial)
            if np.isfinite(trial_cost) and trial_cost <= cost:
                break
            damping *= 10
            if damping > _MOST_DAMPING:
                return guess, iteration
        gain = (cost - trial_cost) / max(cost, 1e-300)
        guess, blocks, cost = moved, trial, trial_cost
        damping = max(damping / 10, 1e-12)
        if max(np.abs(step[: 6 * len(problem.cameras)]).max(), np.abs(boards).max()) < _SMALL_STEP or gain < small_gain:
            return guess, iteration
    return guess, _MAX_ITERATIONS


def _cost(problem: Problem, guess: Parameters, blocks: list[list[Block]]) -> float:
    prior = make_prior(problem.cameras, problem.basis, problem.layout, guess)
    return robust_cost(blocks) + float((prior.targets**2).sum()) / 2
