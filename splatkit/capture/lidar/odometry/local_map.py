"""What the last scans saw, as points that planes are fitted to."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.geometry.se3 import Array

_VOXEL_M = 0.25  # one point in each
_REACH_M = 50.0  # around the LiDAR: what is farther is forgotten
_REBUILT_AFTER = 4  # additions; points that are newer wait outside of the tree
_NEIGHBORS, _FARTHEST_M = 8, 0.9  # that a plane is fitted to
_THICKEST_M = 0.12  # root mean square of the neighbors' distances from their plane
_LINE_SHARE = 0.05  # of the largest variance that the middle one must have: else any plane through a line fits
_OFFSET = 1 << 20  # cells: keys of voxels are positive


class LocalMap:
    """Points of the surroundings, thinned to one for each voxel."""

    def __init__(self) -> None:
        self._points = np.zeros((0, 3))
        self._keys: set[int] = set()
        self._tree: cKDTree | None = None
        self._age = 0

    def add(self, points: Array, around: Array) -> None:
        """Points [N, 3] in world, m; those far from `around` [3] are forgotten."""
        keys = _voxel_keys(points)
        _, first = np.unique(keys, return_index=True)
        fresh = np.array([index for index in first if int(keys[index]) not in self._keys], dtype=np.int64)
        self._points = np.concatenate([self._points, points[fresh]])
        self._keys.update(int(key) for key in keys[fresh])
        self._age += 1
        if self._tree is None or self._age >= _REBUILT_AFTER:
            near = np.linalg.norm(self._points - around, axis=1) < _REACH_M
            if not near.all():
                self._points = self._points[near]
                self._keys = set(_voxel_keys(self._points).tolist())
            self._tree, self._age = cKDTree(self._points), 0

    def planes(self, points: Array) -> tuple[Array, Array, NDArray[np.int64]]:
        """Middles [K, 3] and normals [K, 3] of planes next to some of the points [N, 3], and which [K] these are."""
        if self._tree is None or self._tree.n < _NEIGHBORS:
            return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64)
        distances, nearest = self._tree.query(points, _NEIGHBORS, distance_upper_bound=_FARTHEST_M)
        chosen = np.flatnonzero(np.isfinite(distances[:, -1]))
        around = np.asarray(self._tree.data)[nearest[chosen]]
        middles = around.mean(1)
        apart = around - middles[:, None]
        variances, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", apart, apart) / _NEIGHBORS)
        flat = (variances[:, 0] < _THICKEST_M**2) & (variances[:, 1] > _LINE_SHARE * variances[:, 2])
        return middles[flat], axes[flat, :, 0], chosen[flat]


def _voxel_keys(points: Array) -> NDArray[np.int64]:
    cells = np.floor(points / _VOXEL_M).astype(np.int64) + _OFFSET
    keys: NDArray[np.int64] = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    return keys
