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
_ENOUGH = 100_000  # points that tell how large a cell is


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


def partition(
    points: NDArray[np.floating], weights: NDArray[np.floating], count: int
) -> tuple[list[Cell], NDArray[np.int64]]:
    """Cells of about the same weight each, and the number of the cell that owns each point, [N].

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
    tree = _Tree(points, weights)
    infinite = np.full(3, np.inf)
    tree.cut(np.arange(len(points)), -infinite, infinite, count)
    return tree.cells, tree.labels


class _Tree:
    """What grows while space is cut."""

    def __init__(self, points: NDArray[np.floating], weights: NDArray[np.floating]) -> None:
        self._points, self._weights = points, weights
        self.cells: list[Cell] = []
        self.labels = np.zeros(len(points), dtype=np.int64)

    def cut(self, inside: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], count: int) -> None:
        """Cut a box into cells; `inside` are numbers of its points."""
        core = self._core(inside)
        if count == 1:
            self.labels[inside] = len(self.cells)
            self.cells.append(Cell(_triple(low), _triple(high), _triple(core[0]), _triple(core[1])))
            return
        first = count // 2
        for axis in _axes(core[1] - core[0]):
            values = self._points[inside, axis]
            at = _quantile(values, self._weights[inside], first / count)
            below = values < at
            if below.any():
                break
        else:
            raise SettingsError(
                f"blocks: {len(inside)} splats at one place cannot be cut into {count} cells; plan fewer"
            )
        upper, lower = high.copy(), low.copy()
        upper[axis] = lower[axis] = at
        self.cut(inside[below], low, upper, first)
        self.cut(inside[~below], lower, high, count - first)

    def _core(self, inside: NDArray[np.int64]) -> NDArray[np.float64]:
        """[2, 3] corners of the box around nearly all of the weight of points."""
        tail = (1 - _SPREAD) / 2
        some = inside[:: max(1, len(inside) // _ENOUGH)]
        weights = self._weights[some]
        weights = weights if weights.sum() > 0 else np.ones(len(some))
        axes = self._points[some].T
        return np.array([[_quantile(axis, weights, share) for axis in axes] for share in (tail, 1 - tail)])


def _axes(size: NDArray[np.float64]) -> list[int]:
    """Axes to cut across, the best one first."""
    ground = [0, 1] if size[0] >= size[1] else [1, 0]
    return [2, *ground] if size[2] > _TALL * size[ground[0]] else [*ground, 2]


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
