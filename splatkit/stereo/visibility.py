"""Which view sees which point: what neighbors and depth ranges are found from.

All cameras here are pinholes, as stereo works on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.pixel_grid import spread_pixels

_MOST_POINTS = 20_000
_CELLS = 40  # of the depth buffer along the longer side
_HIDDEN = 1.3  # times the depth of the nearest point in a cell
_NEIGHBORS = 6  # views whose distances say what a view's baselines are
_SAME_PLACE = 0.01  # of the median distance between views: what is closer stands in one place
_SAMPLED_PIXELS = (6, 5)  # of a view's image, across and down
_SAMPLED_DEPTHS = np.geomspace(0.5, 30, 7)  # in baselines; triangulation is best near 7 of them


@dataclass(frozen=True, eq=False)
class Visibility:
    """Points, and which of N views see them."""

    points: NDArray[np.float64]  # [M, 3] world
    seen: NDArray[np.bool_]  # [N, M]
    depths: NDArray[np.float32]  # [N, M] z in each view, also where a point is not seen


def visibility_from_cloud(points: NDArray[np.floating], cameras: Sequence[PosedCamera]) -> Visibility:
    """Points [K, 3] of the world, seen where they lie in the image and no other lies well before them.

    Larger clouds are thinned out to 20 000 points, always the same ones.
    """
    points = points[_thinned(np.arange(len(points)))].astype(np.float64)
    return _visibility(points, cameras, opaque=True)


def visibility_from_tracks(
    points: NDArray[np.floating], observed: Sequence[NDArray[np.integer]], cameras: Sequence[PosedCamera]
) -> Visibility:
    """Points of structure from motion, seen where a view observed them and has them in its image.

    Points that fewer than two views observed say nothing and are left out; more than 20 000 are thinned out.

    Args:
        points: [K, 3] world.
        observed: for each view, indices of the points that it observed.
        cameras: the views, in the same order.
    """
    counts = np.zeros(len(points), np.int64)
    for indices in observed:
        counts[np.unique(indices)] += 1
    kept = _thinned(np.flatnonzero(counts >= 2))
    found = _visibility(points[kept].astype(np.float64), cameras)
    for row, indices in zip(found.seen, observed, strict=True):
        row &= np.isin(kept, indices)
    return found


def visibility_from_poses(cameras: Sequence[PosedCamera]) -> Visibility:
    """For want of points, some along the rays of all views, from half a baseline to 30 of them away.

    A view's baseline is its distance to the views around it. No points at all where all stand in one place.
    """
    parts = [np.zeros((0, 3))]
    for posed, baseline in zip(cameras, _baselines(cameras), strict=True):
        if np.isfinite(baseline):
            origins, directions = posed.rays(spread_pixels(posed.camera, *_SAMPLED_PIXELS))
            depths = baseline * _SAMPLED_DEPTHS[:, None, None]
            parts.append((origins + depths * directions).reshape(-1, 3))
    points = np.concatenate(parts)
    return _visibility(points[_thinned(np.arange(len(points)))], cameras)


def in_view(posed: PosedCamera, points: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray[np.bool_]]:
    """Pixels [M, 2], z-depths [M], and which [M] of the points [M, 3] of the world lie in the image."""
    pixels, depths = posed.image(points)
    inside = (depths > 0) & (pixels >= 0).all(-1) & (pixels < (posed.camera.width, posed.camera.height)).all(-1)
    return pixels, depths, inside


def _visibility(points: NDArray[np.float64], cameras: Sequence[PosedCamera], opaque: bool = False) -> Visibility:
    """Points that lie in the images; `opaque` ones hide what is well behind them."""
    seen = np.zeros((len(cameras), len(points)), bool)
    depths = np.zeros((len(cameras), len(points)), np.float32)
    for index, posed in enumerate(cameras):
        pixels, depths[index], inside = in_view(posed, points)
        if opaque:
            inside[inside] = _is_in_front(pixels[inside], depths[index, inside], posed)
        seen[index] = inside
    return Visibility(points, seen, depths)


def _is_in_front(pixels: NDArray, depths: NDArray[np.float32], posed: PosedCamera) -> NDArray[np.bool_]:
    """Which of the points [K] in an image no other one hides, by a coarse depth buffer."""
    cell = max(posed.camera.width, posed.camera.height) / _CELLS
    column, row = (pixels // cell).astype(np.int64).T
    places = row * (_CELLS + 1) + column
    nearest = np.full((_CELLS + 1) ** 2, np.inf, np.float32)
    np.minimum.at(nearest, places, depths)
    return depths < _HIDDEN * nearest[places]


def _thinned(indices: NDArray[np.integer]) -> NDArray[np.integer]:
    """At most _MOST_POINTS of the indices, in their order, drawn evenly."""
    if len(indices) <= _MOST_POINTS:
        return indices
    return np.sort(np.random.default_rng(0).choice(indices, _MOST_POINTS, replace=False))


def _baselines(cameras: Sequence[PosedCamera]) -> NDArray[np.float64]:
    """For each view, the median distance [N] to those around it that stand elsewhere; infinite where none does."""
    centers = np.array([posed.center for posed in cameras]).reshape(-1, 3)
    distances = np.linalg.norm(centers[:, None] - centers, axis=-1)
    apart = distances[distances > 0]
    if len(apart) == 0:
        return np.full(len(centers), np.inf)
    distances[distances <= _SAME_PLACE * np.median(apart)] = np.inf
    nearest = np.sort(distances, axis=1)[:, :_NEIGHBORS]
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.inf for row in nearest])
