"""Scale, orientation and place of what structure from motion found, from the GPS of the photographs.

Camera centers and GPS positions differ by a similarity, found by robust least squares: the errors of receivers have
heavy tails. Consumer GPS is off by meters, and photographs taken within minutes share most of that error, so that many
of them know little more than a few: where the positions do not spread well beyond their errors, GPS is not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from splatkit.geometry.geodesy import east_north_up, geocentric, local_georeference
from splatkit.io.photographs.exif import GpsFix

Array = NDArray[np.float64]

FEWEST_FIXES = 4
_ERROR_M = 5.0  # of a receiver that states none, horizontally
_VERTICAL = 2.0  # times the horizontal error: satellites are seen above alone
_UNKNOWN_M = 1e4  # error of an altitude that is not stated
_HELD_LEVEL_RAD = 0.1  # how well the way cameras were held tells what is up
_INDEPENDENT = 4  # fixes: more of them share their errors
_LARGEST_UNCERTAINTY = 0.1  # of the scale, and rad of the heading
_STANDS_UPRIGHT = 0.8  # cosine: what is up by GPS and by the cameras, where both agree
_OUTLIER = 4.0  # of a position's own errors
_LEAST_AGREEING = 0.6  # share of the positions
_NOTHING_KNOWN = 1e-9  # information, that what nothing determines has an uncertainty and no infinity
_STARTS = 200  # triples of positions that first guesses are made from
_MAD = 1.4826


@dataclass(frozen=True)
class GpsAlignment:
    """p_local = scale * rotation @ p_found + translation: meters east, north and up of an origin on Earth."""

    scale: float  # m a unit of structure from motion
    rotation: Array  # [3, 3]
    translation: Array  # [3] m
    latitude: float  # deg, of the origin
    longitude: float  # deg
    altitude: float | None  # m, as EXIF states it: above sea level on most phones; None: not stated
    scale_uncertainty: float  # standard deviation, share of the scale
    heading_uncertainty: float  # standard deviation, rad
    residuals_m: tuple[float, ...]  # horizontal distance of each position from its camera
    disagreeing: tuple[int, ...]  # numbers of the positions that count as outliers

    @property
    def words(self) -> str:
        """Where the frame is, for people."""
        height = "" if self.altitude is None else f", altitude {self.altitude:.1f} m"
        place = f"latitude {self.latitude:.7f}, longitude {self.longitude:.7f}{height} (WGS 84)"
        return f"meters by GPS from {place}, scale known to {100 * self.scale_uncertainty:.2g} %"

    def matrix(self) -> Array:
        """[4, 4] T_local_found, with the scale in it."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.scale * self.rotation, self.translation
        return out

    def georeference(self) -> dict[str, Any]:
        """As transforms.json has it; see `local_georeference`."""
        return local_georeference(self.latitude, self.longitude, self.altitude, "as EXIF states it")

    def figures(self) -> dict[str, Any]:
        """For capture.json."""
        return {
            "used": True,
            "positions": len(self.residuals_m),
            "disagreeing": len(self.disagreeing),
            "scale_uncertainty": self.scale_uncertainty,
            "heading_uncertainty_deg": float(np.degrees(self.heading_uncertainty)),
            "median_residual_m": float(np.median(self.residuals_m)),
        }


@dataclass(frozen=True)
class GpsRefused:
    """Why the positions were not used."""

    positions: int
    reason: str  # as a sentence goes on after "GPS of 3 photographs was not used: "

    def figures(self) -> dict[str, Any]:
        """For capture.json."""
        return {"used": False, "positions": self.positions, "reason": self.reason}

    def __str__(self) -> str:
        return f"GPS of {self.positions} photographs was not used: {self.reason}"


@dataclass(frozen=True)
class _Fit:
    scale: float
    rotation: Array  # [3, 3]
    translation: Array  # [3] m
    whitened: Array  # [N, 3] residuals by the errors that are stated
    scale_sigma: float  # share
    heading_sigma: float  # rad
    tilt_sigma: float  # rad, in the direction that is known least


def align_to_gps(centers: Array, fixes: Sequence[GpsFix], up: Array | None) -> GpsAlignment | GpsRefused:
    """The similarity between camera centers and GPS positions, or why there is none to rely on.

    Args:
        centers: [N, 3] of the cameras that have a position.
        fixes: their positions.
        up: unit vector [3] in the world of the centers, as cameras were held; None where that is not known.
    """
    count = len(fixes)
    if count < FEWEST_FIXES:
        return GpsRefused(count, f"at least {FEWEST_FIXES} are needed")
    origin, places, sigmas = _local(fixes)
    spread = float(np.median(np.linalg.norm(places[:, :2] - np.median(places[:, :2], axis=0), axis=1)))
    error = float(np.median(sigmas[:, 0]))
    if spread < error / _LARGEST_UNCERTAINTY / np.sqrt(_INDEPENDENT):
        return GpsRefused(
            count, f"the positions spread by {spread:.1f} m only, and their errors are about {error:.1f} m"
        )
    fit = _fit(centers, places, sigmas, up)
    if fit is not None and up is not None and (fit.rotation @ up)[2] < _STANDS_UPRIGHT:
        fit = _fit(centers, places, sigmas, None)  # cameras that look straight down do not show what is up
    if fit is None:
        return GpsRefused(count, "by the photographs all cameras stand in one place")
    off = np.flatnonzero(np.abs(fit.whitened).max(1) > _OUTLIER)
    if count - len(off) < max(FEWEST_FIXES, _LEAST_AGREEING * count):
        return GpsRefused(count, f"{len(off)} of the positions contradict the photographs")
    if max(fit.scale_sigma, fit.heading_sigma, fit.tilt_sigma / 2) > _LARGEST_UNCERTAINTY:
        heading, tilt = np.degrees([fit.heading_sigma, fit.tilt_sigma])
        known = f"scale to {100 * fit.scale_sigma:.0f} %, heading to {heading:.0f} deg, tilt to {tilt:.0f} deg"
        return GpsRefused(count, f"it would give {known}, which is too little")
    residuals = np.linalg.norm((fit.scale * centers @ fit.rotation.T + fit.translation - places)[:, :2], axis=1)
    return GpsAlignment(
        *(fit.scale, fit.rotation, fit.translation, *origin, fit.scale_sigma, fit.heading_sigma),
        residuals_m=tuple(residuals.tolist()),
        disagreeing=tuple(off.tolist()),
    )


def _local(fixes: Sequence[GpsFix]) -> tuple[tuple[float, float, float | None], Array, Array]:
    """Origin, places [N, 3] east, north and up of it in m, and their standard deviations [N, 3]."""
    latitudes, longitudes = (np.array([getattr(fix, name) for fix in fixes]) for name in ("latitude", "longitude"))
    longitudes = longitudes[0] + (longitudes - longitudes[0] + 180) % 360 - 180  # across the date line
    stated = [fix.altitude for fix in fixes if fix.altitude is not None]
    altitude = float(np.median(stated)) if stated else None
    heights = np.array([fix.altitude if fix.altitude is not None else altitude or 0.0 for fix in fixes])
    latitude, longitude = float(np.median(latitudes)), float(np.median(longitudes))
    start = geocentric(np.array(latitude), np.array(longitude), np.array(altitude or 0.0))
    places = (geocentric(latitudes, longitudes, heights) - start) @ east_north_up(latitude, longitude)
    errors = np.array([fix.error_m or _ERROR_M for fix in fixes])
    stated_up = np.array([fix.vertical_error_m or _VERTICAL * error for fix, error in zip(fixes, errors, strict=True)])
    vertical = np.where([fix.altitude is None for fix in fixes], _UNKNOWN_M, stated_up)
    return (latitude, (longitude + 180) % 360 - 180, altitude), places, np.stack([errors, errors, vertical], axis=1)


def _fit(centers: Array, places: Array, sigmas: Array, up: Array | None) -> _Fit | None:
    """The similarity with the least robust sum of errors; None where the centers have no extent."""
    middle = centers.mean(0)
    size = float(np.sqrt(((centers - middle) ** 2).sum(1).mean()))
    if size == 0:
        return None
    units = (centers - middle) / size

    def errors(parameters: Array) -> Array:
        R, scale, translation = _parts(parameters)
        apart = (scale * units @ R.T + translation - places) / sigmas
        return np.concatenate([apart.ravel(), np.zeros(0) if up is None else _tilt(R @ up) / _HELD_LEVEL_RAD])

    guesses = [guess for guess in _guesses(units, places, sigmas, up) if np.isfinite(guess).all()]
    best = min(guesses, key=lambda guess: float(np.minimum(np.abs(errors(guess)), _OUTLIER).sum()))
    found = least_squares(errors, best, loss="huber", f_scale=1.5)
    R, scale, translation = _parts(found.x)
    whitened = errors(found.x)[: places.size].reshape(-1, 3)
    covariance = _covariance(found.jac, whitened)
    turns = _left_jacobian(found.x[:3])
    rotation = turns @ covariance[:3, :3] @ turns.T
    return _Fit(
        *(scale / size, R, translation - scale / size * R @ middle, whitened),
        scale_sigma=float(np.sqrt(covariance[3, 3])),
        heading_sigma=float(np.sqrt(rotation[2, 2])),
        tilt_sigma=float(np.sqrt(np.linalg.eigvalsh(rotation[:2, :2])[-1])),
    )


def _tilt(direction: Array) -> Array:
    """The angle between a unit vector and z, rad, as a vector [2] towards where it leans."""
    sine = float(np.hypot(direction[0], direction[1]))
    return direction[:2] * (np.arctan2(sine, direction[2]) / sine if sine > 1e-12 else 1.0)


def _covariance(jacobian: Array, whitened: Array) -> Array:
    """[7, 7] of the parameters: with errors as large as stated or as seen, and few of them independent."""
    excess = max(1.0, _MAD * float(np.median(np.abs(whitened))))
    shared = max(1.0, len(whitened) / _INDEPENDENT)
    rows = jacobian.copy()
    rows[: whitened.size] /= excess * np.sqrt(shared)
    return np.asarray(np.linalg.inv(rows.T @ rows + _NOTHING_KNOWN * np.eye(7)))


def _parts(parameters: Array) -> tuple[Array, float, Array]:
    """Rotation [3, 3], scale and translation [3] of a rotation vector, the scale's logarithm and a translation."""
    return Rotation.from_rotvec(parameters[:3]).as_matrix(), float(np.exp(parameters[3])), parameters[4:]


def _left_jacobian(vector: Array) -> Array:
    """[3, 3] of a rotation vector: how a small change of it turns what is rotated."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-6:
        return np.eye(3) + cross / 2
    first, second = (1 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + first * cross + second * cross @ cross)


def _guesses(units: Array, places: Array, sigmas: Array, up: Array | None) -> list[Array]:
    """Similarities of all positions and of triples of them, as parameters [7]; with up known, a heading is enough."""
    rng = np.random.default_rng(0)
    triples = [rng.choice(len(places), 3, replace=False) for _ in range(_STARTS)]
    weights = 1 / sigmas[:, 2] if sigmas[:, 2].min() < _UNKNOWN_M else np.ones(len(places))
    chosen = [np.arange(len(places)), *triples]
    found = [_umeyama(units[rows], places[rows], weights[rows]) for rows in chosen]
    if up is not None:
        found += [_level(units[rows], places[rows], up) for rows in chosen]
    return found


def _umeyama(one: Array, other: Array, weights: Array) -> Array:
    """Parameters [7] of the similarity from points to points [N, 3]. Source: Umeyama, TPAMI 1991."""
    share = weights / weights.sum()
    middles = share @ one, share @ other
    a, b = one - middles[0], other - middles[1]
    U, stretch, Vt = np.linalg.svd((b * share[:, None]).T @ a)
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    R = U @ np.diag(mirror) @ Vt
    variance = float(share @ (a**2).sum(1))
    scale = float(stretch @ mirror) / variance if variance > 0 else 0.0
    return _parameters(R, scale, middles)


def _level(one: Array, other: Array, up: Array) -> Array:
    """The same where it is known what is up: heading, scale and place alone, from horizontal coordinates."""
    axis = np.cross(up, [0.0, 0.0, 1.0])
    angle = np.arctan2(np.linalg.norm(axis), up[2])
    if np.linalg.norm(axis) < 1e-9:
        axis = np.array([1.0, 0.0, 0.0])
    level = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle).as_matrix()
    middles = one.mean(0), other.mean(0)
    a, b = (one - middles[0]) @ level.T, other - middles[1]
    flat_a, flat_b = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    variance = float((np.abs(flat_a) ** 2).sum())
    turn = complex((np.conj(flat_a) * flat_b).sum() / variance) if variance > 0 else 0j
    heading = Rotation.from_rotvec([0, 0, np.angle(turn)]).as_matrix()
    return _parameters(heading @ level, abs(turn), middles)


def _parameters(R: Array, scale: float, middles: tuple[Array, Array]) -> Array:
    if not scale > 0:
        return np.full(7, np.nan)
    return np.concatenate([Rotation.from_matrix(R).as_rotvec(), [np.log(scale)], middles[1] - scale * R @ middles[0]])
