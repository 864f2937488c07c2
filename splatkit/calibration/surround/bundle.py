"""Poses of all cameras at once, and how the vehicle leans at each moment, from places that neighbors see.

Each place is where the ray of one camera's pixel meets the ground; the other camera must show it where it was found.
Ways on the ground are not what is minimized: a rig that shrinks makes all of them small.

Unknown are a turn about its own center and a move of each camera, in the vehicle's frame, and for each moment a turn
about x and y and a lift of the vehicle. What is known beforehand of both counts by its standard deviation: it also
holds what places alone leave open, that is where the whole rig stands, which way it points, and its size.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.surround.ground import ground_points, see_ground
from splatkit.calibration.surround.matching import Matches
from splatkit.calibration.surround.rig import SurroundRig, departures
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, exp_se3

_ROUNDS = 12
_DONE = 1e-9  # rad and m
_MEDIAN_CHI2 = 1.386  # of two normal numbers
_SHARED = 4.0  # patches that a piece of the ground is part of: they overlap by half, both ways
_LEAST_SCALE = 0.2  # of residuals: matches are hardly better than that
_ROBUST = 2.5  # standard deviations from which on places count less


@dataclass(frozen=True)
class Priors:
    """Standard deviations of what is known beforehand."""

    rotation_deg: float  # of a camera, about each axis
    translation_m: float  # of a camera, along each axis
    lean_deg: float  # of the vehicle at a moment, about x and y
    lift_m: float  # of the vehicle at a moment
    fixed: tuple[int, ...] = ()  # cameras whose poses are exact


@dataclass(frozen=True, eq=False)
class Observed:
    """Matches of one pair of cameras at one moment."""

    moment: int
    first: int  # camera
    second: int
    matches: Matches
    rays: tuple[Array, Array]  # [N, 3] of both cameras' pixels, each in its camera


@dataclass(frozen=True, eq=False)
class Estimate:
    """Where cameras are, and how the vehicle stands at each moment."""

    T_vehicle_camera: Array  # [C, 4, 4]
    T_ground_vehicle: Array  # [M, 4, 4]
    covariance: Array  # [6 C + 3 M, 6 C + 3 M], cameras first: rotation (rad), translation (m), vehicle axes
    scale: float = 1.0  # of matches' residuals, in standard deviations

    def T_ground_camera(self, moment: int, camera: int) -> Array:
        """[4, 4]."""
        T: Array = self.T_ground_vehicle[moment] @ self.T_vehicle_camera[camera]
        return T

    def uncertainty(self, first: int, second: int) -> Array:
        """[12, 12] of the motion of two cameras."""
        index = np.concatenate([np.arange(6) + 6 * first, np.arange(6) + 6 * second])
        return self.covariance[np.ix_(index, index)]


def start(rig: SurroundRig, moments: int, priors: Priors) -> Estimate:
    """What is known before anything was matched."""
    information = _prior_information(len(rig.names), moments, priors)
    covariance = np.diag(1 / information)
    return Estimate(rig.T_vehicle_camera.copy(), np.tile(np.eye(4), (moments, 1, 1)), covariance)


def solve(nominal: SurroundRig, guess: Estimate, observed: list[Observed], priors: Priors) -> Estimate:
    """The most probable estimate, by Gauss-Newton with weights that let go of places that do not fit."""
    count, moments = len(nominal.names), len(guess.T_ground_vehicle)
    prior = _prior_information(count, moments, priors)
    free = np.flatnonzero(np.isfinite(prior))
    estimate = guess
    for _ in range(_ROUNDS):
        information, gradient, scale = _normal_equations(nominal.cameras, estimate, observed)
        off = _departure(nominal, estimate)
        information[free, free] += prior[free]
        gradient[free] += prior[free] * off[free]
        step = np.zeros(len(prior))
        inverse = np.linalg.inv(information[np.ix_(free, free)])
        step[free] = -inverse @ gradient[free]
        estimate = replace(_moved(estimate, step), scale=scale)
        if np.abs(step).max() < _DONE:
            break
    covariance = np.zeros((len(prior), len(prior)))
    covariance[np.ix_(free, free)] = inverse
    return replace(estimate, covariance=covariance)


def gaps(estimate: Estimate, one: Observed) -> Array:
    """[N, 2] from where the second camera has a place to where the first has it, m; NaN where a ray meets no ground."""
    first, _ = ground_points(one.rays[0], estimate.T_ground_camera(one.moment, one.first))
    second, _ = ground_points(one.rays[1], estimate.T_ground_camera(one.moment, one.second))
    return first - second


def misses(nominal: SurroundRig, estimate: Estimate, one: Observed) -> tuple[Array, Array]:
    """[N, 2] from where the second camera shows places to where they should be, px and in standard deviations."""
    place, _ = ground_points(one.rays[0], estimate.T_ground_camera(one.moment, one.first))
    pixels, _, _ = see_ground(nominal.cameras[one.second], estimate.T_ground_camera(one.moment, one.second), place)
    off = pixels - one.matches.second
    return off, np.einsum("nij,nj->ni", _whitening(one), off)


def lean_of(T_ground_vehicle: Array) -> Array:
    """[M, 3] turns about x and y (rad) and lifts (m) of [M, 4, 4]."""
    turns = Rotation.from_matrix(T_ground_vehicle[:, :3, :3]).as_rotvec()
    return np.concatenate([turns[:, :2], T_ground_vehicle[:, 2, 3:]], 1)


def _whitening(one: Observed) -> Array:
    return np.asarray(np.linalg.inv(np.linalg.cholesky(one.matches.covariances)))


def _prior_information(cameras: int, moments: int, priors: Priors) -> Array:
    """[6 C + 3 M]; infinite of what is fixed."""
    per_camera = np.array([np.deg2rad(priors.rotation_deg)] * 3 + [priors.translation_m] * 3) ** -2.0
    per_moment = np.array([np.deg2rad(priors.lean_deg)] * 2 + [priors.lift_m]) ** -2.0
    of_cameras = np.tile(per_camera, (cameras, 1))
    of_cameras[list(priors.fixed)] = np.inf
    return np.concatenate([of_cameras.ravel(), np.tile(per_moment, moments)])


def _departure(nominal: SurroundRig, estimate: Estimate) -> Array:
    """[6 C + 3 M] how far the estimate is from what was known beforehand."""
    of_cameras = departures(replace(nominal, T_vehicle_camera=estimate.T_vehicle_camera), nominal)
    return np.concatenate([of_cameras.ravel(), lean_of(estimate.T_ground_vehicle).ravel()])


def _moved(estimate: Estimate, step: Array) -> Estimate:
    """After a step [6 C + 3 M]."""
    cameras = len(estimate.T_vehicle_camera)
    of_cameras, of_moments = step[: 6 * cameras].reshape(-1, 6), step[6 * cameras :].reshape(-1, 3)
    poses = estimate.T_vehicle_camera.copy()
    poses[:, :3, :3] = Rotation.from_rotvec(of_cameras[:, :3]).as_matrix() @ poses[:, :3, :3]
    poses[:, :3, 3] += of_cameras[:, 3:]
    zeros = np.zeros((len(of_moments), 1))
    twists = np.concatenate([of_moments[:, :2], zeros, zeros, zeros, of_moments[:, 2:]], 1)
    return replace(estimate, T_vehicle_camera=poses, T_ground_vehicle=exp_se3(twists) @ estimate.T_ground_vehicle)


def _normal_equations(
    cameras: tuple[Camera, ...], estimate: Estimate, observed: list[Observed]
) -> tuple[Array, Array, float]:
    """Information [P, P] and gradient [P] of all matches, robustly weighted, and the scale of their residuals."""
    size = estimate.covariance.shape[0]
    information, gradient = np.zeros((size, size)), np.zeros(size)
    parts = [_linearize(cameras, estimate, one) for one in observed if len(one.matches.places)]
    if not parts:
        return information, gradient, 1.0
    squares = np.concatenate([np.square(residuals).sum(1) for residuals, _, _ in parts])
    scale = float(np.sqrt(max(np.median(squares) / _MEDIAN_CHI2, _LEAST_SCALE**2)))
    for residuals, jacobian, index in parts:
        weights = 1 / (1 + np.square(residuals / scale).sum(1) / _ROBUST**2) / (_SHARED * scale**2)
        weighted = jacobian * weights[:, None, None]
        information[np.ix_(index, index)] += np.einsum("nij,nik->jk", weighted, jacobian)
        gradient[index] += np.einsum("nij,ni->j", weighted, residuals)
    return information, gradient, scale


def _linearize(cameras: tuple[Camera, ...], estimate: Estimate, one: Observed) -> tuple[Array, Array, Array]:
    """Residuals [N, 2], in standard deviations, derivatives [N, 2, 15], and which parameters these are of [15]."""
    T_first, T_second = (estimate.T_ground_camera(one.moment, index) for index in (one.first, one.second))
    axes = estimate.T_ground_vehicle[one.moment, :3, :3]
    place, _ = ground_points(one.rays[0], T_first)
    pixels, footprints, inside = see_ground(cameras[one.second], T_second, place)
    kept = inside & np.isfinite(place).all(1)
    place, rates = place[kept], np.linalg.inv(footprints[kept])
    spots = np.concatenate([place, np.zeros((len(place), 1))], 1)
    moved = []
    for T, way in ((T_first, 1), (T_second, -1)):
        slide = np.zeros((len(place), 2, 3))  # what a ray's point moves sideways, brought back to the ground along it
        slide[:, 0, 0] = slide[:, 1, 1] = 1
        arms = spots - T[:3, 3]
        slide[:, :, 2] = -arms[:, :2] / arms[:, 2:]
        moved.append((way * slide @ _motion(arms, axes), way * (slide @ _motion(spots, np.eye(3)))[:, :, [0, 1, 5]]))
    whitening = _whitening(one)[kept]
    (of_first, lean_first), (of_second, lean_second) = moved
    jacobian = whitening @ rates @ np.concatenate([of_first, of_second, lean_first + lean_second], 2)
    residuals = np.einsum("nij,nj->ni", whitening, pixels[kept] - one.matches.second[kept])
    lean = 6 * len(cameras) + 3 * one.moment
    return (
        residuals,
        jacobian,
        np.concatenate([6 * one.first + np.arange(6), 6 * one.second + np.arange(6), lean + np.arange(3)]),
    )


def _motion(arms: Array, axes: Array) -> Array:
    """[N, 3, 6] how points move with a turn about where their arms [N, 3] begin and a move, along axes [3, 3]."""
    turned = -np.cross(arms[:, None], axes.T[None])  # axis x arm, one row for each axis
    return np.concatenate([np.swapaxes(turned, 1, 2), np.broadcast_to(axes, (len(arms), 3, 3))], 2)
