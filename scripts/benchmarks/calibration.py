"""Calibration of simulated rigs: errors over many trials, beside the smallest that their noise allows."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.record import Record, record
from splatkit.calibration.parameters import Parameters
from splatkit.calibration.problem import information
from splatkit.calibration.residuals import Kind
from splatkit.calibration.se3 import Array, invert, twist_between
from splatkit.calibration.simulation import LidarName, draw_views, example_rig
from splatkit.calibration.solver import ALL_KINDS, PLANE_ONLY, make_problem, solve
from splatkit.calibration.target import BoardTarget

_TARGET = BoardTarget(7, 5, 0.095, 0.85, 0.61)
_LIDARS: tuple[LidarName, ...] = ("16", "32", "64", "solid")
_COUNTS = (4, 7, 10, 20, 40)  # three poses drawn at random are now and then refused as nearly parallel
_TRIALS = 50


@dataclass(frozen=True)
class Trials:
    """Root mean squares over trials."""

    rotation_deg: float
    translation_mm: float
    over_bound: float  # of the normalized error of rotation and translation together
    normalized: float  # mean of error^T covariance^-1 error; 6 where the stated covariance is right
    seconds: list[float]


def measure_calibration(data: Path | None, quick: bool) -> list[Record]:
    """Every LiDAR, count of poses, with and without rims. 2 cm of range noise, 0.3 px; boards at 1.8 to 4.5 m."""
    records = []
    trials = 2 if quick else _TRIALS
    for lidar in _LIDARS[1:2] if quick else _LIDARS:
        for count in (5,) if quick else _COUNTS:
            for kinds in (PLANE_ONLY, ALL_KINDS):
                done = run_trials(lidar, count, kinds, trials)
                params: dict[str, str | int] = {
                    "rings": lidar,
                    "poses": count,
                    "rims": "yes" if "rim" in kinds else "no",
                    "trials": trials,
                }
                records += [
                    record("synthetic/rotation_deg", params, "deg", [done.rotation_deg]),
                    record("synthetic/translation_mm", params, "mm", [done.translation_mm]),
                    record("synthetic/over_cramer_rao", params, "1", [done.over_bound]),
                    record("synthetic/normalized_error", params, "1", [done.normalized]),
                    record("solve_s", params, "s", done.seconds),
                ]
    return records


def run_trials(lidar: LidarName, count: int, kinds: tuple[Kind, ...], trials: int) -> Trials:
    """Solve `trials` random sets of `count` poses."""
    rig = example_rig(lidar)
    errors: list[Array] = []
    ratios, normalized, seconds = list[float](), list[float](), list[float]()
    seed = 0
    while len(errors) < trials:
        views, poses = draw_views(rig, _TARGET, count, np.random.default_rng(seed))
        seed += 1
        if _nearly_parallel(poses):
            continue
        started = time.perf_counter()
        solution = solve(views, _TARGET, rig.camera, rig.noise, kinds)
        seconds.append(time.perf_counter() - started)
        error = twist_between(solution.T_camera_lidar, rig.T_camera_lidar)
        problem = make_problem(views, _TARGET, (rig.camera,), rig.noise)
        boards = invert(rig.T_camera_lidar) @ poses
        truth = Parameters(rig.T_camera_lidar[None], boards, (rig.camera,), np.zeros(0))
        bound = information(problem.blocks(truth, kinds), problem.layout.size)
        errors.append(error)
        ratios.append(float(error @ bound @ error / 6))
        normalized.append(float(error @ np.linalg.solve(solution.covariance, error)))
    square = np.square(np.array(errors))
    return Trials(
        rotation_deg=float(np.degrees(np.sqrt(square[:, :3].sum(1).mean()))),
        translation_mm=float(1e3 * np.sqrt(square[:, 3:].sum(1).mean())),
        over_bound=float(np.sqrt(np.mean(ratios))),
        normalized=float(np.mean(normalized)),
        seconds=seconds,
    )


def _nearly_parallel(poses: Array) -> bool:
    """Sets that no one would calibrate with, and that the solver refuses."""
    return bool(np.linalg.svd(poses[:, :3, 2], compute_uv=False)[2] < 0.1 * np.sqrt(len(poses)))
