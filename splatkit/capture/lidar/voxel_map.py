"""A map of a whole recording in bounded memory: one point a voxel, the mean of all that were measured in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_BUFFERED = 2_000_000  # points collected between merges
_BITS = 21  # of each coordinate of a voxel
_NORMAL_NEIGHBORS = 12
_NOISES_WIDE = 4.0
_FLATNESS = 0.1  # variance across over the smaller one within a neighborhood: rounder ones have no normal
_BREADTH = 0.05  # smaller over larger variance within: what is narrower is a line
_CHUNK = 100_000


@dataclass(frozen=True)
class VoxelCloud:
    """N points, one a voxel."""

    points: NDArray[np.float64]  # [N, 3] means
    counts: NDArray[np.int64]  # [N] measurements behind each
    origins: NDArray[np.float64]  # [N, 3] mean place of the LiDAR when it measured them
    voxel: float  # m


class VoxelMap:
    """Takes points bit by bit. Where it holds more voxels than wanted, voxels double and neighbors merge."""

    def __init__(self, voxel: float, max_points: int) -> None:
        if not voxel > 0 or max_points < 1:
            raise ValueError(f"voxel, max_points: expected positive numbers, got {voxel}, {max_points}")
        self._voxel, self._max_points = voxel, max_points
        self._sums = np.zeros((0, 7))  # point, origin, 1
        self._buffer: list[NDArray[np.float64]] = []
        self._buffered = 0

    def add(self, points: NDArray[np.floating], origins: NDArray[np.floating]) -> None:
        """Add points [N, 3] that were measured from origins [N, 3], m."""
        self._buffer.append(np.column_stack([points, origins, np.ones(len(points))]))
        self._buffered += len(points)
        if self._buffered >= _BUFFERED:
            self._merge()

    def cloud(self) -> VoxelCloud:
        """What was collected so far; empty before the first point."""
        self._merge()
        counts = self._sums[:, 6:]
        means = self._sums[:, :6] / counts
        return VoxelCloud(means[:, :3], counts[:, 0].astype(np.int64), means[:, 3:], self._voxel)

    def _merge(self) -> None:
        rows = np.concatenate([self._sums, *self._buffer])
        self._buffer, self._buffered = [], 0
        rows = _summed(rows, self._voxel)
        while len(rows) > self._max_points:
            self._voxel *= 2 ** (1 / 3)
            rows = _summed(rows, self._voxel)
        self._sums = rows


def _summed(rows: NDArray[np.float64], voxel: float) -> NDArray[np.float64]:
    """Rows [N, 7] added up by the voxel of their mean point."""
    if len(rows) == 0:
        return rows
    cells = np.floor(rows[:, :3] / rows[:, 6:] / voxel).astype(np.int64) + (1 << (_BITS - 1))
    cells = np.clip(cells, 0, (1 << _BITS) - 1)
    keys = (cells[:, 0] << (2 * _BITS)) | (cells[:, 1] << _BITS) | cells[:, 2]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return np.add.reduceat(rows[order], starts, axis=0)


def surface_normals(cloud: VoxelCloud, range_noise_m: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Normals [N, 3] of a map's points, turned to where they were seen from, and where the surface is flat enough [N].

    They are those of planes through the means of voxels several times as wide as the noise, each with the weight of its
    measurements, for in smaller neighborhoods a wall is as thick as it is wide. Where nothing is flat the normal is
    the direction of the sensor.
    """
    toward = cloud.origins - cloud.points
    toward /= np.maximum(np.linalg.norm(toward, axis=1, keepdims=True), 1e-12)
    voxel = max(cloud.voxel, _NOISES_WIDE * range_noise_m)
    counts = cloud.counts[:, None].astype(np.float64)
    sums = _summed(np.column_stack([cloud.points * counts, cloud.origins * counts, counts]), voxel)
    coarse, weights = sums[:, :3] / sums[:, 6:], sums[:, 6]
    if len(coarse) < _NORMAL_NEIGHBORS:
        return toward, np.zeros(len(toward), dtype=bool)
    tree = cKDTree(coarse)
    planes, flat = np.zeros_like(coarse), np.zeros(len(coarse), dtype=bool)
    for start in range(0, len(coarse), _CHUNK):
        part = slice(start, start + _CHUNK)
        neighbors = tree.query(coarse[part], k=_NORMAL_NEIGHBORS, workers=-1)[1]
        around, weight = coarse[neighbors], weights[neighbors] / weights[neighbors].sum(1, keepdims=True)
        around = around - np.einsum("nk,nki->ni", weight, around)[:, None]
        spread, axes = np.linalg.eigh(np.einsum("nk,nki,nkj->nij", weight, around, around))
        flat[part] = (spread[:, 0] < _FLATNESS * spread[:, 1]) & (spread[:, 1] > _BREADTH * spread[:, 2])
        planes[part] = axes[:, :, 0]
    nearest = tree.query(cloud.points, workers=-1)[1]
    flat = flat[nearest]
    normals = np.where(flat[:, None], planes[nearest], toward)
    normals *= np.where(np.einsum("ni,ni->n", normals, toward) < 0, -1.0, 1.0)[:, None]
    return normals, flat
