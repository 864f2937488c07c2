"""Smooth patches of a scan: returns averaged over cells of direction, grown into regions that could be one plane.

YOCO's first two steps (arXiv 2407.18043): the orientation of the surface at each place, and dropping what does not
continue it. Cells are as wide as lines lie apart, so that neighborhoods are as wide as high for any LiDAR, and a
spinning LiDAR's many returns of a line are averaged before anything is fitted to them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from splatkit.calibration.detection.beams import BeamPattern
from splatkit.geometry.se3 import Array, lengths

_GAP_SIGMAS, _GAP_M = 5.0, 0.03  # between ranges in a cell: different surfaces
_REACH = 1.7  # cells, to neighbors: the eight around
_STRETCH = 3.0  # distance of neighbors over that of a surface seen face on: 70 degrees of incidence
_LEAST_NEIGHBORS = 4
_SMOOTH = np.cos(np.radians(20))  # between normals of neighbors
_FLAT = 0.25  # least over middle eigenvalue of a neighborhood


@dataclass(frozen=True)
class Patches:
    """Averages over cells.

    Attributes:
        centers: [S, 3] m.
        region: [S] of each, -1 where the surface has no orientation.
        counts: [S] returns in each.
    """

    centers: Array
    region: NDArray[np.int64]
    counts: NDArray[np.int64]


def smooth_regions(points: Array, beams: BeamPattern, cell: float) -> Patches:
    """Group points [N, 3] into smooth regions.

    Args:
        points: LiDAR frame, m.
        beams: of the scan.
        cell: width of the cells, rad.
    """
    ranges = lengths(points)
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    elevation = np.arcsin(points[:, 2] / ranges)
    if len(points) == 0:
        return Patches(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    columns = max(int(2 * np.pi / cell), 3)
    column = np.minimum(((azimuth / (2 * np.pi) + 0.5) * columns).astype(np.int64), columns - 1)
    row = np.floor(elevation / cell).astype(np.int64)
    key = (row - row.min()) * columns + column
    order = np.lexsort((ranges, key))
    far_behind = np.diff(ranges[order]) > max(_GAP_SIGMAS * beams.range_noise_m, _GAP_M)
    first = np.concatenate([[True], (np.diff(key[order]) != 0) | far_behind])
    label = np.cumsum(first) - 1
    counts = np.bincount(label)
    centers = np.stack([np.bincount(label, points[order, axis]) / counts for axis in range(3)], 1)
    pairs = _neighbors(centers, cell)
    normals, oriented = _normals(centers, pairs)
    return Patches(centers, _grow(centers, normals, oriented, pairs, beams), counts)


def _neighbors(centers: Array, cell: float) -> NDArray[np.int64]:
    """Pairs [E, 2] of patches beside each other, in direction and in space."""
    ranges = lengths(centers)
    pairs = cKDTree(centers / ranges[:, None]).query_pairs(_REACH * cell, output_type="ndarray").astype(np.int64)
    distance = lengths(centers[pairs[:, 0]] - centers[pairs[:, 1]])
    return pairs[distance < _STRETCH * cell * ranges[pairs].mean(1)]


def _normals(centers: Array, pairs: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Normal [S, 3] of the plane through each patch and its neighbors, and whether they form one."""
    count = len(centers)
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    change = centers[j] - centers[i]
    number = np.bincount(i, minlength=count) + 1.0
    mean = np.stack([np.bincount(i, change[:, axis], count) for axis in range(3)], 1) / number[:, None]
    covariance = np.empty((count, 3, 3))
    for a in range(3):
        for b in range(a, 3):
            moment = np.bincount(i, change[:, a] * change[:, b], count) / number
            covariance[:, a, b] = covariance[:, b, a] = moment - mean[:, a] * mean[:, b]
    values, vectors = np.linalg.eigh(covariance)
    return vectors[:, :, 0], (number > _LEAST_NEIGHBORS) & (values[:, 0] < _FLAT * values[:, 1])


def _grow(
    centers: Array, normals: Array, oriented: NDArray[np.bool_], pairs: NDArray[np.int64], beams: BeamPattern
) -> NDArray[np.int64]:
    i, j = pairs[oriented[pairs].all(1)].T
    change = centers[j] - centers[i]
    offset = np.maximum(np.abs((change * normals[i]).sum(1)), np.abs((change * normals[j]).sum(1)))
    smooth = np.abs((normals[i] * normals[j]).sum(1)) > _SMOOTH
    joined = smooth & (offset < max(_GAP_SIGMAS * beams.range_noise_m, _GAP_M))
    shape = (len(centers), len(centers))
    graph = coo_matrix((np.ones(joined.sum(), dtype=bool), (i[joined], j[joined])), shape)
    region = connected_components(graph, directed=False)[1].astype(np.int64)
    return np.where(oriented, region, -1)
