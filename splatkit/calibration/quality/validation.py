"""What a calibration is worth on views that it has not seen."""

from dataclasses import dataclass, replace

import numpy as np

from splatkit.calibration.quality.observability import FIRST_PIXEL
from splatkit.calibration.solver.closed_form import DegenerateViewsError, board_poses
from splatkit.calibration.solver.parameters import Freedom, Parameters, RangeBasis, range_weights
from splatkit.calibration.solver.problem import Problem, normal_equations, robust_cost
from splatkit.calibration.solver.residuals import Kind
from splatkit.calibration.solver.solve import ALL_KINDS, Solution, solve
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise
from splatkit.geometry.se3 import Array, exp_se3, invert, transform_points

_STEPS = 8  # of Gauss and Newton, for a board alone
_FAR_M = 5.0  # where spread is stated, px


@dataclass(frozen=True)
class HeldOut:
    """A view that took no part, against a calibration.

    Attributes:
        cost: robust loss with its board posed as well as can be.
        center_m: between the plate's center in the scan, by its rectangle, and the pattern's in the image.
        center_px: the same in the image.
        plane_m: mean distance of the LiDAR's points from the plane that the camera sees, signed.
    """

    cost: float
    center_m: float
    center_px: float
    plane_m: float


def judge(solution: Solution, view: BoardView, center: Array, target: BoardTarget, noise: SensorNoise) -> list[HeldOut]:
    """One judgment for each camera that sees the board.

    Args:
        solution: made without this view.
        view: of which the board is posed anew.
        center: [3] of the plate by the scan alone, LiDAR frame, m.
        target: the board.
        noise: that the solution was made with.
    """
    out = []
    weights = range_weights(solution.basis.rings, solution.basis.knots, view)
    ranges = np.linalg.norm(view.points, axis=1)
    points = view.points * (1 - weights @ solution.guess.range_bias / ranges)[:, None]
    cost = _cost_alone(solution, view, target, noise)
    for index, (camera, seen) in enumerate(zip(solution.guess.cameras, view.corners, strict=True)):
        if seen is None:
            continue
        extrinsic = solution.guess.T_camera_lidar[index]
        board = board_poses([seen], target, camera)[0]
        both = np.stack([transform_points(extrinsic, center[None])[0], board[:3, 3]])
        pixels = camera.image(both)
        offsets = (transform_points(extrinsic, points) - board[:3, 3]) @ board[:3, 2]
        out.append(
            HeldOut(
                cost,
                float(np.linalg.norm(both[0] - both[1])),
                float(np.linalg.norm(pixels[0] - pixels[1])),
                float(offsets.mean()),
            )
        )
    return out


def _cost_alone(solution: Solution, view: BoardView, target: BoardTarget, noise: SensorNoise) -> float:
    """Loss of one view with all that views share held fast."""
    guess, basis = solution.guess, solution.basis
    weights = range_weights(basis.rings, basis.knots, view)
    alone = RangeBasis(basis.rings, basis.knots, (weights,), basis.shares)
    problem = Problem([view], target, guess.cameras, noise, alone, solution.layout)
    first = next(index for index, seen in enumerate(view.corners) if seen is not None)
    seen = view.corners[first]
    assert seen is not None
    board = invert(guess.T_camera_lidar[first]) @ board_poses([seen], target, guess.cameras[first])[0]
    trial = type(guess)(guess.T_camera_lidar, board[None], guess.cameras, guess.range_bias)
    best = np.inf
    for _ in range(_STEPS):
        blocks = problem.blocks(trial, solution.kinds)
        best = min(best, robust_cost(blocks))
        equations = normal_equations(blocks, solution.layout.size)
        step = -np.linalg.solve(equations.D[0], equations.d[0])
        trial = type(guess)(
            guess.T_camera_lidar, exp_se3(step)[None] @ trial.T_lidar_board, guess.cameras, guess.range_bias
        )
    return best


@dataclass(frozen=True)
class CrossValidation:
    """Of a way to calibrate.

    Attributes:
        held_out: of each view, judged by the fold that has not seen it; empty where the rest determines nothing.
        spread_px: root mean square over folds and over the image of where points 5 m away come to lie.
        solutions: of the folds.
    """

    held_out: list[list[HeldOut]]
    spread_px: float
    solutions: list[Solution]


def cross_validate(
    views: list[BoardView],
    centers: Array,
    target: BoardTarget,
    cameras: tuple,
    noise: SensorNoise,
    freedom: Freedom,
    folds: int,
    kinds: tuple[Kind, ...] = ALL_KINDS,
    start: Parameters | None = None,
) -> CrossValidation:
    """Leave out each of `folds` parts of the views in turn; `folds` = number of views leaves one out.

    Args:
        views: of the board.
        centers: [N, 3] of the plate in each scan by its rectangle, LiDAR frame, m.
        target: the board.
        cameras: as supplied.
        noise: of the sensors.
        freedom: what is estimated.
        folds: parts; views are dealt in a fixed random order.
        kinds: of residuals.
        start: of all views, from which each fold converges sooner.
    """
    order = np.random.default_rng(0).permutation(len(views))
    held_out: list[list[HeldOut]] = [[] for _ in views]
    solutions = []
    for fold in range(folds):
        test = order[fold::folds]
        train = sorted(set(range(len(views))) - set(test.tolist()))
        try:
            near = None if start is None else replace(start, T_lidar_board=start.T_lidar_board[train])
            solution = solve([views[i] for i in train], target, cameras, noise, kinds, freedom, near)
        except DegenerateViewsError:
            continue  # these few views hang on one that is left out
        solutions.append(solution)
        for index in test:
            held_out[index] = judge(solution, views[index], centers[index], target, noise)
    return CrossValidation(held_out, _spread(solutions) if solutions else np.nan, solutions)


def _spread(solutions: list[Solution]) -> float:
    """Over the whole image: points that the mean calibration sees there, _FAR_M away."""
    camera = solutions[0].guess.cameras[0]
    x, y = np.meshgrid(np.array([0.1, 0.3, 0.5, 0.7, 0.9]) * camera.width, np.array([0.1, 0.5, 0.9]) * camera.height)
    rays = camera.rays(np.stack([x.ravel(), y.ravel()], 1) + FIRST_PIXEL)
    points = transform_points(invert(solutions[0].T_camera_lidar), _FAR_M * rays)
    seen = np.stack([s.guess.cameras[0].image(transform_points(s.T_camera_lidar, points)) for s in solutions])
    return float(np.sqrt(((seen - seen.mean(0)) ** 2).sum(2).mean()))
