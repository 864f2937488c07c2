"""The pixels of an image, a few rows at a time, so that what is computed of them stays small."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera

_BLOCK = 1 << 18  # pixels


def row_blocks(camera: Camera) -> Iterator[slice]:
    """Parts of the rows of a camera's image that together are all of them."""
    step = max(1, _BLOCK // camera.width)
    for start in range(0, camera.height, step):
        yield slice(start, min(start + step, camera.height))


def pixel_centers(camera: Camera, rows: slice) -> NDArray[np.float64]:
    """Centers [N, 2] px of all pixels of some rows, row by row."""
    y, x = np.mgrid[rows.start : rows.stop, 0 : camera.width] + 0.5
    return np.stack([x.ravel(), y.ravel()], -1)


def spread_pixels(camera: Camera, across: int, down: int) -> NDArray[np.float64]:
    """Middles [across * down, 2] px of as many equal parts of the image."""
    x, y = (np.arange(across) + 0.5) / across * camera.width, (np.arange(down) + 0.5) / down * camera.height
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
