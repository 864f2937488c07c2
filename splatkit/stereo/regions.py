"""Regions of an image: flat ones, and alike ones."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.ops.stereo import WindowSettings, window_texture

FLAT_VARIANCE = 2.0  # of grays in a window: with less there is nothing to match
_SUPPORT = WindowSettings(color_sigma=12.0, space_sigma=1e3)  # what belongs to a pixel, however far in its window


def own_texture(grays: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Variance of what belongs to each pixel of grays [h, w], and which share of it is not flat; both [h, w]."""
    variances, shares = window_texture(torch.from_numpy(grays), FLAT_VARIANCE, _SUPPORT)
    return variances.numpy(), shares.numpy()


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
