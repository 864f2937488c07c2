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
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.namespace import Array, namespace_of

LensName = Literal["pinhole", "brown_conrady", "kannala_brandt", "orthographic", "equirectangular"]
Coefficients = Any  # a tuple, list, ndarray [D] or Tensor [D] of numbers; a list of arrays that broadcast

# Beyond it a fisheye's pixels do not count: they look sideways, where z says little of the distance.
FISHEYE_LIMIT_RAD = float(np.deg2rad(85.0))

_AXIS = 1e-12  # a distance from the axis that stands for zero, where quotients need one
_SERIES_RAD, _SERIES_TERMS = 0.5, 9  # the tenth term is 1e-20
_REAL = 1e-9  # imaginary part of a root that is real
_WIDEST_RAD = np.deg2rad(89.9)  # rays of brown_conrady that its inverse looks for
_KNOTS = 257
_NEWTON_STEPS = 8  # at most; from a table of `_KNOTS` the third is exact to rounding, except next to a fold


class LensModel(ABC):
    """One lens. The plane is its image at focal length 1."""

    coefficients: tuple[str, ...] = ()

    @abstractmethod
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        """Image [..., 2] of points [..., 3]. Lenses that divide by z mean something where z > 0."""

    @abstractmethod
    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        """Derivatives [..., 2, 3] of `distort` to the points [..., 3]."""

    def coefficient_jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        """Derivatives [..., 2, D] of `distort` to the coefficients."""
        out: Array = points[..., :2, None][..., :0]
        return out

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

    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        x, y = _tangents_of(points)
        (x_x, x_y), (y_x, y_y) = self._tangent_jacobian(x, y, coeffs)
        inverse = 1 / _away_from_zero(points[..., 2])
        rows = [[a * inverse, b * inverse, -(a * x + b * y) * inverse] for a, b in ((x_x, x_y), (y_x, y_y))]
        return _matrix(rows, points)

    def _tangent_jacobian(self, x: Any, y: Any, coeffs: Coefficients) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        one, zero = namespace_of(x).ones_like(x), namespace_of(x).zeros_like(x)
        return (one, zero), (zero, one)


class _BrownConrady(_Pinhole):
    coefficients = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        _, _, p1, p2, *_ = _each(coeffs, 8)
        s, product = x * x + y * y, 2 * x * y
        factor = self._factor(s, coeffs)
        return (
            x * factor + p1 * product + p2 * (s + 2 * x * x),
            y * factor + p1 * (s + 2 * y * y) + p2 * product,
        )

    def _tangent_jacobian(self, x: Any, y: Any, coeffs: Coefficients) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        _, _, p1, p2, *_ = _each(coeffs, 8)
        s = x * x + y * y
        factor, slope = self._factor(s, coeffs), self._slope(s, coeffs)
        across = 2 * (x * y * slope + p1 * x + p2 * y)
        return (
            (factor + 2 * (x * x * slope + p1 * y + 3 * p2 * x), across),
            (across, factor + 2 * (y * y * slope + 3 * p1 * y + p2 * x)),
        )

    def coefficient_jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        x, y = _tangents_of(points)
        s, product = x * x + y * y, 2 * x * y
        inverse = 1 / self._denominator(s, coeffs)
        k1 = s * inverse
        k4 = -k1 * self._factor(s, coeffs)
        radial = [k1, k1 * s, k1 * s * s, k4, k4 * s, k4 * s * s]
        rows = [[x * k for k in radial], [y * k for k in radial]]
        rows[0][2:2] = [product, s + 2 * x * x]
        rows[1][2:2] = [s + 2 * y * y, product]
        return _matrix(rows, points)

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        values = _each(coeffs, 8)
        limit = min(self.fold(coeffs) * (1 - _REAL), float(np.tan(_WIDEST_RAD)))  # short of a pole
        radii = xp.radius(plane[..., 0], plane[..., 1], _AXIS)
        knots = np.tan(np.arctan(limit) * _knots())

        def radial(r: Any) -> tuple[Any, Any]:
            s = r * r
            factor = self._factor(s, values)
            return r * factor, factor + 2 * s * self._slope(s, values)

        table = knots * self._factor(knots * knots, [float(value) for value in values])
        found, inside = _solve(radii, radial, knots, table)
        x, y = plane[..., 0] * (found / radii), plane[..., 1] * (found / radii)
        if not _is_zero(values[2:4]):
            x, y, inside = self._solve_tangential(plane, x, y, values, limit)
        out: Array = xp.where(inside[..., None], xp.stack([x, y]), np.nan)
        return out

    def _solve_tangential(self, plane: Any, x: Any, y: Any, values: list[Any], limit: float) -> tuple[Any, Any, Any]:
        """Newton's steps in the plane from the radial solution; and where they arrived inside of the fold."""
        xp = namespace_of(plane)
        epsilon = xp.epsilon(plane)
        for _ in range(_NEWTON_STEPS):
            x, y = xp.detach(x), xp.detach(y)
            (a, b), (_, d) = self._tangent_jacobian(x, y, values)
            determinant = a * d - b * b
            safe = xp.where(xp.abs(determinant) < np.sqrt(epsilon), np.sqrt(epsilon), determinant)
            u, v = self.from_tangents(x, y, values)
            u, v = u - plane[..., 0], v - plane[..., 1]
            before = (x, y)
            x, y = x - (d * u - b * v) / safe, y - (a * v - b * u) / safe
            if xp.are_equal(before[0], x, 8 * epsilon) and xp.are_equal(before[1], y, 8 * epsilon):
                break
            reach = xp.maximum(xp.sqrt(x * x + y * y) / (2 * limit), 1.0)  # a wild step stays where numbers are finite
            x, y = x / reach, y / reach
        u, v = self.from_tangents(xp.detach(x), xp.detach(y), values)
        error = xp.radius(u - plane[..., 0], v - plane[..., 1], 0.0)
        arrived = error <= 64 * epsilon * (1 + xp.radius(plane[..., 0], plane[..., 1], 0.0))
        return x, y, arrived & (x * x + y * y <= limit * limit * (1 + 64 * epsilon))

    def fold(self, coeffs: Coefficients) -> float:
        k1, k2, _, _, k3, k4, k5, k6 = (float(value) for value in _each(coeffs, 8))
        # In s = r^2 the image is at r n(s) / d(s); its derivative to r is ((n + 2 s n') d - 2 s n d') / d^2.
        numerator, denominator = np.array([k3, k2, k1, 1.0]), np.array([k6, k5, k4, 1.0])
        derivative: NDArray[np.float64] = np.polysub(
            np.polymul(numerator * [7, 5, 3, 1], denominator), np.polymul(numerator, denominator * [6, 4, 2, 0])
        )
        return float(np.sqrt(min(_first_root(derivative), _first_root(denominator))))

    def _factor(self, s: Any, coeffs: Coefficients) -> Any:
        k1, k2, _, _, k3, *rational = _each(coeffs, 8)
        factor = 1 + s * (k1 + s * (k2 + s * k3))
        return factor if _is_zero(rational) else factor / self._denominator(s, coeffs)

    def _denominator(self, s: Any, coeffs: Coefficients) -> Any:
        k4, k5, k6 = _each(coeffs, 8)[5:]
        return 1 + s * (k4 + s * (k5 + s * k6))

    def _slope(self, s: Any, coeffs: Coefficients) -> Any:
        """Derivative of `_factor` to s."""
        k1, k2, _, _, k3, k4, k5, k6 = _each(coeffs, 8)
        slope = k1 + s * (2 * k2 + s * (3 * k3))
        if _is_zero([k4, k5, k6]):
            return slope
        bend = k4 + s * (2 * k5 + s * (3 * k6))
        return (slope - self._factor(s, coeffs) * bend) / self._denominator(s, coeffs)


class _KannalaBrandt(LensModel):
    coefficients = ("k1", "k2", "k3", "k4")

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y = points[..., 0], points[..., 1]
        radius = xp.radius(x, y, _AXIS)
        factor = self._radial(xp.arctan2(radius, points[..., 2]), coeffs) / radius
        out: Array = xp.stack([x * factor, y * factor])
        return out

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        xp = namespace_of(x)
        radius = xp.radius(x, y, _AXIS)
        factor = self._radial(xp.arctan(radius), coeffs) / radius
        return x * factor, y * factor

    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        """With d the distance from the center, r that from the axis and n that from the lens: x d / r.

        Its derivative has ((d' z / n^2) - d / r) / r^2, whose terms cancel near the axis. Written with
        g = (sin cos - angle) / angle^3 they do not: it is (angle / r)^3 (g d' + 2 k1 + 4 k2 angle^2 + ...).
        """
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        k1, k2, k3, k4 = _each(coeffs, 4)
        radius = xp.radius(x, y, _AXIS)
        angle = xp.arctan2(radius, z)
        t, ratio = angle * angle, angle / radius
        slope = self._slope(angle, coeffs)
        factor = self._radial(angle, coeffs) / radius
        bend = _sine_cosine_remainder(angle) * slope + (2 * k1 + t * (4 * k2 + t * (6 * k3 + t * (8 * k4))))
        bend = bend * ratio * ratio * ratio
        along = -slope / (radius * radius + z * z)
        across = x * y * bend
        rows = [[factor + x * x * bend, across, x * along], [across, factor + y * y * bend, y * along]]
        return _matrix(rows, points)

    def coefficient_jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y = points[..., 0], points[..., 1]
        radius = xp.radius(x, y, _AXIS)
        angle = xp.arctan2(radius, points[..., 2])
        t = angle * angle
        powers = [angle / radius * t]
        for _ in range(3):
            powers.append(powers[-1] * t)
        return _matrix([[x * power for power in powers], [y * power for power in powers]], points)

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
        return float(self._radial(min(self.fold(coeffs), FISHEYE_LIMIT_RAD), coeffs))

    def fold(self, coeffs: Coefficients) -> float:
        k1, k2, k3, k4 = (float(value) for value in _each(coeffs, 4))
        return float(np.sqrt(_first_root(np.array([9 * k4, 7 * k3, 5 * k2, 3 * k1, 1.0]))))

    def fold_tangent(self, coeffs: Coefficients) -> float:
        fold = self.fold(coeffs)
        return float(np.tan(fold)) if fold < np.pi / 2 else np.inf

    def _angle(self, plane: Any, coeffs: Coefficients) -> tuple[Any, Any]:
        """Angle from the axis [...], NaN beyond the fold, and distance from the center [...]."""
        xp = namespace_of(plane)
        values = _each(coeffs, 4)
        radius = xp.radius(plane[..., 0], plane[..., 1], _AXIS)
        knots = min(self.fold(coeffs), np.pi) * _knots()
        table = self._radial(knots, [float(value) for value in values])
        angle, inside = _solve(radius, lambda a: (self._radial(a, values), self._slope(a, values)), knots, table)
        return xp.where(inside, angle, np.nan), radius

    def _radial(self, angle: Any, coeffs: Coefficients) -> Any:
        k1, k2, k3, k4 = _each(coeffs, 4)
        s = angle * angle
        return angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4))))

    def _slope(self, angle: Any, coeffs: Coefficients) -> Any:
        k1, k2, k3, k4 = _each(coeffs, 4)
        s = angle * angle
        return 1 + s * (3 * k1 + s * (5 * k2 + s * (7 * k3 + s * (9 * k4))))


class _Orthographic(LensModel):
    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        out: Array = points[..., :2]
        return out

    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        one, zero = namespace_of(points).ones_like(points[..., 0]), namespace_of(points).zeros_like(points[..., 0])
        return _matrix([[one, zero, zero], [zero, one, zero]], points)

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

    def jacobian(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        h = xp.radius(x, z, _AXIS)
        h2, scale = h * h, -y / (h * (h * h + y * y))
        rows = [[z / h2, xp.zeros_like(x), -x / h2], [x * scale, h / (h2 + y * y), z * scale]]
        return _matrix(rows, points)

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
    lens, x, y = _BrownConrady(), plane[..., 0], plane[..., 1]
    lost = np.zeros(x.shape, bool)  # beyond a fold: they keep the place that they have in the image
    for _ in range(5):
        factor = lens._factor(x * x + y * y, coeffs)
        lost |= factor <= 0
        u, v = lens.from_tangents(x, y, coeffs)
        safe = np.where(lost, 1.0, factor)
        x = np.where(lost, plane[..., 0], x + (plane[..., 0] - u) / safe)
        y = np.where(lost, plane[..., 1], y + (plane[..., 1] - v) / safe)
    return np.stack([x, y], -1)


def _each(coeffs: Coefficients, count: int) -> list[Any]:
    """Coefficients one by one; plain numbers of an ndarray, which leave float32 what it is."""
    values = coeffs.tolist() if isinstance(coeffs, np.ndarray) and coeffs.ndim == 1 else list(coeffs)
    if len(values) != count:
        raise ValueError(f"coeffs: expected {count}, got {len(values)}")
    return values


def _is_zero(values: Sequence[Any]) -> bool:
    """Whether all are numbers, and zero: terms that nobody needs to compute."""
    return all(isinstance(value, int | float) and value == 0 for value in values)


def _away_from_zero(z: Any) -> Any:
    return namespace_of(z).where(z == 0, _AXIS, z)


def _tangents_of(points: Any) -> tuple[Any, Any]:
    z = _away_from_zero(points[..., 2])
    return points[..., 0] / z, points[..., 1] / z


def _matrix(rows: list[list[Any]], like: Any) -> Any:
    """[..., 2, columns] of arrays [...]."""
    xp = namespace_of(like)
    return xp.stack([xp.stack(list(column)) for column in zip(*rows, strict=True)])


def _first_root(polynomial: NDArray[np.float64]) -> float:
    """The smallest positive real root, or inf, of a polynomial whose last coefficient is 1.

    Found by its inverse, which leading coefficients near zero do not disturb.
    """
    roots = np.roots(polynomial[::-1])
    real = roots.real[(np.abs(roots.imag) < _REAL * np.abs(roots)) & (roots.real > 0)]
    return float(1 / real.max()) if len(real) else np.inf


def _knots() -> np.ndarray:
    """From 0 to 1, close to each other at the end, where a fold makes the inverse steep."""
    return np.sin(np.linspace(0, np.pi / 2, _KNOTS))


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


def _solve(
    targets: Any, function: Callable[[Any], tuple[Any, Any]], knots: np.ndarray, values: np.ndarray
) -> tuple[Any, Any]:
    """u [...] where a function that grows is equal to `targets` [...], and whether there is such a u.

    Each search starts from the function's `values` at `knots` and stays in its cell between two of them.

    Args:
        targets: >= 0.
        function: value and derivative at u.
        knots: [K] from 0 up to the last u that counts.
        values: [K] of the function there.
    """
    xp = namespace_of(targets)
    epsilon = xp.epsilon(targets)
    u_table, value_table = xp.constant(knots, targets), xp.constant(np.maximum.accumulate(values), targets)
    cell = xp.search(value_table[1:-1], xp.detach(targets))
    low, high = xp.take(u_table, cell), xp.take(u_table, cell + 1)
    below, above = xp.take(value_table, cell), xp.take(value_table, cell + 1)
    share = (targets - below) / xp.where(above > below, above - below, 1.0)
    u = xp.clip(low + share * (high - low), low, high)
    for _ in range(_NEWTON_STEPS):
        u = xp.detach(u)
        value, slope = function(u)
        before, u = u, xp.clip(u - (value - targets) / xp.maximum(slope, float(np.sqrt(epsilon))), low, high)
        if xp.are_equal(before, u, 8 * epsilon):
            break
    return u, targets <= value_table[-1] * (1 + 8 * epsilon)
