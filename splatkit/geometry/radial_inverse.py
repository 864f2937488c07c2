"""The inverse of a function that grows, for many values at once: a table that needs no search, then Newton's steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.namespace import namespace_of

_CELLS = 256
_BISECTIONS = 60
_NEWTON_STEPS = 8  # at most; from the table the second or third is exact to rounding
_MARGIN = 1e-2  # of a cell; steps may end this far beside it, so that bounds do not cut derivatives at its ends
_FARTHEST = 1e16


@dataclass(frozen=True)
class InverseTable:
    """The inverse of a function that grows from 0 at 0."""

    knots: NDArray[np.float64]  # [_CELLS + 1] arguments from 0 up to the last that counts
    last: float  # the function there


def inverse_table(function: Callable[[Any], Any], limit: float) -> InverseTable:
    """The table of a function of arrays over [0, limit], by bisection.

    Knots are even in the root of 1 - v (1 + last) / (last (1 + v)) of the function's values v, in which the inverse is
    smooth, also next to a fold at the limit and where the limit is far away.
    """
    last = float(function(limit))
    near = (1 - np.linspace(1, 0, _CELLS + 1) ** 2) * last / (1 + last)
    targets = near / np.maximum(1 - near, 1 / _FARTHEST)
    low, high = np.zeros(_CELLS + 1), np.full(_CELLS + 1, limit)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_low = function(middle) < targets
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    high[-1] = limit
    return InverseTable(high, last)


def solve(targets: Any, function: Callable[[Any], tuple[Any, Any]], table: InverseTable) -> tuple[Any, Any]:
    """u [...] where the function is equal to `targets` [...] >= 0, and whether [...] there is such a u.

    Args:
        targets: array or Tensor.
        function: value and derivative at u.
        table: of the function.
    """
    xp = namespace_of(targets)
    epsilon, goal = xp.epsilon(targets), xp.detach(targets)
    near = goal / (1 + goal) * ((1 + table.last) / table.last)
    place = _CELLS * (1 - xp.sqrt(xp.fmax(1 - near, xp.zeros_like(near))))
    cell = xp.clip(xp.floor(place), xp.zeros_like(place), xp.constant(np.float64(_CELLS - 1), place))
    index, knots = xp.integers(cell), xp.constant(table.knots, targets)
    low, high = xp.take(knots, index), xp.take(knots, index + 1)
    u = low + (place - cell) * (high - low)
    margin = _MARGIN * (high - low)
    low, high = low - margin, xp.minimum(high + margin, float(table.knots[-1]))
    for _ in range(_NEWTON_STEPS):
        u = xp.detach(u)
        value, slope = function(u)
        # The floor keeps noise at a fold, where the slope is 0, from growing into a step.
        before, u = u, xp.clip(u - (value - targets) / xp.maximum(slope, float(np.sqrt(epsilon))), low, high)
        if xp.are_equal(before, u, 8 * epsilon):
            break
    return u, targets <= table.last * (1 + 8 * epsilon)
