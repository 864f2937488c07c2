"""Which other views help to find the depth of a view.

A pair is good where many points are seen by both, from angles that differ by some 8 degrees, at like resolution.
Schoenberger et al., "Pixelwise View Selection", ECCV 2016, weigh views by such priors, too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.visibility import Visibility

_BEST_DEG = 8.0  # triangulation angle
_NARROWER_DEG, _WIDER_DEG = 8.0 / 3, 9.6  # standard deviations to both sides of it
_LEAST_DEG = 1.0  # below it noise of matching is all that there is
_LEAST_MEAN_DEG = 0.5  # of a pair that is looked at closely
_FEWEST_SHARED = 5  # points
_CANDIDATES = 30  # pairs a view that are looked at closely
_POINTS_A_VIEW = 2000  # at which pairs are looked at closely
_SAME_WAY = 0.35  # what a view loses for standing where one that is chosen stands already
_BLOCK = 2000  # points
_TINY = 1e-300


def select_sources(visibility: Visibility, cameras: Sequence[PosedCamera], count: int = 5) -> list[list[int]]:
    """For each view those to match it with, the best first; fewer than `count` where there are no more, or none.

    A view whose baseline goes the same way as that of one chosen before says little new and counts less.
    """
    centers = _centers(cameras)
    return [
        _spread(scores, centers - center, count)
        for scores, center in zip(_scores(visibility, cameras), centers, strict=True)
    ]


def ranked_neighbors(visibility: Visibility, cameras: Sequence[PosedCamera], count: int = 8) -> list[list[int]]:
    """For each view those whose depths it can be compared with, the best first; at most `count`, or none."""
    order = [(row, np.argsort(-row, kind="stable")[:count]) for row in _scores(visibility, cameras)]
    return [[int(view) for view in best if row[view] > 0] for row, best in order]


def _scores(visibility: Visibility, cameras: Sequence[PosedCamera]) -> NDArray[np.float64]:
    """How well each other view [N] suits each view [N], from 0 to 1."""
    scores = np.zeros((len(cameras), len(cameras)))
    for view, others in enumerate(_candidates(visibility, _centers(cameras))):
        if len(others):
            scores[view, others] = _closely(view, others, visibility, cameras)
    return scores


def _candidates(visibility: Visibility, centers: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """For each view the others worth a closer look, by the points they share and the mean angle at these."""
    views = len(centers)
    shared, cosines = np.zeros((views, views)), np.zeros((views, views))
    for start in range(0, len(visibility.points), _BLOCK):
        seen = visibility.seen[:, start : start + _BLOCK].astype(np.float64)
        rays = visibility.points[start : start + _BLOCK] - centers[:, None]
        rays *= (seen / np.maximum(np.linalg.norm(rays, axis=-1), _TINY))[..., None]
        shared += seen @ seen.T
        cosines += rays.reshape(views, -1) @ rays.reshape(views, -1).T
    angles = np.degrees(np.arccos(np.clip(cosines / np.maximum(shared, 1), -1, 1)))
    worth = np.where((shared >= _FEWEST_SHARED) & (angles > _LEAST_MEAN_DEG), shared * _preference(angles), 0)
    np.fill_diagonal(worth, 0)
    best = np.argsort(-worth, axis=1, kind="stable")[:, :_CANDIDATES]
    return [row[worth[view, row] > 0] for view, row in enumerate(best)]


def _closely(
    view: int, others: NDArray[np.int64], visibility: Visibility, cameras: Sequence[PosedCamera]
) -> NDArray[np.float64]:
    """Scores [K] of a view's candidates: the mean over its points of angle and likeness of scale."""
    centers, focal = _centers(cameras), np.array([np.sqrt(posed.camera.fx * posed.camera.fy) for posed in cameras])
    picked = np.flatnonzero(visibility.seen[view])
    picked = picked[:: -(-len(picked) // _POINTS_A_VIEW)]
    points = visibility.points[picked]
    own, rays = points - centers[view], points - centers[others][:, None]
    distance, distances = np.linalg.norm(own, axis=-1), np.linalg.norm(rays, axis=-1)
    cosines = np.einsum("mi,kmi->km", own, rays) / np.maximum(distance * distances, _TINY)
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    footprint, footprints = distance / focal[view], distances / focal[others][:, None]
    likeness = np.minimum(footprint, footprints) / np.maximum(np.maximum(footprint, footprints), _TINY)
    weights = np.where(angles >= _LEAST_DEG, _preference(angles), 0) * likeness**2
    return np.asarray((weights * visibility.seen[np.ix_(others, picked)]).mean(-1))


def _preference(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 at the best triangulation angle, falling to both sides; angles in degrees."""
    widths = np.where(angles < _BEST_DEG, _NARROWER_DEG, _WIDER_DEG)
    return np.exp(-(((angles - _BEST_DEG) / widths) ** 2) / 2)


def _spread(scores: NDArray[np.float64], baselines: NDArray[np.float64], count: int) -> list[int]:
    """The best views by scores [N], one after the other, with less for baselines [N, 3] that go the same way."""
    directions = baselines / np.maximum(np.linalg.norm(baselines, axis=-1, keepdims=True), _TINY)
    left, chosen = scores.copy(), list[int]()
    while len(chosen) < count and left.max(initial=0) > 0:
        best = int(left.argmax())
        chosen.append(best)
        left *= 1 - _SAME_WAY * np.maximum(directions @ directions[best], 0) ** 2
        left[best] = 0
    return chosen


def _centers(cameras: Sequence[PosedCamera]) -> NDArray[np.float64]:
    """[N, 3] world."""
    return np.array([posed.center for posed in cameras]).reshape(-1, 3)
