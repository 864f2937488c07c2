"""Cells that cost about the same: cut by weight, and cut again where views make some cost more than others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.blocks.cells import Cell, partition

BALANCE = 1.3  # largest cost over the mean that is well enough
_ROUNDS = 4  # of cutting again
_STEP = 0.7  # power of a cell's cost over the mean that its weights change by; views of cells overlap
_LEAST_COST = 1e-3  # over the mean: no weight becomes zero


@dataclass(frozen=True, eq=False)
class CutScene:
    """Cells, the photographs of each, and what training each costs."""

    cells: list[Cell]
    labels: NDArray[np.int64]  # [N] the number of the cell that owns each point
    views: NDArray[np.bool_]  # [C, F]
    costs: NDArray[np.float64]  # [C]

    @property
    def balance(self) -> float:
        """Largest cost over the mean."""
        mean = float(self.costs.mean())
        return float(self.costs.max()) / mean if mean > 0 else 1.0


def cut_scene(
    points: NDArray[np.floating],
    weights: NDArray[np.floating],
    count: int,
    find_views: Callable[[Sequence[Cell]], NDArray[np.bool_]],
    cost_of: Callable[[Sequence[Cell], NDArray[np.int64], NDArray[np.bool_]], NDArray[np.float64]],
) -> CutScene:
    """The best balanced of a few tries.

    Args:
        points: [N, 3] finite.
        weights: [N], what the first try shares out.
        count: of cells.
        find_views: which photographs belong to cells, [C, F].
        cost_of: what training cells costs, [C], by the cells of points [N] and the photographs of cells.

    Raises:
        SettingsError: there are not so many points apart from each other.
    """
    best: CutScene | None = None
    weights = np.asarray(weights, dtype=np.float64)
    for _ in range(_ROUNDS):
        cells, labels = partition(points, weights, count)
        views = find_views(cells)
        cut = CutScene(cells, labels, views, cost_of(cells, labels, views))
        if best is None or cut.balance < best.balance:
            best = cut
        if best.balance <= BALANCE:
            break
        factors = np.maximum(cut.costs / cut.costs.mean(), _LEAST_COST) ** _STEP
        weights = weights * factors[labels]
    assert best is not None
    return best
