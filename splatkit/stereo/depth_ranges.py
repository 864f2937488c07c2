"""How near and how far the surfaces of a view may lie."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.visibility import Visibility, in_view

_FEWEST = 10  # points of a view that say how deep it is
_PERCENTILES = (1, 99)
_NEARER = 1.25  # than the nearest point, at least
_NEAREST = 4.0  # times nearer than the nearest point, at most
_FARTHER = 1.6  # than the farthest point
_LARGEST_DISPARITY = 0.5  # of the image's width


def depth_ranges(
    visibility: Visibility, cameras: Sequence[PosedCamera], sources: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Least and greatest z-depth [N, 2] of each view, from the points that it sees.

    What lies nearer than all points is looked for as far as the disparity against a typical source stays below half of
    the image's width: lawns and pavements in front have no points. A view with fewer than 10 points takes those that
    its sources see, or else any view, and that lie in its image. NaN where even these are none; such a view has no
    sources either.

    Args:
        visibility: of the views; `visibility_from_poses` where there are no points.
        cameras: [N] pinholes.
        sources: for each view, those that it is matched with.
    """
    return np.array([_range(view, visibility, cameras, sources[view]) for view in range(len(cameras))]).reshape(-1, 2)


def _range(
    view: int, visibility: Visibility, cameras: Sequence[PosedCamera], sources: Sequence[int]
) -> tuple[float, float]:
    depths = _depths(view, visibility, cameras, sources)
    if len(depths) == 0:
        return np.nan, np.nan
    low, high = (float(value) for value in np.percentile(depths, _PERCENTILES))
    nearest = max(_nearest_by_disparity(cameras[view], [cameras[source] for source in sources]), low / _NEAREST)
    return min(low / _NEARER, nearest), high * _FARTHER


def _depths(
    view: int, visibility: Visibility, cameras: Sequence[PosedCamera], sources: Sequence[int]
) -> NDArray[np.float32]:
    """The depths [K] that speak for a view: of its own points, or of as many as can be borrowed."""
    own = visibility.seen[view]
    if own.sum() >= _FEWEST:
        return visibility.depths[view, own]
    inside = in_view(cameras[view], visibility.points)[2]
    borrowed = own | (inside & visibility.seen[list(sources)].any(0))
    if borrowed.sum() < _FEWEST:
        borrowed = own | (inside & visibility.seen.any(0))
    return visibility.depths[view, borrowed]


def _nearest_by_disparity(posed: PosedCamera, sources: Sequence[PosedCamera]) -> float:
    """The z-depth at which the disparity against a typical source is the largest that counts; inf without sources."""
    if not sources:
        return np.inf
    baseline = np.median([np.linalg.norm(source.center - posed.center) for source in sources])
    return float(posed.camera.fx * baseline / (_LARGEST_DISPARITY * posed.camera.width))
