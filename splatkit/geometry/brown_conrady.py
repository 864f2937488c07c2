"""The lens of Brown (1971), with the radial quotient and the order of coefficients of OpenCV."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.lens_model import (
    AXIS,
    CACHED,
    REAL,
    Coefficients,
    Pinhole,
    are_zero,
    away_from_zero,
    each,
    first_root,
)
from splatkit.geometry.namespace import Array, namespace_of
from splatkit.geometry.radial_inverse import InverseTable, inverse_table, solve

_WIDEST_RAD = np.deg2rad(89.9)  # rays that the inverse looks for
_TANGENTIAL_STEPS = 8  # at most, of Newton's


class _BrownConrady(Pinhole):
    """Takes 4, 5 or 8 coefficients; those that are not given are zero."""

    coefficients = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        k = each(coeffs, 4, 5, 8)
        p1, p2 = k[2:4]
        s, product = x * x + y * y, 2 * x * y
        factor = _brown_factor(s, k)
        return (
            x * factor + p1 * product + p2 * (s + 2 * x * x),
            y * factor + p1 * (s + 2 * y * y) + p2 * product,
        )

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp, k = namespace_of(points), each(coeffs, 4, 5, 8)
        z = away_from_zero(points[..., 2])
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
        xp, k = namespace_of(plane), each(coeffs, 4, 5, 8)
        table = _brown_table(tuple(float(value) for value in k))
        radii = xp.radius(plane[..., 0], plane[..., 1], AXIS)

        def radial(r: Any) -> tuple[Any, Any]:
            s = r * r
            factor = _brown_factor(s, k)
            return r * factor, factor + 2 * s * _brown_slope(s, k, factor)

        found, inside = solve(radii, radial, table)
        x, y = plane[..., 0] * (found / radii), plane[..., 1] * (found / radii)
        if not are_zero(k[2:4]):
            x, y, inside = self._solve_tangential(plane, x, y, k, float(table.knots[-1]))
        out: Array = xp.where(inside[..., None], xp.stack([x, y]), np.nan)
        return out

    def fold(self, coeffs: Coefficients) -> float:
        return _brown_fold(tuple(float(value) for value in each(coeffs, 4, 5, 8)))

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


BROWN_CONRADY = _BrownConrady()


def five_step_tangents(plane: NDArray[np.float64], coeffs: Coefficients) -> NDArray[np.float64]:
    """x / z and y / z [..., 2] of brown_conrady's rays as OpenCV has them: after five steps, which leave an error.

    For what must agree with OpenCV; all else takes `tangents`, which is exact.
    """
    lens, k = BROWN_CONRADY, each(coeffs, 4, 5, 8)
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
    return factor if are_zero(k[5:]) else factor / _brown_denominator(s, k)


def _brown_denominator(s: Any, k: list[Any]) -> Any:
    return 1.0 if are_zero(k[5:]) else 1 + s * (k[5] + s * (k[6] + s * k[7]))


def _brown_slope(s: Any, k: list[Any], factor: Any) -> Any:
    """Derivative of `_brown_factor` to s."""
    slope = k[0] + s * (2 * k[1] + s * (3 * k[4]))
    if are_zero(k[5:]):
        return slope
    return (slope - factor * (k[5] + s * (2 * k[6] + s * (3 * k[7])))) / _brown_denominator(s, k)


@lru_cache(maxsize=CACHED)
def _brown_fold(k: tuple[float, ...]) -> float:
    # In s = r^2 the image is at r n(s) / d(s); its derivative to r is ((n + 2 s n') d - 2 s n d') / d^2.
    numerator, denominator = np.array([k[4], k[1], k[0], 1.0]), np.array([k[7], k[6], k[5], 1.0])
    derivative: NDArray[np.float64] = np.polysub(
        np.polymul(numerator * [7, 5, 3, 1], denominator), np.polymul(numerator, denominator * [6, 4, 2, 0])
    )
    return float(np.sqrt(min(first_root(derivative), first_root(denominator))))


@lru_cache(maxsize=CACHED)
def _brown_table(k: tuple[float, ...]) -> InverseTable:
    """x / z of rays by where the radial terms put them."""
    limit = min(_brown_fold(k) * (1 - REAL), float(np.tan(_WIDEST_RAD)))  # short of a pole
    return inverse_table(lambda r: r * _brown_factor(r * r, list(k)), limit)
