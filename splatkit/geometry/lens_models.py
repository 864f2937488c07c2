"""Where a lens puts the image of a point, and its inverse: each formula once, for NumPy and torch.

A lens maps points of the camera's frame (x right, y down, z forward) to the plane of its image at focal length 1, about
the principal point. Pixels, focal lengths and image sizes belong to `geometry.camera`.

pinhole, brown_conrady: Brown (1971), with the radial quotient and the order of coefficients of OpenCV.
kannala_brandt: Kannala and Brandt, TPAMI 2006, with the four coefficients that OpenCV uses; up to 180 degrees from the
axis, where OpenCV stops at 90.
orthographic: parallel rays. equirectangular: longitude and latitude, rad, zero straight ahead.

Coefficients are a sequence of numbers, or of arrays that broadcast with the points' leading axes; an inverse takes
numbers alone. What is float32 stays float32. Of a Tensor's inverse, first derivatives are right.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.namespace import Array, namespace_of
from splatkit.geometry.radial_inverse import InverseTable, inverse_table, solve

LensName = Literal["pinhole", "brown_conrady", "kannala_brandt", "orthographic", "equirectangular"]
Coefficients = Any  # a tuple, list, ndarray [D] or Tensor [D] of numbers; a list of arrays that broadcast

# Beyond it a fisheye's pixels do not count: they look sideways, where z says little of the distance.
FISHEYE_LIMIT_RAD = float(np.deg2rad(85.0))

_AXIS = 1e-12  # a distance from the axis that stands for zero, where quotients need one
_SERIES_RAD, _SERIES_TERMS = 0.5, 9  # the tenth term is 1e-20
_REAL = 1e-9  # imaginary part of a root that is real
_WIDEST_RAD = np.deg2rad(89.9)  # rays of brown_conrady that its inverse looks for
_CACHED = 128  # lenses whose folds and tables are kept
_TANGENTIAL_STEPS = 8  # at most, of Newton's


class LensModel(ABC):
    """One lens. The plane is its image at focal length 1."""

    coefficients: tuple[str, ...] = ()

    @abstractmethod
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        """Image [..., 2] of points [..., 3]. Lenses that divide by z mean something where z > 0."""

    @abstractmethod
    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        """What `distort` [..., 2], `jacobian` [..., 2, 3] and `coefficient_jacobian` [..., 2, D] give, at once."""

    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        """Derivatives [..., 2, 3] of `distort` to the points [..., 3]."""
        return self.linearize(points, coeffs)[1]

    def coefficient_jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        """Derivatives [..., 2, D] of `distort` to the coefficients, as many as are given."""
        return self.linearize(points, coeffs)[2]

    @abstractmethod
    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        """Unit directions [..., 3] of the rays that meet the plane at [..., 2]; NaN where no ray of the lens does."""

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        """Image of rays (x, y, 1) in front of the lens; x and y may have any shape."""
        xp = namespace_of(x)
        plane = self.distort(xp.stack([x, y, xp.ones_like(x)]), coeffs)
        return plane[..., 0], plane[..., 1]

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        """x / z and y / z of the rays that meet the plane at [..., 2]; NaN where none does, or leads not ahead."""
        xp = namespace_of(plane)
        rays = self.rays(plane, coeffs)
        ahead = rays[..., 2:] > _AXIS
        out: Array = xp.where(ahead, rays[..., :2] / xp.where(ahead, rays[..., 2:], 1.0), np.nan)
        return out

    def fold(self, coeffs: Coefficients) -> float:
        """Where farther rays stop falling farther out: the first zero of the radial derivative; inf without one.

        It is measured as the lens's polynomial measures: brown_conrady by x / z, kannala_brandt by the angle in rad.
        """
        return np.inf

    def fold_tangent(self, coeffs: Coefficients) -> float:
        """The fold's distance from the axis at z = 1; inf where it lies at 90 degrees or beyond."""
        return self.fold(coeffs)

    def usable_radius(self, coeffs: Coefficients) -> float:
        """Distance from the center, in the plane, up to which pixels count; inf where all do."""
        return np.inf


class _Pinhole(LensModel):
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        x, y = self.from_tangents(*_tangents_of(points), coeffs)
        out: Array = namespace_of(points).stack([x, y])
        return out

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        return x, y

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        return plane

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        tangents = self.tangents(plane, coeffs)
        x, y = tangents[..., 0], tangents[..., 1]
        z = 1 / xp.sqrt(1 + x * x + y * y)
        out: Array = xp.stack([x * z, y * z, z])
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp = namespace_of(points)
        z = _away_from_zero(points[..., 2])
        x, y, inverse = points[..., 0] / z, points[..., 1] / z, 1 / z
        zero = xp.zeros_like(x)
        jacobian = xp.matrix([[inverse, zero, -x * inverse], [zero, inverse, -y * inverse]])
        return xp.stack([x, y]), jacobian, jacobian[..., :0]


class _BrownConrady(_Pinhole):
    """Takes 4, 5 or 8 coefficients; those that are not given are zero."""

    coefficients = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        k = _each(coeffs, 4, 5, 8)
        p1, p2 = k[2:4]
        s, product = x * x + y * y, 2 * x * y
        factor = _brown_factor(s, k)
        return (
            x * factor + p1 * product + p2 * (s + 2 * x * x),
            y * factor + p1 * (s + 2 * y * y) + p2 * product,
        )

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp, k = namespace_of(points), _each(coeffs, 4, 5, 8)
        z = _away_from_zero(points[..., 2])
        x, y, inverse = points[..., 0] / z, points[..., 1] / z, 1 / z
        (u, v), (u_x, u_y, v_y) = self._plane_and_slopes(x, y, k)
        rows = [[a * inverse, b * inverse, -(a * x + b * y) * inverse] for a, b in ((u_x, u_y), (u_y, v_y))]
        s, product = x * x + y * y, 2 * x * y
        power, powers = s / _brown_denominator(s, k), []
        for _ in range(3):
            powers.append(power)
            power = power * s
        if len(coeffs) == 8:
            factor = _brown_factor(s, k)
            powers += [-factor * power for power in powers]
        to_x, to_y = [x * power for power in powers], [y * power for power in powers]
        to_x[2:2], to_y[2:2] = [product, s + 2 * x * x], [s + 2 * y * y, product]
        return xp.stack([u, v]), xp.matrix(rows), xp.matrix([to_x[: len(coeffs)], to_y[: len(coeffs)]])

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        xp, k = namespace_of(plane), _each(coeffs, 4, 5, 8)
        table = _brown_table(tuple(float(value) for value in k))
        radii = xp.radius(plane[..., 0], plane[..., 1], _AXIS)

        def radial(r: Any) -> tuple[Any, Any]:
            s = r * r
            factor = _brown_factor(s, k)
            return r * factor, factor + 2 * s * _brown_slope(s, k, factor)

        found, inside = solve(radii, radial, table)
        x, y = plane[..., 0] * (found / radii), plane[..., 1] * (found / radii)
        if not _is_zero(k[2:4]):
            x, y, inside = self._solve_tangential(plane, x, y, k, float(table.knots[-1]))
        out: Array = xp.where(inside[..., None], xp.stack([x, y]), np.nan)
        return out

    def fold(self, coeffs: Coefficients) -> float:
        return _brown_fold(tuple(float(value) for value in _each(coeffs, 4, 5, 8)))

    def _plane_and_slopes(self, x: Any, y: Any, k: list[Any]) -> tuple[tuple[Any, Any], tuple[Any, Any, Any]]:
        """Image u, v of rays (x, y, 1), and du/dx, du/dy = dv/dx, dv/dy."""
        p1, p2 = k[2:4]
        s = x * x + y * y
        factor = _brown_factor(s, k)
        slope = 2 * _brown_slope(s, k, factor)
        u_y = x * y * slope + 2 * (p1 * x + p2 * y)
        u_x = factor + x * x * slope + 2 * p1 * y + 6 * p2 * x
        v_y = factor + y * y * slope + 6 * p1 * y + 2 * p2 * x
        return self.from_tangents(x, y, k), (u_x, u_y, v_y)

    def _solve_tangential(self, plane: Any, x: Any, y: Any, k: list[Any], limit: float) -> tuple[Any, Any, Any]:
        """Newton's steps in the plane from the radial solution; and where they arrived inside of the fold."""
        xp = namespace_of(plane)
        epsilon = xp.epsilon(plane)
        for _ in range(_TANGENTIAL_STEPS):
            x, y = xp.detach(x), xp.detach(y)
            (u, v), (a, b, d) = self._plane_and_slopes(x, y, k)
            determinant = a * d - b * b
            safe = xp.where(xp.abs(determinant) < np.sqrt(epsilon), np.sqrt(epsilon), determinant)
            u, v = u - plane[..., 0], v - plane[..., 1]
            before = (x, y)
            x, y = x - (d * u - b * v) / safe, y - (a * v - b * u) / safe
            if xp.are_equal(before[0], x, 8 * epsilon) and xp.are_equal(before[1], y, 8 * epsilon):
                break
            reach = xp.maximum(xp.sqrt(x * x + y * y) / (2 * limit), 1.0)  # a wild step stays where numbers are finite
            x, y = x / reach, y / reach
        u, v = self.from_tangents(xp.detach(x), xp.detach(y), k)
        error = xp.radius(u - plane[..., 0], v - plane[..., 1], 0.0)
        arrived = error <= 64 * epsilon * (1 + xp.radius(plane[..., 0], plane[..., 1], 0.0))
        return x, y, arrived & (x * x + y * y <= limit * limit * (1 + 64 * epsilon))


class _KannalaBrandt(LensModel):
    coefficients = ("k1", "k2", "k3", "k4")

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y = points[..., 0], points[..., 1]
        radius = xp.radius(x, y, _AXIS)
        factor = _kannala_radial(xp.arctan2(radius, points[..., 2]), _each(coeffs, 4)) / radius
        out: Array = xp.stack([x * factor, y * factor])
        return out

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        xp = namespace_of(x)
        radius = xp.radius(x, y, _AXIS)
        factor = _kannala_radial(xp.arctan(radius), _each(coeffs, 4)) / radius
        return x * factor, y * factor

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        """With d the distance from the center, r that from the axis and n that from the lens, the image is x d / r.

        (d / r)' / r = (d' z / n^2 - d / r) / r^2 cancels near the axis. With g = (sin cos - angle) / angle^3 it is
        (angle / r)^3 (g d' + 2 k1 + 4 k2 angle^2 + 6 k3 angle^4 + 8 k4 angle^6), which does not.
        """
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        k1, k2, k3, k4 = k = _each(coeffs, 4)
        radius = xp.radius(x, y, _AXIS)
        angle = xp.arctan2(radius, z)
        t, ratio, slope = angle * angle, angle / radius, _kannala_slope(angle, k)
        factor = _kannala_radial(angle, k) / radius
        bend = _sine_cosine_remainder(angle) * slope + (2 * k1 + t * (4 * k2 + t * (6 * k3 + t * (8 * k4))))
        bend = bend * ratio * ratio * ratio
        along, across = -slope / (radius * radius + z * z), x * y * bend
        rows = [[factor + x * x * bend, across, x * along], [across, factor + y * y * bend, y * along]]
        powers = [ratio * t]
        for _ in range(3):
            powers.append(powers[-1] * t)
        to_coeffs = [[x * power for power in powers], [y * power for power in powers]]
        return xp.stack([x * factor, y * factor]), xp.matrix(rows), xp.matrix(to_coeffs)

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        angle, radius = self._angle(plane, coeffs)
        factor = xp.sin(angle) / radius
        out: Array = xp.stack([plane[..., 0] * factor, plane[..., 1] * factor, xp.cos(angle)])
        return out

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        """As for any lens; NaN also beyond `FISHEYE_LIMIT_RAD`."""
        xp = namespace_of(plane)
        angle, radius = self._angle(plane, coeffs)
        factor = xp.where(angle <= FISHEYE_LIMIT_RAD, xp.tan(angle), np.nan) / radius
        out: Array = xp.stack([plane[..., 0] * factor, plane[..., 1] * factor])
        return out

    def usable_radius(self, coeffs: Coefficients) -> float:
        """Distance from the center of the farthest image that counts: at the fold, or at `FISHEYE_LIMIT_RAD`."""
        return float(_kannala_radial(min(self.fold(coeffs), FISHEYE_LIMIT_RAD), _each(coeffs, 4)))

    def fold(self, coeffs: Coefficients) -> float:
        return _kannala_fold(tuple(float(value) for value in _each(coeffs, 4)))

    def fold_tangent(self, coeffs: Coefficients) -> float:
        fold = self.fold(coeffs)
        return float(np.tan(fold)) if fold < np.pi / 2 else np.inf

    def _angle(self, plane: Any, coeffs: Coefficients) -> tuple[Any, Any]:
        """Angle from the axis [...], NaN beyond the fold, and distance from the center [...]."""
        xp, k = namespace_of(plane), _each(coeffs, 4)
        radius = xp.radius(plane[..., 0], plane[..., 1], _AXIS)
        table = _kannala_table(tuple(float(value) for value in k))
        angle, inside = solve(radius, lambda a: (_kannala_radial(a, k), _kannala_slope(a, k)), table)
        return xp.where(inside, angle, np.nan), radius


class _Orthographic(LensModel):
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        out: Array = points[..., :2]
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp = namespace_of(points)
        one, zero = xp.ones_like(points[..., 0]), xp.zeros_like(points[..., 0])
        jacobian = xp.matrix([[one, zero, zero], [zero, one, zero]])
        return points[..., :2], jacobian, jacobian[..., :0]

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        zero = plane[..., 0] * 0  # NaN where the plane is
        out: Array = xp.stack([zero, zero, zero + 1])
        return out


class _Equirectangular(LensModel):
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        out: Array = xp.stack([xp.arctan2(x, z), xp.arctan2(y, xp.radius(x, z, _AXIS))])
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        h = xp.radius(x, z, _AXIS)
        h2, scale = h * h, -y / (h * (h * h + y * y))
        jacobian = xp.matrix(
            [[z / h2, xp.zeros_like(x), -x / h2], [x * scale, h / (h2 + y * y), z * scale]],
        )
        return self.distort(points, coeffs), jacobian, jacobian[..., :0]

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        longitude, latitude = plane[..., 0], plane[..., 1]
        slack = 1 + 8 * xp.epsilon(plane)
        inside = (xp.abs(longitude) <= np.pi * slack) & (xp.abs(latitude) <= np.pi / 2 * slack)
        across = xp.cos(latitude)
        rays = xp.stack([xp.sin(longitude) * across, xp.sin(latitude), xp.cos(longitude) * across])
        out: Array = xp.where(inside[..., None], rays, np.nan)
        return out


LENS_MODELS: dict[LensName, LensModel] = {
    "pinhole": _Pinhole(),
    "brown_conrady": _BrownConrady(),
    "kannala_brandt": _KannalaBrandt(),
    "orthographic": _Orthographic(),
    "equirectangular": _Equirectangular(),
}


def five_step_tangents(plane: NDArray[np.float64], coeffs: Coefficients) -> NDArray[np.float64]:
    """x / z and y / z [..., 2] of brown_conrady's rays as OpenCV has them: after five steps, which leave an error.

    For what must agree with OpenCV; all else takes `tangents`, which is exact.
    """
    lens, k = LENS_MODELS["brown_conrady"], _each(coeffs, 4, 5, 8)
    x, y = plane[..., 0], plane[..., 1]
    lost = np.zeros(x.shape, bool)  # beyond a fold: they keep the place that they have in the image
    for _ in range(5):
        factor = _brown_factor(x * x + y * y, k)
        lost |= factor <= 0
        u, v = lens.from_tangents(x, y, k)
        safe = np.where(lost, 1.0, factor)
        x = np.where(lost, plane[..., 0], x + (plane[..., 0] - u) / safe)
        y = np.where(lost, plane[..., 1], y + (plane[..., 1] - v) / safe)
    return np.stack([x, y], -1)


def _brown_factor(s: Any, k: list[Any]) -> Any:
    """By what the radial terms stretch a ray at s = x^2 + y^2."""
    factor = 1 + s * (k[0] + s * (k[1] + s * k[4]))
    return factor if _is_zero(k[5:]) else factor / _brown_denominator(s, k)


def _brown_denominator(s: Any, k: list[Any]) -> Any:
    return 1.0 if _is_zero(k[5:]) else 1 + s * (k[5] + s * (k[6] + s * k[7]))


def _brown_slope(s: Any, k: list[Any], factor: Any) -> Any:
    """Derivative of `_brown_factor` to s."""
    slope = k[0] + s * (2 * k[1] + s * (3 * k[4]))
    if _is_zero(k[5:]):
        return slope
    return (slope - factor * (k[5] + s * (2 * k[6] + s * (3 * k[7])))) / _brown_denominator(s, k)


@lru_cache(maxsize=_CACHED)
def _brown_fold(k: tuple[float, ...]) -> float:
    # In s = r^2 the image is at r n(s) / d(s); its derivative to r is ((n + 2 s n') d - 2 s n d') / d^2.
    numerator, denominator = np.array([k[4], k[1], k[0], 1.0]), np.array([k[7], k[6], k[5], 1.0])
    derivative: NDArray[np.float64] = np.polysub(
        np.polymul(numerator * [7, 5, 3, 1], denominator), np.polymul(numerator, denominator * [6, 4, 2, 0])
    )
    return float(np.sqrt(min(_first_root(derivative), _first_root(denominator))))


@lru_cache(maxsize=_CACHED)
def _brown_table(k: tuple[float, ...]) -> InverseTable:
    """x / z of rays by where the radial terms put them."""
    limit = min(_brown_fold(k) * (1 - _REAL), float(np.tan(_WIDEST_RAD)))  # short of a pole
    return inverse_table(lambda r: r * _brown_factor(r * r, list(k)), limit)


def _kannala_radial(angle: Any, k: list[Any]) -> Any:
    """Distance from the center at an angle from the axis, rad."""
    s = angle * angle
    return angle * (1 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))))


def _kannala_slope(angle: Any, k: list[Any]) -> Any:
    """Derivative of `_kannala_radial` to the angle."""
    s = angle * angle
    return 1 + s * (3 * k[0] + s * (5 * k[1] + s * (7 * k[2] + s * (9 * k[3]))))


@lru_cache(maxsize=_CACHED)
def _kannala_fold(k: tuple[float, ...]) -> float:
    return float(np.sqrt(_first_root(np.array([9 * k[3], 7 * k[2], 5 * k[1], 3 * k[0], 1.0]))))


@lru_cache(maxsize=_CACHED)
def _kannala_table(k: tuple[float, ...]) -> InverseTable:
    """Angles by their distances from the center."""
    return inverse_table(lambda angle: _kannala_radial(angle, list(k)), min(_kannala_fold(k), np.pi))


def _each(coeffs: Coefficients, *counts: int) -> list[Any]:
    """Coefficients one by one, with zeros up to the largest of `counts`. NumPy's numbers would make float32 double."""
    values = [value.item() if isinstance(value, np.generic) else value for value in coeffs]
    if len(values) not in counts:
        raise ValueError(f"coeffs: expected {' or '.join(map(str, counts))}, got {len(values)}")
    return values + [0.0] * (counts[-1] - len(values))


def _is_zero(values: Sequence[Any]) -> bool:
    """Whether all are numbers, and zero: terms that nobody needs to compute."""
    return all(isinstance(value, int | float) and value == 0 for value in values)


def _away_from_zero(z: Any) -> Any:
    return namespace_of(z).where(z == 0, _AXIS, z)


def _tangents_of(points: Any) -> tuple[Any, Any]:
    z = _away_from_zero(points[..., 2])
    return points[..., 0] / z, points[..., 1] / z


def _first_root(polynomial: NDArray[np.float64]) -> float:
    """The smallest positive real root, or inf, of a polynomial whose last coefficient is 1.

    Found by its inverse, which leading coefficients near zero do not disturb.
    """
    roots = np.roots(polynomial[::-1])
    real = roots.real[(np.abs(roots.imag) < _REAL * np.abs(roots)) & (roots.real > 0)]
    return float(1 / real.max()) if len(real) else np.inf


def _sine_cosine_remainder(angle: Any) -> Any:
    """(sin cos - angle) / angle^3, by its series where the difference cancels."""
    xp = namespace_of(angle)
    is_small = angle < _SERIES_RAD
    t = 4 * angle * angle
    series = xp.zeros_like(angle)
    for j in range(_SERIES_TERMS, 0, -1):  # sum of (-1)^j 4 (4 angle^2)^(j - 1) / (2 j + 1)!
        series = series * t + (-1) ** j * 4 / math.factorial(2 * j + 1)
    safe = xp.where(is_small, 1.0, angle)
    return xp.where(is_small, series, (xp.sin(safe) * xp.cos(safe) - safe) / (safe * safe * safe))
