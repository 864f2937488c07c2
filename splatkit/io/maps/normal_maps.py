"""Normal maps on disk: 16-bit RGB PNGs.

A normal n is a unit vector in the frame of its camera (OpenCV axes) and stored as (n + 1) / 2 * 65535, rounded: to
0.002 degrees. (0, 0, 0) is no normal; it would be a vector of length 1.7.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.maps.png import read_png, write_png

_LARGEST = 65535
_SLACK = 0.01  # of the length of what is taken for a unit vector, e.g. of float16


def write_normal_map(path: Path, normals: NDArray[np.floating]) -> None:
    """Write normals [H, W, 3]: unit vectors in the camera's frame, zeros where there is none.

    Raises:
        ValueError: of another shape, NaN or infinite, or neither of unit length nor zero.
    """
    normals = np.asarray(normals)
    if normals.ndim != 3 or normals.shape[2] != 3:
        raise ValueError(f"{path}: expected normals [H, W, 3], got {list(normals.shape)}")
    there = normals.any(-1)
    if _has_other_lengths(normals[there]):
        raise ValueError(f"{path}: expected unit vectors, and zeros where there is no normal")
    whole = np.round((normals.astype(np.float64) + 1) * (_LARGEST / 2))
    write_png(path, np.where(there[..., None], np.clip(whole, 0, _LARGEST), 0).astype(np.uint16))


def read_normal_map(path: Path) -> NDArray[np.float32]:
    """Read normals [H, W, 3]: unit vectors in the camera's frame, zeros where there is none.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not a normal map, or damaged; names the file.
    """
    stored = read_png(path, np.uint16, 3, "normal map")
    there = stored.any(-1)
    vectors = stored[there].astype(np.float32) * np.float32(2 / _LARGEST) - 1
    if _has_other_lengths(vectors):
        raise DatasetError(
            f"{path}: not a normal map: its colors are not unit vectors; expected (n + 1) / 2 * {_LARGEST}, and 0 0 0 "
            "where there is no normal"
        )
    normals = np.zeros(stored.shape, dtype=np.float32)
    normals[there] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return normals


def _has_other_lengths(vectors: NDArray[np.floating]) -> bool:
    """Whether any of vectors [N, 3] is not of length 1; NaN is none."""
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=-1)
    return not bool((np.abs(lengths - 1) <= _SLACK).all())
