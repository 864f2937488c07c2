"""One robust least squares over the whole walk: where the images' world lies, extrinsics and clocks, all at once.

Photographs of one part of a walk share errors (drift), and so do points of one part of the scene. Residuals are
therefore counted by clusters: what the mean square of their gradients exceeds that of independent ones by, their weight
is reduced by, so that ten thousand points do not outvote a hundred photographs for their number alone. The covariance
is that of solutions without single clusters (jackknife).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.walk.clusters import (
    Rows,
    by_time,
    design_effect,
    enlarged,
    in_space,
    independent_stretches,
    inverse,
    jackknife,
)
from splatkit.calibration.walk.motion_rows import FIRST_TWIST, OFFSET, SIMILARITY, motion_rows, unknowns
from splatkit.calibration.walk.recording import Estimate, Prior, Recording
from splatkit.calibration.walk.surface_rows import SurfaceRows, Surfaces
from splatkit.capture.lidar.registration.alignment import changed, robust_scale
from splatkit.geometry.se3 import Array, exp_se3, lengths, twist_between

_ITERATIONS, _CONVERGED = 40, 1e-6
_HUBER = 1.5
_REACH_START, _REACH_END = 0.05, 0.01  # of the map's size: how far a point may be from its plane
_REACH_SIGMAS = 5.0  # and at last in deviations
_FITS = 5.0  # deviations that a photograph may be off and still count as fitting
_LEAST_RAD, _LEAST_M = 1e-5, 1e-4  # deviations that nothing is better than
# What a map of pieces and mixed returns, and lenses, are off by without any cluster's showing it: rad, m.
_FLOOR = np.array([1e-4] * 3 + [0.0015] * 3)
_ARM_M = 3.0  # standard deviation of a lever arm of which nothing is known: hardly a rig is larger
_STEP_RAD, _STEP_M, _STEP_S = 0.3, 1.0, 0.1  # longest steps: rotations and log of the scale, lever arms, clocks
_OFFSET_S, _EXACT_S = 0.5, 1e-6  # of the clocks, and where their offset was given


@dataclass(frozen=True, eq=False)
class Solved:
    """An estimate, and how well it is known."""

    estimate: Estimate
    covariance: Array  # [U, U] of the unknowns, see `motion_rows`
    center: Array  # [3] of the similarity's change, m, world
    sigma_rad: float  # of what photographs and trajectory differ by, about an axis
    sigma_m: float  # along an axis
    inside: NDArray[np.bool_]  # [N] photographs within the trajectory
    fitting: NDArray[np.bool_]  # [N] of them, those that agree with it
    surfaces: SurfaceRows
    designs: tuple[float, float]  # how many photographs, and how many points, count as one

    @property
    def misfit(self) -> float:
        """Log of both deviations together, for comparing starts."""
        return float(np.log(self.sigma_rad) + np.log(self.sigma_m))

    @property
    def offset_sd_s(self) -> float:
        """Standard deviation of the offset of clocks, s."""
        return float(np.sqrt(self.covariance[OFFSET, OFFSET]))

    def twist_covariance(self, camera: int) -> Array:
        """[6, 6] of a camera's twist of T_camera_lidar."""
        own = slice(FIRST_TWIST + 6 * camera, FIRST_TWIST + 6 * camera + 6)
        return np.asarray(self.covariance[own, own])


@dataclass(frozen=True)
class _Linear:
    """The problem at one estimate."""

    motion: Rows
    surfaces: Rows
    known: Rows
    sigma_rad: float
    sigma_m: float
    size_m: float  # of the way
    off: Array  # [N] how many deviations each photograph is off
    points: SurfaceRows


class Walk:
    """A recording made ready to be solved from any start."""

    def __init__(self, recording: Recording, prior: Prior | None, offset_s: float | None) -> None:
        """Of the prior and the offset None means that nothing is known."""
        self.recording, self._prior, self._offset_s = recording, prior, offset_s
        self._surfaces = Surfaces(recording)

    def solve(self, start: Estimate, with_surfaces: bool) -> Solved:
        """Gauss-Newton from a start; without surfaces, by motion alone."""
        inside = self.recording.covered(start.offset_s)
        center = start.placed(self.recording)[inside, :3, 3].mean(0)
        problem = _Problem(start.offset_s, center, inside)
        size = self._surfaces.size if with_surfaces else 0.0
        far = np.geomspace(_REACH_START, _REACH_END, _ITERATIONS // 2) * size
        estimate, linear = self._descend(problem, start, far)
        sigmas = linear.points.sigmas
        near = min(_REACH_END * size, _REACH_SIGMAS * float(np.median(sigmas))) if len(sigmas) else 0.0
        problem = replace(problem, designs=(design_effect(linear.motion), design_effect(linear.surfaces)))
        estimate, linear = self._descend(problem, estimate, np.array([near]))
        H, _ = _normal(linear)
        floor = np.zeros(len(H))
        floor[FIRST_TWIST:] = np.tile(_FLOOR**2, len(self.recording.names))
        return Solved(
            estimate=estimate,
            covariance=enlarged(inverse(H), jackknife((linear.motion, linear.surfaces), H)) + np.diag(floor),
            center=center,
            sigma_rad=linear.sigma_rad,
            sigma_m=linear.sigma_m,
            inside=inside,
            fitting=inside & (linear.off < _FITS),
            surfaces=linear.points,
            designs=problem.designs,
        )

    def _descend(self, problem: "_Problem", start: Estimate, reaches: Array) -> tuple[Estimate, "_Linear"]:
        """Where a start leads to, with points up to so far (m) from their planes, and the last problem."""
        estimate = start
        for step in range(_ITERATIONS):
            linear = self._linear(problem, estimate, float(reaches[min(step, len(reaches) - 1)]))
            H, g = _normal(linear)
            change = _limited(-inverse(H) @ g, linear.size_m)
            estimate = _moved(estimate, change, problem.center)
            if step >= len(reaches) and np.abs(change).max() < _CONVERGED:
                break
        return estimate, linear

    def _linear(self, problem: "_Problem", estimate: Estimate, reach: float) -> "_Linear":
        motion = motion_rows(self.recording, estimate, problem.center)
        inside = problem.inside
        size_m = float(np.linalg.norm(np.ptp(estimate.predicted(self.recording)[:, :3, 3], axis=0)))
        sigma_rad = max(robust_scale(motion.turns[inside]), _LEAST_RAD)
        sigma_m = max(robust_scale(motion.shifts[inside]), _LEAST_M)
        off = np.maximum(lengths(motion.turns) / sigma_rad, lengths(motion.shifts) / sigma_m) / np.sqrt(3)
        weights = inside / np.sqrt(problem.designs[0] * np.maximum(off / _HUBER, 1))
        J = np.concatenate([motion.J_turns / sigma_rad, motion.J_shifts / sigma_m], 1) * weights[:, None, None]
        r = np.concatenate([motion.turns / sigma_rad, motion.shifts / sigma_m], 1) * weights[:, None]
        whitened = np.clip(np.concatenate([motion.turns / sigma_rad, motion.shifts / sigma_m], 1), -_FITS, _FITS)
        cameras = [whitened[inside & (self.recording.which == camera)] for camera in range(len(self.recording.names))]
        stretches = np.repeat(by_time(self.recording.times, independent_stretches(cameras)), 6)
        points = self._surfaces.rows(estimate.similarity, problem.center, reach)
        return _Linear(
            Rows(J.reshape(-1, J.shape[2]), r.ravel(), stretches),
            self._surface_rows(points, problem.designs[1]),
            self._known(estimate, problem.first_offset_s),
            sigma_rad,
            sigma_m,
            size_m,
            off,
            points,
        )

    def _surface_rows(self, points: SurfaceRows, design: float) -> Rows:
        r = points.distances / points.sigmas
        weights = 1 / np.sqrt(design * np.maximum(np.abs(r) / _HUBER, 1))
        J = np.zeros((len(r), unknowns(self.recording)))
        J[:, SIMILARITY] = points.J * (weights / points.sigmas)[:, None]
        return Rows(J, r * weights, in_space(points.places))

    def _known(self, estimate: Estimate, first_offset_s: float) -> Rows:
        """What is known of clocks and extrinsics before."""
        count = unknowns(self.recording) - OFFSET
        J, r = np.zeros((count, unknowns(self.recording))), np.zeros(count)
        J[:, OFFSET:] = np.eye(count)
        sigmas = np.full(count, np.inf)
        sigmas[0] = _OFFSET_S if self._offset_s is None else _EXACT_S
        r[0] = estimate.offset_s - first_offset_s if self._offset_s is None else estimate.offset_s - self._offset_s
        for camera, T in enumerate(estimate.T_camera_lidar):
            own = slice(1 + 6 * camera, 7 + 6 * camera)
            if self._prior is None:
                r[own], sigmas[own] = np.concatenate([np.zeros(3), T[:3, 3]]), [np.inf] * 3 + [_ARM_M] * 3
            else:
                r[own] = twist_between(self._prior.T_camera_lidar[camera], T)
                sigmas[own] = [self._prior.rotation_rad] * 3 + [self._prior.translation_m] * 3
        return Rows(J / sigmas[:, None], r / sigmas, np.arange(count))


@dataclass(frozen=True, eq=False)
class _Problem:
    """What stays the same from step to step."""

    first_offset_s: float
    center: Array  # [3]
    inside: NDArray[np.bool_]  # [N]
    designs: tuple[float, float] = (1.0, 1.0)


def _normal(linear: _Linear) -> tuple[Array, Array]:
    parts = [rows.normal() for rows in (linear.motion, linear.surfaces, linear.known)]
    return sum((part[0] for part in parts[1:]), parts[0][0]), sum((part[1] for part in parts[1:]), parts[0][1])


def _limited(change: Array, size_m: float) -> Array:
    """A step shortened to where the linear problem still means something."""
    limits = np.full(len(change), _STEP_RAD)
    limits[3:6], limits[OFFSET] = _STEP_RAD * size_m, _STEP_S
    for first in range(FIRST_TWIST, len(change), 6):
        limits[first + 3 : first + 6] = _STEP_M
    return change / max(1.0, float((np.abs(change) / limits).max()))


def _moved(estimate: Estimate, change: Array, center: Array) -> Estimate:
    twists = change[FIRST_TWIST:].reshape(-1, 6)
    return Estimate(
        changed(estimate.similarity, change[SIMILARITY], center),
        exp_se3(twists) @ estimate.T_camera_lidar,
        estimate.offset_s + float(change[OFFSET]),
    )
