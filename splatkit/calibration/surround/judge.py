"""How far a calibration of cameras around a vehicle is to be trusted, and in what it is weak."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.surround.bundle import gaps, misses, start
from splatkit.calibration.surround.calibrate import SurroundCalibration
from splatkit.calibration.surround.ground import see_ground
from splatkit.calibration.surround.matching import ground_motion
from splatkit.calibration.surround.rig import SurroundRig, departures
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import Array

DISTANCES_M = (2.0, 5.0, 10.0, 20.0)  # from the cameras' middle, as Click-Calib (arXiv 2501.01557) has them
_LEAST_PLACES = 15  # that two neighbors must agree on
_LEAST_SHARE = 0.4  # of those matched
_MOST_SHARE = 0.0025  # of the wider image: median way between both cameras' places, held out
_MOST_SIGMAS = 4.5  # from where a camera was stated to be, along an axis
_BEARINGS = 72  # directions in which the ground around is looked at
_LEARNED = 0.5  # of a stated standard deviation: what is not known to less was hardly measured
_AXES = ("about x", "about y", "about z", "ahead", "to the left", "upward")  # of the vehicle


@dataclass(frozen=True)
class PairScore:
    """How well two neighbors agree on the ground."""

    first: str
    second: str
    places: int  # that fit
    share: float  # of those matched
    gap_m: float  # median way between both cameras' places that were held out
    gap_px: float  # the same in the second's photographs


def score_pairs(found: SurroundCalibration) -> tuple[PairScore, ...]:
    """Every two cameras that show common ground; NaN where nothing held out fits."""
    out, names = [], found.rig.names
    for first, second in sorted({(one.first, one.second) for one in found.used}):
        fits = np.concatenate([found.fits(one) for one in found.used if (one.first, one.second) == (first, second)])
        kept = [one for one in found.held_out if (one.first, one.second) == (first, second)]
        good = np.concatenate([found.fits(one) for one in kept])
        meters = np.concatenate([np.linalg.norm(gaps(found.estimate, one), axis=1) for one in kept])
        pixels = np.concatenate([np.linalg.norm(misses(found.nominal, found.estimate, one)[0], axis=1) for one in kept])
        medians = [float(np.median(part[good])) if good.any() else np.nan for part in (meters, pixels)]
        share = float(fits.mean()) if len(fits) else 0.0
        out.append(PairScore(names[first], names[second], int(fits.sum()), share, *medians))
    return tuple(out)


def neighbors(pairs: tuple[PairScore, ...]) -> list[PairScore]:
    """Those that agree on enough of the ground to say something of each other."""
    return [
        pair
        for pair in pairs
        if pair.places >= _LEAST_PLACES and pair.share >= _LEAST_SHARE and np.isfinite(pair.gap_px)
    ]


def refuse_untrustworthy(found: SurroundCalibration) -> None:
    """Raise where the result is not to be trusted.

    Raises:
        CalibrationRefusedError: says why, and what to do.
    """
    pairs, names = score_pairs(found), found.rig.names
    good = neighbors(pairs)
    alone = _apart(names, good)
    if alone:
        counts = ", ".join(
            f"{pair.first} and {pair.second}: {pair.places}" for pair in pairs if alone & {pair.first, pair.second}
        )
        raise CalibrationRefusedError(
            f"{', '.join(sorted(alone))}: no neighbor agrees on enough of the ground (places that fit: "
            f"{counts or 'none'}; expected {_LEAST_PLACES}): take photographs over ground with markings or other "
            "texture, or state poses closer to the truth"
        )
    worst = max(good, key=lambda pair: pair.gap_px)
    if worst.gap_px > _MOST_SHARE * max(camera.width for camera in found.rig.cameras):
        raise CalibrationRefusedError(
            f"{worst.first} and {worst.second} disagree by {worst.gap_px:.1f} px on places that were kept to judge by: "
            "do the lenses' intrinsics belong to these photographs, and is the ground flat?"
        )
    departures = departure_sigmas(found)
    camera = int(departures.argmax())
    if departures[camera] > _MOST_SIGMAS:
        raise CalibrationRefusedError(
            f"{names[camera]} came out {departures[camera]:.1f} standard deviations from where it is stated to be: "
            "check its stated pose, or allow for more with --prior-deg and --prior-m"
        )


def departure_sigmas(found: SurroundCalibration) -> Array:
    """[C] how far cameras moved, in standard deviations of what was stated, along the axis that is worst."""
    sigmas = np.array([np.deg2rad(found.priors.rotation_deg)] * 3 + [found.priors.translation_m] * 3)
    return np.asarray(np.abs(departures(found.rig, found.nominal) / sigmas).max(1))


def weak_directions(found: SurroundCalibration) -> tuple[str, ...]:
    """In words, what of each camera the ground left about as uncertain as it was stated."""
    stated = np.sqrt(np.diag(start(found.nominal, 0, found.priors).covariance))
    known = np.sqrt(np.diag(found.covariance))
    out = []
    for camera, name in enumerate(found.rig.names):
        own = slice(6 * camera, 6 * camera + 6)
        weak = [axis for axis, was, now in zip(_AXES, stated[own], known[own], strict=True) if now > _LEARNED * was > 0]
        if weak:
            out.append(f"{name}: {', '.join(weak)} is known hardly better than it was stated")
    return tuple(out)


def expected_gaps(found: SurroundCalibration, distance: float) -> float:
    """How far apart two cameras put a place that both see, root mean square, m, by the covariance; NaN if none is seen.

    Args:
        found: the calibration.
        distance: of the places from the cameras' middle, m.
    """
    squares = []
    for first, second, place in common_places(found.rig, distance):
        T = found.rig.T_vehicle_camera
        motion = np.concatenate([ground_motion(place, T[first]), -ground_motion(place, T[second])], 1)
        squares.append(np.trace(motion @ found.estimate.uncertainty(first, second) @ motion.T))
    return float(np.sqrt(np.mean(squares))) if squares else np.nan


def common_places(rig: SurroundRig, distance: float) -> list[tuple[int, int, Array]]:
    """Two cameras and a place [2] on the ground that both see, for all around at a distance from their middle, m."""
    angles = 2 * np.pi * np.arange(_BEARINGS) / _BEARINGS
    places = rig.centers[:, :2].mean(0) + distance * np.stack([np.cos(angles), np.sin(angles)], 1)
    seen = [see_ground(camera, T, places)[2] for camera, T in zip(rig.cameras, rig.T_vehicle_camera, strict=True)]
    return [
        (first, second, place)
        for first in range(len(seen))
        for second in range(first + 1, len(seen))
        for place in places[seen[first] & seen[second]]
    ]


def _apart(names: tuple[str, ...], good: list[PairScore]) -> set[str]:
    """Cameras that no chain of good pairs joins with the largest group of the others."""
    groups = [{name} for name in names]
    for pair in good:
        joined = [group for group in groups if group & {pair.first, pair.second}]
        groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    return set(names) - max(groups, key=len)
