"""What a lens is, and the pinhole; see `geometry.lens_models`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.namespace import Array, namespace_of

Coefficients = Any  # a tuple, list, ndarray [D] or Tensor [D] of numbers; a list of arrays that broadcast

AXIS = 1e-12  # a distance from the axis that stands for zero, where quotients need one
REAL = 1e-9  # imaginary part of a root that is real
CACHED = 128  # lenses whose folds and tables are kept


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
        ahead = rays[..., 2:] > AXIS
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


class Pinhole(LensModel):
    """Without distortion."""

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        """As `LensModel` has it."""
        x, y = self.from_tangents(*tangents_of(points), coeffs)
        out: Array = namespace_of(points).stack([x, y])
        return out

    def from_tangents(self, x: Array, y: Array, coeffs: Coefficients) -> tuple[Array, Array]:
        """As `LensModel` has it."""
        return x, y

    def tangents(self, plane: Array, coeffs: Coefficients) -> Array:
        """As `LensModel` has it."""
        return plane

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        """As `LensModel` has it."""
        xp = namespace_of(plane)
        tangents = self.tangents(plane, coeffs)
        x, y = tangents[..., 0], tangents[..., 1]
        z = 1 / xp.sqrt(1 + x * x + y * y)
        out: Array = xp.stack([x * z, y * z, z])
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        """As `LensModel` has it."""
        xp = namespace_of(points)
        z = away_from_zero(points[..., 2])
        x, y, inverse = points[..., 0] / z, points[..., 1] / z, 1 / z
        zero = xp.zeros_like(x)
        jacobian = xp.matrix([[inverse, zero, -x * inverse], [zero, inverse, -y * inverse]])
        return xp.stack([x, y]), jacobian, jacobian[..., :0]


def each(coeffs: Coefficients, *counts: int) -> list[Any]:
    """Coefficients one by one, with zeros up to the largest of `counts`. NumPy's numbers would make float32 double."""
    values = [value.item() if isinstance(value, np.generic) else value for value in coeffs]
    if len(values) not in counts:
        raise ValueError(f"coeffs: expected {' or '.join(map(str, counts))}, got {len(values)}")
    return values + [0.0] * (counts[-1] - len(values))


def are_zero(values: Sequence[Any]) -> bool:
    """Whether all are numbers, and zero: terms that nobody needs to compute."""
    return all(isinstance(value, int | float) and value == 0 for value in values)


def away_from_zero(z: Any) -> Any:
    """z, with something tiny in the place of zeros."""
    return namespace_of(z).where(z == 0, AXIS, z)


def tangents_of(points: Any) -> tuple[Any, Any]:
    """x / z and y / z of points [..., 3]."""
    z = away_from_zero(points[..., 2])
    return points[..., 0] / z, points[..., 1] / z


def first_root(polynomial: NDArray[np.float64]) -> float:
    """The smallest positive real root, or inf, of a polynomial whose last coefficient is 1.

    Found by its inverse, which leading coefficients near zero do not disturb.
    """
    roots = np.roots(polynomial[::-1])
    real = roots.real[(np.abs(roots.imag) < REAL * np.abs(roots)) & (roots.real > 0)]
    return float(1 / real.max()) if len(real) else np.inf
