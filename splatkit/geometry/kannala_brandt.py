"""The fisheye of Kannala and Brandt (TPAMI 2006), with the four coefficients that OpenCV uses.

It goes up to 180 degrees from the axis, where OpenCV stops at 90.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from splatkit.geometry.lens_model import AXIS, CACHED, Coefficients, LensModel, each, first_root
from splatkit.geometry.namespace import Array, namespace_of
from splatkit.geometry.radial_inverse import InverseTable, inverse_table, solve

# Beyond it a fisheye's pixels do not count: they look sideways, where z says little of the distance.
FISHEYE_LIMIT_RAD = float(np.deg2rad(85.0))

_SERIES_RAD, _SERIES_TERMS = 0.5, 9  # the tenth term is 1e-20


class _KannalaBrandt(LensModel):
    """A fisheye."""

    coefficients = ("k1", "k2", "k3", "k4")

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y = points[..., 0], points[..., 1]
        radius = xp.radius(x, y, AXIS)
        factor = _kannala_radial(xp.arctan2(radius, points[..., 2]), each(coeffs, 4)) / radius
        out: Array = xp.stack([x * factor, y * factor])
        return out

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        xp = namespace_of(x)
        radius = xp.radius(x, y, AXIS)
        factor = _kannala_radial(xp.arctan(radius), each(coeffs, 4)) / radius
        return x * factor, y * factor

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        """With d the distance from the center, r that from the axis and n that from the lens, the image is x d / r.

        (d / r)' / r = (d' z / n^2 - d / r) / r^2 cancels near the axis. With g = (sin cos - angle) / angle^3 it is
        (angle / r)^3 (g d' + 2 k1 + 4 k2 angle^2 + 6 k3 angle^4 + 8 k4 angle^6), which does not.
        """
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        k1, k2, k3, k4 = k = each(coeffs, 4)
        radius = xp.radius(x, y, AXIS)
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
        return float(_kannala_radial(min(self.fold(coeffs), FISHEYE_LIMIT_RAD), each(coeffs, 4)))

    def fold(self, coeffs: Coefficients) -> float:
        return _kannala_fold(tuple(float(value) for value in each(coeffs, 4)))

    def fold_tangent(self, coeffs: Coefficients) -> float:
        fold = self.fold(coeffs)
        return float(np.tan(fold)) if fold < np.pi / 2 else np.inf

    def _angle(self, plane: Any, coeffs: Coefficients) -> tuple[Any, Any]:
        """Angle from the axis [...], NaN beyond the fold, and distance from the center [...]."""
        xp, k = namespace_of(plane), each(coeffs, 4)
        radius = xp.radius(plane[..., 0], plane[..., 1], AXIS)
        table = _kannala_table(tuple(float(value) for value in k))
        angle, inside = solve(radius, lambda a: (_kannala_radial(a, k), _kannala_slope(a, k)), table)
        return xp.where(inside, angle, np.nan), radius


KANNALA_BRANDT = _KannalaBrandt()


def _kannala_radial(angle: Any, k: list[Any]) -> Any:
    """Distance from the center at an angle from the axis, rad."""
    s = angle * angle
    return angle * (1 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))))


def _kannala_slope(angle: Any, k: list[Any]) -> Any:
    """Derivative of `_kannala_radial` to the angle."""
    s = angle * angle
    return 1 + s * (3 * k[0] + s * (5 * k[1] + s * (7 * k[2] + s * (9 * k[3]))))


@lru_cache(maxsize=CACHED)
def _kannala_fold(k: tuple[float, ...]) -> float:
    return float(np.sqrt(first_root(np.array([9 * k[3], 7 * k[2], 5 * k[1], 3 * k[0], 1.0]))))


@lru_cache(maxsize=CACHED)
def _kannala_table(k: tuple[float, ...]) -> InverseTable:
    """Angles by their distances from the center."""
    return inverse_table(lambda angle: _kannala_radial(angle, list(k)), min(_kannala_fold(k), np.pi))


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
