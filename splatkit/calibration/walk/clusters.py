"""Residuals that err together: what they weigh, and what their estimate is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.se3 import Array

_STRETCHES = 4, 12  # fewest and most of a walk: odometry errs alike for seconds
_CELLS = 2  # of space, along the longest side: what a LiDAR puts wrong on its way is wrong over meters
_FITTED = 0.8  # of the stretches that residuals show: a fit takes the slowest of their errors up
_KNOWN = 1e-9  # eigenvalues of scaled normal equations below it are not
_LEAST_CLUSTERS = 4
_CLOSED = 1e-14  # eigenvalues of scaled matrices that count as this at least


@dataclass(frozen=True)
class Rows:
    """R residuals of U unknowns, whitened and weighted, each in a cluster."""

    J: Array  # [R, U]
    r: Array  # [R]
    cluster: NDArray[np.int64]  # [R]

    def normal(self) -> tuple[Array, Array]:
        """J^T J [U, U] and J^T r [U]."""
        return self.J.T @ self.J, self.J.T @ self.r

    def by_cluster(self) -> list[tuple[Array, Array]]:
        """The same of each cluster."""
        parts = (self.cluster == number for number in np.unique(self.cluster))
        return [Rows(self.J[own], self.r[own], self.cluster[own]).normal() for own in parts]


def by_time(times: Array, count: int) -> NDArray[np.int64]:
    """Stretches [N] of a walk, `count` equally long ones, of times [N]."""
    since = (times - times.min()) / max(float(np.ptp(times)), 1e-9)
    return np.minimum((count * since).astype(np.int64), count - 1)


def independent_stretches(series: list[Array]) -> int:
    """Into how many stretches a walk may be cut so that their errors are about independent.

    Args:
        series: of each camera residuals [N, D] in order of time, each of deviation about 1.
    """
    counts = [_FITTED * len(residuals) / _alike(residuals) for residuals in series if len(residuals) > 1]
    return int(np.clip(min(counts, default=0), *_STRETCHES))


def _alike(residuals: Array) -> float:
    """How many neighbors err alike: the sum of correlations until they vanish, to both sides."""
    total, lag, square = 1.0, 1, max(float((residuals**2).mean()), 1e-12)
    while lag < len(residuals) and (correlation := float((residuals[lag:] * residuals[:-lag]).mean()) / square) > 0:
        total, lag = total + 2 * correlation, lag + 1
    return total


def in_space(places: Array) -> NDArray[np.int64]:
    """Cubes [N] of space that places [N, 3] lie in."""
    if len(places) == 0:
        return np.zeros(0, np.int64)
    low, high = np.quantile(places, [0.02, 0.98], axis=0)
    cells = np.floor((np.clip(places, low, high) - low) / (np.max(high - low) / _CELLS + 1e-12)).astype(np.int64)
    return np.asarray(np.unique(cells, axis=0, return_inverse=True)[1]).reshape(-1)


def design_effect(rows: Rows) -> float:
    """How many residuals count as one: the scatter of clusters' gradients over that of independent residuals; >= 1."""
    parts = rows.by_cluster()
    if len(parts) < _LEAST_CLUSTERS:
        return 1.0
    H = sum((part[0] for part in parts), np.zeros((rows.J.shape[1],) * 2))
    gradients = np.stack([part[1] for part in parts])
    gradients -= gradients.mean(0)
    scatter = gradients.T @ gradients * len(parts) / (len(parts) - 1)
    scales = 1 / np.sqrt(np.maximum(np.diag(H), 1e-30))
    values, axes = np.linalg.eigh(H * np.outer(scales, scales))
    known = values > _KNOWN * values[-1]
    root = (axes[:, known] / np.sqrt(values[known])).T * scales
    return max(1.0, float(np.trace(root @ scatter @ root.T)) / int(known.sum()))


def jackknife(kinds: tuple[Rows, ...], H: Array) -> Array:
    """Covariance [U, U] from how the solution moves when clusters are left out, kind by kind.

    Args:
        kinds: rows whose clusters are independent of those of other kinds.
        H: [U, U] normal equations of these and of whatever else is known.
    """
    total = np.zeros_like(H)
    for rows in kinds:
        changes = np.array([inverse(H - part) @ gradient for part, gradient in rows.by_cluster()])
        if len(changes) >= _LEAST_CLUSTERS:
            spread = changes - changes.mean(0)
            count = len(changes)
            few = (count - 1) / (count - 3)  # the variance of Student's t: so few tell their own scatter badly
            total += few * (count - 1) / count * (spread.T @ spread)
    return total


def enlarged(covariance: Array, other: Array) -> Array:
    """A covariance [U, U] as large as another in every direction in which that is larger."""
    scales = np.sqrt(np.diag(covariance))
    values, axes = np.linalg.eigh(covariance / np.outer(scales, scales))
    root = axes * np.sqrt(np.maximum(values, _CLOSED)) * scales[:, None]
    back = (axes / np.sqrt(np.maximum(values, _CLOSED))).T / scales
    ratios, turns = np.linalg.eigh(back @ other @ back.T)
    both = root @ turns
    return np.asarray((both * np.maximum(ratios, 1.0)) @ both.T)


def inverse(H: Array) -> Array:
    """Of normal equations [U, U]; with large numbers where nothing is known."""
    scales = 1 / np.sqrt(np.maximum(np.diag(H), 1e-30))
    values, axes = np.linalg.eigh(H * np.outer(scales, scales))
    return np.asarray((axes / np.maximum(values, _CLOSED)) @ axes.T * np.outer(scales, scales))
