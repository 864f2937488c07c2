"""From a recording in memory to extrinsics: starts, motion, then surfaces."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.walk.hand_eye import first_guesses
from splatkit.calibration.walk.recording import Estimate, Prior, Recording
from splatkit.calibration.walk.solve import Solved, Walk
from splatkit.geometry.se3 import twist_between
from splatkit.progress import Progress, no_progress, track

_AS_GOOD = 0.4  # of the log of both deviations: starts this near to the best are followed too
_SAME_RAD, _SAME_M = np.deg2rad(2.0), 0.2  # answers nearer than that are one


@dataclass(frozen=True, eq=False)
class WalkCalibration:
    """What a walk says, before anybody judges it."""

    recording: Recording
    prior: Prior | None
    motion: Solved  # by motion alone
    solved: Solved  # with surfaces
    rivals: tuple[Solved, ...]  # other answers that the motion allows as well, with surfaces


def calibrate_recording(
    recording: Recording, prior: Prior | None = None, offset_s: float | None = None, progress: Progress = no_progress
) -> WalkCalibration:
    """Extrinsics of all cameras, from a prior or from nothing.

    Args:
        recording: the walk.
        prior: of the extrinsics; None: nothing is known of them.
        offset_s: LiDAR's clock minus cameras' clock where it is known.
        progress: shows how far it is.

    Raises:
        CalibrationRefusedError: nothing to start from follows; of whether the result is to be trusted see `judge`.
    """
    walk = Walk(recording, prior, offset_s)
    guesses = first_guesses(recording, offset_s, prior)
    found = [
        walk.solve(guess, with_surfaces=False) for guess in track(guesses, "comparing motion", progress, len(guesses))
    ]
    found.sort(key=lambda solved: solved.misfit)
    likely = _different([solved for solved in found if solved.misfit < found[0].misfit + _AS_GOOD])
    with_surfaces = [
        walk.solve(solved.estimate, with_surfaces=True)
        for solved in track(likely, "comparing surfaces", progress, len(likely))
    ]
    order = sorted(range(len(likely)), key=lambda index: -len(with_surfaces[index].surfaces.distances))
    best = with_surfaces[order[0]]
    rivals = _different([best, *(with_surfaces[index] for index in order[1:])])[1:]
    return WalkCalibration(recording, prior, likely[order[0]], best, tuple(rivals))


def _different(found: list[Solved]) -> list[Solved]:
    """Those that no earlier one is the same as."""
    out: list[Solved] = []
    for solved in found:
        if not any(_same(solved.estimate, other.estimate) for other in out):
            out.append(solved)
    return out


def _same(one: Estimate, other: Estimate) -> bool:
    twists = np.array(
        [twist_between(a, b) for a, b in zip(one.T_camera_lidar, other.T_camera_lidar, strict=True)]
    ).reshape(-1, 2, 3)
    turned, moved = np.linalg.norm(twists, axis=2).max(0)
    return bool(turned < _SAME_RAD and moved < _SAME_M)
