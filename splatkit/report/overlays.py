"""What one sensor saw, drawn over a photograph. The center of the first pixel is at 0.5; OpenCV draws with it at 0."""

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.report.plots import colorize_depth

_CENTER = 0.5
_SHIFT = 4  # bits of a pixel's fraction that OpenCV draws with


def draw_points(
    image: NDArray[np.uint8], pixels: NDArray[np.floating], depths: NDArray[np.floating], radius: int = 2
) -> NDArray[np.uint8]:
    """Dots [N, 2] px on a photograph [H, W, 3], red where depths [N] are small and blue where large, near over far."""
    out = np.ascontiguousarray(image).copy()
    if not len(depths):
        return out
    near, far = np.quantile(depths, [0.02, 0.98])
    colors = colorize_depth(depths[None], float(near), float(max(far, near + 1e-6)))[0]
    for index in np.argsort(-depths):
        place = tuple(round(float(value) * 2**_SHIFT) for value in pixels[index] - _CENTER)
        color = tuple(int(value) for value in colors[index])
        cv2.circle(out, place, radius * 2**_SHIFT, color, -1, cv2.LINE_AA, _SHIFT)
    return out


def draw_outline(
    image: NDArray[np.uint8], corners: NDArray[np.floating], color: tuple[int, int, int], width: int = 2
) -> NDArray[np.uint8]:
    """A closed polygon [N, 2] px on a photograph [H, W, 3]."""
    out = np.ascontiguousarray(image).copy()
    points = np.round((corners - _CENTER) * 2**_SHIFT).astype(np.int32)[:, None]
    cv2.polylines(out, [points], True, color, width, cv2.LINE_AA, _SHIFT)
    return out
