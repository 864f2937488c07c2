"""Regions of alike colors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def reach_alike(
    colors: NDArray[np.uint8], start: NDArray[np.bool_], steps: int, most_difference: int
) -> NDArray[np.bool_]:
    """Pixels [h, w] that are reached from `start` in a few steps to neighbors whose colors differ by little.

    Args:
        colors: [h, w, 3].
        start: [h, w].
        steps: px, at most.
        most_difference: in any channel, of 255.
    """
    values = colors.astype(np.int16)
    pairs: list[tuple[Any, Any]] = [(np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])]
    alike = [np.abs(values[a] - values[b]).max(-1) <= most_difference for a, b in pairs]
    reached = start
    for _ in range(steps):
        before, reached = reached, reached.copy()
        for (a, b), same in zip(pairs, alike, strict=True):
            reached[a] |= same & before[b]
            reached[b] |= same & before[a]
    return reached
