"""Calibration of simulated rigs: errors over many trials, beside the smallest that their noise allows."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.calibration.halves import measure_halves
from benchmarks.record import Record, record
from splatkit.calibration.board_scene import Faults, board_scene, scan
from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.detection.extraction import find_boards
from splatkit.calibration.inputs import examine_files, pair_files, read_scan
from splatkit.calibration.quality.simulation import LidarName, draw_views, example_rig
from splatkit.calibration.solver.closed_form import DegenerateViewsError
from splatkit.calibration.solver.parameters import Parameters
from splatkit.calibration.solver.problem import information
from splatkit.calibration.solver.residuals import Kind
from splatkit.calibration.solver.solve import ALL_KINDS, PLANE_ONLY, make_problem, solve
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array, invert, twist_between
from splatkit.io.formats.camera_files import read_intrinsics

_TARGET = BoardTarget(7, 5, 0.095, 0.85, 0.61)
_LIDARS: tuple[LidarName, ...] = ("16", "32", "64", "solid")
_COUNTS = (3, 4, 7, 10, 20, 40)
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
    records += _measure_extraction(data, quick)
    return records + (_measure_acfr(data) if data is not None and not quick else [])


def _measure_extraction(data: Path | None, quick: bool) -> list[Record]:
    """Time to find boards in one scan: generated, and real ones where they are there."""
    rig = example_rig("64")
    rng = np.random.default_rng(0)
    pose = draw_views(rig, _TARGET, 1, rng)[1][0]
    planes = board_scene(_TARGET, invert(rig.T_camera_lidar) @ pose)
    scans = {"generated, 64 lasers": scan(planes, rig, Faults(), np.zeros(64), rng)}
    if data is not None:
        scans["VLP-16"] = read_scan(data / "calib/acfr_vlp16_dev/pcd/pose21.pcd")
        scans["64 lasers, street"] = read_scan(data / "calib/opencalib_frames/auto/calib.pcd")
    records = []
    for sensor, taken in scans.items():
        find_boards(taken, _TARGET)
        seconds = []
        for _ in range(2 if quick else 9):
            started = time.perf_counter()
            find_boards(taken, _TARGET)
            seconds.append(1e3 * (time.perf_counter() - started))
        params: dict[str, str | int] = {"sensor": sensor, "returns": len(taken.points)}
        records.append(record("extract_ms", params, "ms", seconds))
    return records


def _measure_acfr(data: Path) -> list[Record]:
    """Twenty real poses, each judged by the fold of five that has not seen it; planes alone and everything."""
    folder = data / "calib/acfr_vlp16_dev"
    files = pair_files([folder / "images"], folder / "pcd")
    started = time.perf_counter()
    frames = examine_files(files, _TARGET, workers=2)
    camera = read_intrinsics(folder / "camera_info.yaml")
    records = []
    for mode, kinds in (("plane", PLANE_ONLY), ("full", ALL_KINDS)):
        done = calibrate_frames(frames, _TARGET, (camera,), kinds=kinds)
        judged = [view[0] for view in done.selection.validation.held_out if view]
        params: dict[str, str | int] = {"mode": mode, "poses": len(done.frames)}
        records += [
            record("acfr/board_centre_mm", params, "mm", [1e3 * float(np.mean([item.center_m for item in judged]))]),
            record("acfr/board_centre_px", params, "px", [float(np.mean([item.center_px for item in judged]))]),
            record("acfr/plane_bias_mm", params, "mm", [1e3 * float(np.sqrt(np.mean([i.plane_m**2 for i in judged])))]),
            record("acfr/fold_spread_px", params, "px", [done.selection.validation.spread_px]),
        ]
    records.append(record("acfr/both_modes_s", {"workers": 2}, "s", [time.perf_counter() - started]))
    return [*records, *measure_halves(frames, _TARGET, camera)]


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
        try:
            solution = solve(views, _TARGET, rig.camera, rig.noise, kinds)
        except DegenerateViewsError:  # few poses drawn at random are now and then nearly parallel
            continue
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
