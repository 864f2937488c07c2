"""Real poses in halves: what calibrations that share no photograph differ by, and how well each foresees the other."""

import numpy as np

from benchmarks.record import Record, record
from splatkit.calibration.calibrate import Calibration, calibrate_frames
from splatkit.calibration.frames import Frame, view_of
from splatkit.calibration.quality.validation import HeldOut, judge
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import twist_between

_SPLITS = 20
_FIRST_SEED = 1000


def measure_halves(frames: list[Frame], target: BoardTarget, camera: Camera) -> list[Record]:
    """Random splits of all poses, medians over them but for chi-square, of which the mean is comparable: 6 is right."""
    rows = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + _SPLITS):
        order = np.random.default_rng(seed).permutation(len(frames))
        half = len(frames) // 2
        first, second = (
            calibrate_frames([frames[index] for index in sorted(part)], target, (camera,))
            for part in (order[:half], order[half:])
        )
        twist = twist_between(first.solution.T_camera_lidar, second.solution.T_camera_lidar)
        squared = twist @ np.linalg.solve(first.covariance() + second.covariance(), twist)
        seen = [*_foreseen(first, second, target), *_foreseen(second, first, target)]
        rows.append(
            (
                squared,
                np.degrees(np.linalg.norm(twist[:3])),
                1e3 * np.linalg.norm(twist[3:]),
                1e3 * np.median([view.center_m for view in seen]),
                np.median([view.center_px for view in seen]),
            )
        )
    squares, degrees, millimeters, centers, pixels = np.array(rows).T
    params: dict[str, str | int] = {"poses": len(frames) // 2, "splits": _SPLITS}
    return [
        record("acfr/halves_chi_square", params, "1", [float(squares.mean())]),
        record("acfr/halves_rotation_deg", params, "deg", degrees.tolist()),
        record("acfr/halves_translation_mm", params, "mm", millimeters.tolist()),
        record("acfr/halves_centre_mm", params, "mm", centers.tolist()),
        record("acfr/halves_centre_px", params, "px", pixels.tolist()),
    ]


def _foreseen(made: Calibration, other: Calibration, target: BoardTarget) -> list[HeldOut]:
    """The views of one calibration, judged by the other."""
    return [
        judgment
        for frame, board in zip(other.frames, other.boards, strict=True)
        for judgment in judge(made.solution, view_of(frame, board), board.T_lidar_board[:3, 3], target, made.noise)
    ]
