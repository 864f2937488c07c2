"""The planes of a LiDAR's map: pieces of space in which what was measured is flat, wide, and hit often enough.

Beams of a spinning LiDAR draw lines on far ground, and a plane through a line turns about it as it likes. Pieces are
therefore taken in two sizes, and only those count that are much wider both ways than they are thick.
"""

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.voxel_map import VoxelCloud
from splatkit.geometry.se3 import Array

SIZES_M = (0.4, 1.2)
_LEAST_POINTS = 8  # voxels in a piece
_THINNEST = 0.02  # variance across over the smaller one within: thicker pieces have no normal
_FILLED = 0.2  # standard deviation of the narrower way within, of the piece's size; 0.29 where it is filled
_NOISES_THICK = 4.0  # standard deviations of ranges that a piece may be thick: that of a map, with odometry's errors


def surfels(cloud: VoxelCloud, range_noise_m: float) -> tuple[Array, Array]:
    """Middles [K, 3] and unit normals [K, 3] of flat pieces of a map, toward where they were seen from."""
    parts = [_of_size(cloud, size, _NOISES_THICK * range_noise_m) for size in SIZES_M]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _of_size(cloud: VoxelCloud, size: float, thick: float) -> tuple[Array, Array]:
    if len(cloud.points) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    cells = np.floor(cloud.points / size).astype(np.int64)
    group = np.asarray(np.unique(cells, axis=0, return_inverse=True)[1]).reshape(-1)
    count = np.bincount(group)
    middle, origin = _means(cloud.points, group, count), _means(cloud.origins, group, count)
    off = cloud.points - middle[group]
    spread = _means(np.einsum("ni,nj->nij", off, off).reshape(-1, 9), group, count).reshape(-1, 3, 3)
    values, axes = np.linalg.eigh(spread)
    flat = (count >= _LEAST_POINTS) & (values[:, 0] < _THINNEST * values[:, 1]) & (values[:, 0] < thick**2)
    flat &= values[:, 1] > (_FILLED * size) ** 2
    normals = axes[flat, :, 0]
    toward = np.einsum("ni,ni->n", normals, origin[flat] - middle[flat])
    return middle[flat], normals * np.where(toward < 0, -1.0, 1.0)[:, None]


def _means(values: Array, group: NDArray[np.int64], count: NDArray[np.int64]) -> Array:
    """Of values [N, D] in each group [G, D]."""
    sums = np.stack([np.bincount(group, weights=column, minlength=len(count)) for column in values.T], 1)
    return sums / count[:, None]
