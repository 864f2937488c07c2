"""Depths that a phone's LiDAR measured, as ARKit hands them to apps: small maps with a confidence of three levels.

No app states how far its depths are off. What is assumed here is 1 cm and 1 % of the depth, added in squares, about
what studies of the sensor find (Luetzenburg et al., Scientific Reports 2021: 1 cm on small objects), and twice that
where ARKit's confidence is medium, or not recorded. Low confidence is no measurement, and neither is what lies beyond
the sensor's reach, where ARKit guesses from the photograph.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.io.maps.depth_maps import DepthMap

FARTHEST_M = 5.0
_LOW, _HIGH = 0, 2  # ARKit's confidence; 1 is medium
_SIGMA_M, _SIGMA_SHARE = 0.01, 0.01
_LESS_CERTAIN = 2.0


def phone_depths(
    depths: NDArray[np.floating], confidence: NDArray[np.integer] | None, size: tuple[int, int]
) -> DepthMap:
    """A depth map of an image's size, with standard deviations.

    Args:
        depths: [h, w] z-depth, m; 0 or NaN where there is none.
        confidence: [h, w] ARKit's levels 0, 1 and 2; None: not recorded.
        size: (width, height) px of the image; the map shows the same view with fewer pixels.
    """
    there = np.isfinite(depths) & (depths > 0) & (depths <= FARTHEST_M)
    factors = np.full(depths.shape, _LESS_CERTAIN)
    if confidence is not None:
        there &= confidence > _LOW
        factors = np.where(confidence >= _HIGH, 1.0, _LESS_CERTAIN)
    known = np.where(there, depths, 0.0)
    sigmas = np.where(there, factors * np.hypot(_SIGMA_M, _SIGMA_SHARE * known), 0.0)
    return DepthMap(*(_spread(values.astype(np.float32), size) for values in (known, sigmas)))


def _spread(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map of `size` (width, height) px: each value at the pixel under its center, none of them interpolated."""
    height, width = values.shape
    if (width, height) == size:
        return values
    if width > size[0] or height > size[1]:
        return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    out = np.zeros(size[::-1], dtype=np.float32)
    rows = ((np.arange(height) + 0.5) * size[1] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * size[0] / width).astype(np.int64)
    out[rows[:, None], columns[None]] = values
    return out
