"""Where nothing is, on disk: 8-bit gray PNGs.

A value / 255 is the confidence that no surface lies at the pixel within reach: sky, or a plain backdrop.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.io.maps.png import read_png, write_png

_LARGEST = 255


def write_background_map(path: Path, confidences: NDArray[np.floating]) -> None:
    """Write confidences [H, W] in [0, 1] that nothing is there, rounded to 1/255.

    Raises:
        ValueError: of another shape, NaN, or not in [0, 1].
    """
    confidences = np.asarray(confidences)
    if confidences.ndim != 2:
        raise ValueError(f"{path}: expected confidences [H, W], got {list(confidences.shape)}")
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(f"{path}: expected confidences in [0, 1]")
    write_png(path, np.round(confidences.astype(np.float32) * _LARGEST).astype(np.uint8))


def read_background_map(path: Path) -> NDArray[np.float32]:
    """Read confidences [H, W] in [0, 1] that nothing is there.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not such a map, or damaged; names the file.
    """
    stored = read_png(path, np.uint8, 1, "background map")
    return stored.astype(np.float32) / np.float32(_LARGEST)
