"""One cloud from the depths of all views.

Points fall into cells as large as the pixels that saw them, a power of two times the smallest: near things keep their
detail, and far ones still meet in one cell. A cell counts if two views put something into it or into those that touch
its sides; where both fine and coarse cells do, the fine ones stay.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud
from splatkit.progress import Progress, no_progress, track
from splatkit.stereo.dense_stereo import DenseStereo
from splatkit.stereo.pixel_grid import pixel_centers

_CELL_PX = 1.5  # side of a cell, in pixels
_FINEST_PERCENTILE = 5  # of pixels' footprints: what the smallest cells are made for
_MOST_LEVELS = 8
_SAMPLED = 20_000  # footprints a view
_BITS = 20  # of a cell's index on each axis


@dataclass(frozen=True, eq=False)
class FusedCloud:
    """Points that at least two views agree on, with normals and colors, in the frame of the poses."""

    dense: PointCloud
    seed: PointCloud  # some of them, evenly thinned
    cell: float  # side of the smallest cells


@dataclass(frozen=True, eq=False)
class _Cells:
    """Sums over the points in cells, sorted by key."""

    keys: NDArray[np.int64]  # [K]
    sums: NDArray[np.float64]  # [K, 10] weight, and weighted position, normal and color
    first: NDArray[np.int64]  # [K] the least number of a view that put something there
    last: NDArray[np.int64]  # [K] the greatest


def fuse_views(dense: DenseStereo, most_points: int, progress: Progress = no_progress) -> FusedCloud:
    """Put the depths of all views into one cloud, weighted by their deviations.

    Args:
        dense: what stereo found.
        most_points: of the thinned cloud.
        progress: shows how far it is.

    Raises:
        DatasetError: no two views agree on any point.
    """
    views = dense.plan.matched
    footprints = _footprints(dense, views)
    if len(footprints) == 0:
        raise DatasetError(
            "no depth was found in any photograph: they must be sharp, overlap widely and have right poses"
        )
    cell = _CELL_PX * float(np.percentile(footprints, _FINEST_PERCENTILE))
    origin = np.mean([dense.cameras[view].center for view in views], axis=0)
    parts: list[_Cells] = []
    for view in track(views, "fusing depths", progress, len(views)):
        parts.append(_cells_of(dense, view, cell, origin))
        while len(parts) > 1 and len(parts[-2].keys) <= 2 * len(parts[-1].keys):
            last, before = parts.pop(), parts.pop()
            parts.append(_merged([before, last]))
    cells = _merged(parts)
    shared = _shared(cells)
    kept = shared & ~_covered(cells.keys[shared], cells.keys)
    if not kept.any():
        raise DatasetError("no two photographs agree on any depth; are their poses right?")
    cloud = _cloud(cells.sums[kept], origin)
    return FusedCloud(cloud, _thinned(cloud, most_points), cell)


def _footprints(dense: DenseStereo, views: list[int]) -> NDArray[np.float64]:
    """World units a pixel, of some pixels of every view."""
    found = []
    for view in views:
        depths = dense.surface(view).depths
        depths = depths[depths > 0]
        found.append(depths[:: max(1, len(depths) // _SAMPLED)].astype(np.float64) / dense.cameras[view].camera.fx)
    return np.concatenate(found)


def _cells_of(dense: DenseStereo, view: int, cell: float, origin: NDArray[np.float64]) -> _Cells:
    surface, posed = dense.surface(view), dense.cameras[view]
    there = surface.depths > 0
    depths = surface.depths[there].astype(np.float64)
    pixels = pixel_centers(posed.camera, slice(0, posed.camera.height))[there.reshape(-1)]
    points = posed.camera.unproject(pixels, depths) @ posed.T_world_camera[:3, :3].T + (posed.center - origin)
    normals = surface.normals[there].astype(np.float64) @ posed.T_world_camera[:3, :3].T
    weights = (cell / surface.sigmas[there].astype(np.float64)) ** 2
    levels = np.log2(np.maximum(_CELL_PX * depths / posed.camera.fx / cell, 1)).round().astype(np.int64)
    keys = _keys(points, np.minimum(levels, _MOST_LEVELS - 1), cell)
    values = np.concatenate([points, normals, dense.colors(view)[there]], 1)
    sums = np.concatenate([weights[:, None], weights[:, None] * values], 1)
    inside = keys >= 0
    views = np.full(int(inside.sum()), view)
    return _summed(keys[inside], sums[inside], views, views)


def _keys(points: NDArray[np.float64], levels: NDArray[np.int64], cell: float) -> NDArray[np.int64]:
    """Level and place of cells [N]; -1 for points too far out to be counted."""
    half = 1 << (_BITS - 1)
    places = np.floor(points / (cell * 2.0 ** levels[:, None])) + half
    outside = ((places < 0) | (places >= 2 * half)).any(1)
    x, y, z = np.where(outside[:, None], 0, places).astype(np.int64).T
    keys = (((levels << _BITS | x) << _BITS) | y) << _BITS | z
    return np.asarray(np.where(outside, -1, keys))


def _summed(
    keys: NDArray[np.int64], sums: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> _Cells:
    """Rows of the same key added up."""
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    if len(unique) == 0:
        return _Cells(unique, sums[:0], first[:0], last[:0])
    added = np.add.reduceat(sums[order], starts, axis=0)
    least, greatest = np.minimum.reduceat(first[order], starts), np.maximum.reduceat(last[order], starts)
    return _Cells(unique, added, least, greatest)


def _merged(parts: list[_Cells]) -> _Cells:
    names = ("keys", "sums", "first", "last")
    return _summed(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _shared(cells: _Cells) -> NDArray[np.bool_]:
    """Cells [K] that, with those at their six sides, have something of two views."""
    first, last = cells.first.copy(), cells.last.copy()
    for step in (1, 1 << _BITS, 1 << 2 * _BITS):
        for neighbors in (cells.keys - step, cells.keys + step):
            places = np.minimum(np.searchsorted(cells.keys, neighbors), len(cells.keys) - 1)
            there = cells.keys[places] == neighbors
            first[there] = np.minimum(first[there], cells.first[places[there]])
            last[there] = np.maximum(last[there], cells.last[places[there]])
    return first < last


def _covered(finer: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Cells [K] in which a finer cell lies that counts."""
    mask = (1 << _BITS) - 1
    covered = np.zeros(len(keys), bool)
    levels, half = finer >> (3 * _BITS), 1 << (_BITS - 1)
    x, y, z = (((finer >> shift) & mask) - half for shift in (2 * _BITS, _BITS, 0))
    for step in range(1, _MOST_LEVELS):
        coarse = [(axis >> step) + half for axis in (x, y, z)]
        parents = (((levels + step) << _BITS | coarse[0]) << _BITS | coarse[1]) << _BITS | coarse[2]
        covered |= np.isin(keys, parents)
    return covered


def _cloud(sums: NDArray[np.float64], origin: NDArray[np.float64]) -> PointCloud:
    means = sums[:, 1:] / sums[:, :1]
    normals = means[:, 3:6]
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1), 0)
    colors = np.clip(np.round(means[:, 6:9]), 0, 255).astype(np.uint8)
    return PointCloud(means[:, :3] + origin, colors, normals.astype(np.float32))


def _thinned(cloud: PointCloud, most: int) -> PointCloud:
    """Some of the points, in the order of their cells, so that every place keeps its share."""
    count = len(cloud.points)
    if count <= most:
        return cloud
    kept = np.arange(most) * count // most
    assert cloud.colors is not None
    assert cloud.normals is not None
    return PointCloud(cloud.points[kept], cloud.colors[kept], cloud.normals[kept])
