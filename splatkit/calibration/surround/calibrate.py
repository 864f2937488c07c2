"""Calibration of cameras around a vehicle by the ground that neighbors see, coarse to fine.

After Qin, Lin, Huang, Yang and Zhao (arXiv 2312.16499), whose sides are aligned by texture and edges between ground
projections of neighbors. Here all cameras, all moments and the vehicle's lean are solved together; how far a patch is
looked for follows from the covariance so far.
"""

from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.surround.bundle import Estimate, Observed, Priors, lean_of, misses, solve, start
from splatkit.calibration.surround.ground import pyramid
from splatkit.calibration.surround.matching import GroundView, Matches, SeenGround, match_ground
from splatkit.calibration.surround.moments import Moment
from splatkit.calibration.surround.rig import SurroundRig
from splatkit.geometry.se3 import Array
from splatkit.progress import Progress, no_progress, track

# Cells of the rasters of each round, m: what one round leaves uncertain the next must find.
_FIRST_ROUNDS: tuple[tuple[float, ...], ...] = ((0.08,), (0.08,))
_LATER_ROUNDS = ((0.08, 0.05), (0.08, 0.05, 0.03), (0.08, 0.05, 0.03, 0.02), (0.08, 0.05, 0.03, 0.02))
_COARSEST = 4.0  # cells that a pixel may cover
_BEYOND_M = 6.0  # the outermost camera, from the middle of all: ground that is looked at
_HELD_OUT = 5  # each such place is kept to judge by
_FITS = 3.5  # standard deviations within which a place fits
_LOST = 6  # places at a moment that fit, below which a camera is looked for once more
_TURNS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations about each axis, where it is looked for then
_NEAR = 0.6  # of the standard deviations that are left around a turn
_TRIED = 2  # moments

Photographs = list[list[list[NDArray[np.float32]]]]  # pyramids by moment and camera


@dataclass(frozen=True, eq=False)
class SurroundCalibration:
    """Where C cameras are."""

    rig: SurroundRig
    nominal: SurroundRig
    priors: Priors
    estimate: Estimate
    used: list[Observed]  # places of the last round
    held_out: list[Observed]  # each fifth of them, to judge by

    @property
    def covariance(self) -> Array:
        """[6 C, 6 C] of all cameras: rotation about the own center (rad), translation (m), vehicle axes."""
        size = 6 * len(self.rig.names)
        return self.estimate.covariance[:size, :size]

    @property
    def leans(self) -> Array:
        """[M, 3] of the vehicle at each moment: about x and y (rad), lift (m)."""
        return lean_of(self.estimate.T_ground_vehicle)

    def fits(self, one: Observed) -> NDArray[np.bool_]:
        """[N] whether places are where both cameras say."""
        return _fits(self.nominal, self.estimate, one)


def calibrate_moments(
    nominal: SurroundRig, moments: list[Moment], priors: Priors, progress: Progress = no_progress
) -> SurroundCalibration:
    """Calibrate from photographs of one moment or several; `judge.refuse_untrustworthy` says whether to trust it.

    Args:
        nominal: lenses, which are kept, and where cameras are stated to be.
        moments: photographs; in each the vehicle stands somewhere else.
        priors: how far to trust what is stated.
        progress: shows rounds.
    """
    photographs = [[pyramid(gray) for gray in moment.grays] for moment in moments]
    estimate, observed = start(nominal, len(moments), priors), list[Observed]()
    rounds = (*_FIRST_ROUNDS, *_LATER_ROUNDS)
    for number, cells in enumerate(track(rounds, "aligning the ground", progress, len(rounds))):
        if number == len(_FIRST_ROUNDS):
            estimate = _find_lost(nominal, photographs, estimate, priors)
        observed = _observe(nominal, photographs, estimate, cells)
        estimate = solve(nominal, estimate, observed, priors)
    used, held_out = _split(observed)
    estimate = solve(nominal, estimate, used, priors)
    rig = replace(nominal, T_vehicle_camera=estimate.T_vehicle_camera)
    return SurroundCalibration(rig, nominal, priors, estimate, used, held_out)


def _observe(
    nominal: SurroundRig,
    photographs: Photographs,
    estimate: Estimate,
    cells: tuple[float, ...],
    only: int | None = None,
) -> list[Observed]:
    """Matches of all neighbors, or of one camera's, at all moments on rasters of such cells, m."""
    places = estimate.T_vehicle_camera[:, :2, 3]
    reach = float(np.linalg.norm(places - places.mean(0), axis=1).max()) + _BEYOND_M
    seen, out = SeenGround(nominal.cameras, estimate.T_vehicle_camera, reach), []
    pairs = [pair for pair in combinations(range(len(nominal.names)), 2) if only is None or only in pair]
    for cell, (first, second) in product(cells, pairs):
        common = seen.common(first, second, cell, _COARSEST * cell)
        if common is None:
            continue
        uncertainty = estimate.uncertainty(first, second)
        for moment, own in enumerate(photographs):
            one, other = (
                GroundView(nominal.cameras[index], own[index], estimate.T_ground_camera(moment, index))
                for index in (first, second)
            )
            matches = match_ground((one, other), common, uncertainty)
            rays = nominal.cameras[first].rays(matches.first), nominal.cameras[second].rays(matches.second)
            out.append(Observed(moment, first, second, matches, rays))
    return out


def _find_lost(nominal: SurroundRig, photographs: Photographs, estimate: Estimate, priors: Priors) -> Estimate:
    """Cameras that agree with no neighbor are turned this way and that, to where most of the ground agrees."""
    cells, few = _FIRST_ROUNDS[-1], photographs[:_TRIED]
    for camera in range(len(nominal.names)):
        observed = _observe(nominal, few, estimate, cells, camera)
        fitting = sum(int(_fits(nominal, estimate, one).sum()) for one in observed)
        if camera in priors.fixed or fitting >= _LOST * len(few):
            continue
        most, best = fitting, estimate
        for turn in product(_TURNS, repeat=3):
            tried = _turned(nominal, estimate, camera, np.deg2rad(priors.rotation_deg) * np.array(turn), priors)
            found = sum(len(one.matches.places) for one in _observe(nominal, few, tried, cells, camera))
            if found > most:
                most, best = found, tried
        for _ in _FIRST_ROUNDS:
            best = solve(nominal, best, _observe(nominal, photographs, best, cells), priors)
        estimate = best
    return estimate


def _turned(nominal: SurroundRig, estimate: Estimate, camera: int, turn: Array, priors: Priors) -> Estimate:
    """A camera where it is stated to be but for a turn [3], rad, and about that certain of it."""
    poses, covariance = estimate.T_vehicle_camera.copy(), estimate.covariance.copy()
    poses[camera] = nominal.T_vehicle_camera[camera]
    poses[camera, :3, :3] = Rotation.from_rotvec(turn).as_matrix() @ poses[camera, :3, :3]
    own = slice(6 * camera, 6 * camera + 6)
    covariance[own], covariance[:, own] = 0, 0
    covariance[own, own] = np.diag([(_NEAR * np.deg2rad(priors.rotation_deg)) ** 2] * 3 + [priors.translation_m**2] * 3)
    return replace(estimate, T_vehicle_camera=poses, covariance=covariance)


def _fits(nominal: SurroundRig, estimate: Estimate, one: Observed) -> NDArray[np.bool_]:
    return np.asarray(np.linalg.norm(misses(nominal, estimate, one)[1], axis=1) < _FITS * estimate.scale)


def _split(observed: list[Observed]) -> tuple[list[Observed], list[Observed]]:
    """Places to calibrate by, and each fifth one to judge by."""
    parts = []
    for held in (False, True):
        some = []
        for one in observed:
            kept = (np.arange(len(one.matches.places)) % _HELD_OUT == 0) == held
            matches = Matches(*(part[kept] for part in one.matches))
            some.append(replace(one, matches=matches, rays=(one.rays[0][kept], one.rays[1][kept])))
        parts.append(some)
    return parts[0], parts[1]
