"""Cells of space: half-open boxes that share all of it out, the outermost without bounds, cut by a k-d tree.

Every point is in exactly one cell, so that what is trained for each can be put together without duplicates or gaps.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import SettingsError

_TALL = 2.0  # heights in lengths of the longer side on the ground, from which a cell is cut across its height
_SPREAD = 0.98  # of the weight of points, which says how large a cell is: some are strays


@dataclass(frozen=True)
class Cell:
    """A box that has its lower faces and not its upper ones."""

    low: tuple[float, float, float]  # -inf: without bound
    high: tuple[float, float, float]  # inf: without bound
    core_low: tuple[float, float, float]  # finite: of the box around nearly all that is in the cell
    core_high: tuple[float, float, float]

    def owns(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of points [N, 3] are in the cell, [N]."""
        inside: NDArray[np.bool_] = ((points >= self.low) & (points < self.high)).all(1)
        return inside

    def widened(self, share: float) -> "Cell":
        """The cell with a margin: a share of the size of what is in it, on each side."""
        width = share * (np.array(self.core_high) - self.core_low)
        low, high = np.array(self.low) - width, np.array(self.high) + width
        core_low, core_high = np.array(self.core_low) - width, np.array(self.core_high) + width
        return Cell(_triple(low), _triple(high), _triple(core_low), _triple(core_high))

    def seam_distance(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far points [N, 3] of the cell are from its nearest face, [N], in sizes of the cell along that axis."""
        size = np.maximum(np.array(self.core_high) - self.core_low, 1e-9)
        distances: NDArray[np.float64] = np.minimum((points - self.low) / size, (self.high - points) / size).min(1)
        return distances


def partition(points: NDArray[np.floating], weights: NDArray[np.floating], count: int) -> list[Cell]:
    """Cells of about the same weight each.

    A cell is cut where its weight is shared out as its number of cells is, across the longer of its sides on the
    ground: z is up, and only towers are cut across their height.

    Args:
        points: [N, 3] finite.
        weights: [N] from 0, not all of them 0.
        count: of cells.

    Raises:
        SettingsError: there are not so many points apart from each other.
    """
    if len(points) < count or not weights.sum() > 0:
        raise SettingsError(f"blocks: {count} cells cannot be made of {len(points)} splats")
    infinite = np.full(3, np.inf)
    cells: list[Cell] = []
    _cut(points, weights, -infinite, infinite, count, cells)
    return cells


def _cut(
    points: NDArray[np.floating],
    weights: NDArray[np.floating],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    count: int,
    cells: list[Cell],
) -> None:
    core = _core(points, weights)
    if count == 1:
        cells.append(Cell(_triple(low), _triple(high), _triple(core[0]), _triple(core[1])))
        return
    first = count // 2
    for axis in _axes(core[1] - core[0]):
        at = _quantile(points[:, axis], weights, first / count)
        below = points[:, axis] < at
        if below.any() and not below.all():
            break
    else:
        raise SettingsError(f"blocks: {len(points)} splats at one place cannot be cut into {count} cells; plan fewer")
    upper, lower = high.copy(), low.copy()
    upper[axis] = lower[axis] = at
    _cut(points[below], weights[below], low, upper, first, cells)
    _cut(points[~below], weights[~below], lower, high, count - first, cells)


def _axes(size: NDArray[np.float64]) -> list[int]:
    """Axes to cut across, the best one first."""
    ground = [0, 1] if size[0] >= size[1] else [1, 0]
    return [2, *ground] if size[2] > _TALL * size[ground[0]] else [*ground, 2]


def _core(points: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """[2, 3] corners of the box around nearly all of the weight."""
    tail = (1 - _SPREAD) / 2
    weights = weights if weights.sum() > 0 else np.ones(len(points))
    return np.array([[_quantile(axis, weights, share) for axis in points.T] for share in (tail, 1 - tail)])


def _quantile(values: NDArray[np.floating], weights: NDArray[np.floating], share: float) -> float:
    """The value that a share of the weight lies below."""
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order[min(np.searchsorted(summed, share * summed[-1]), len(values) - 1)]])


def _triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def finite_bounds(cell: Cell) -> tuple[list[float | None], list[float | None]]:
    """Low and high of a cell as JSON has them: None where there is no bound."""
    low, high = ([value if math.isfinite(value) else None for value in side] for side in (cell.low, cell.high))
    return low, high
