"""Colors of LiDAR points from the photographs that see them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.geometry.camera import Camera, PosedCamera

_BEST_VIEWS = 5  # the nearest of those that see a point; the middle one of their colors is taken
_SPACING_NEIGHBOR = 6  # whose distance is how far apart points are, on scan lines too
_LEVELS = 7  # sizes of what a point hides: 1 to 64 px
_NEARER = 0.05  # share of a depth by which something lies in front
_HIDING_QUADRANTS = 3


@dataclass(frozen=True)
class ColorView:
    """A photograph that may color points."""

    posed: PosedCamera
    load: Callable[[], NDArray[np.uint8]]  # the image [H, W, 3]
    load_mask: Callable[[], NDArray[np.bool_]] | None = None  # [H, W], False: not to be used


def color_points(
    points: NDArray[np.floating], views: Iterable[ColorView]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Colors [N, 3] of points [N, 3] in world, and how many views see each [N]; what no view sees is black.

    A point is hidden in a view if in at least three of four directions around it something lies clearly nearer: on
    ground seen at a flat angle only what is below is nearer, and that hides nothing. Each point hides as much of a
    view as it takes to leave no gap to its neighbors.
    """
    points = np.asarray(points, dtype=np.float64)
    spacings = _spacings(points)
    samples = np.zeros((_BEST_VIEWS, len(points), 3), dtype=np.uint8)
    distances = np.full((_BEST_VIEWS, len(points)), np.inf, dtype=np.float32)
    seen_by = np.zeros(len(points), dtype=np.int64)
    for view in views:
        seen, pixels, depths = _visible(points, spacings, view)
        if len(seen) == 0:
            continue
        x, y = (np.ascontiguousarray(pixels[:, axis], dtype=np.float32) - np.float32(0.5) for axis in (0, 1))
        if view.load_mask is not None:
            usable = view.load_mask()[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
            seen, x, y, depths = seen[usable], x[usable], y[usable], depths[usable]
        colors = _sampled(view.load(), x, y)
        seen_by[seen] += 1
        worst = distances[:, seen].argmax(0)
        better = depths < distances[worst, seen]
        slot, which = worst[better], seen[better]
        distances[slot, which] = depths[better]
        samples[slot, which] = colors[better]
    return _middle(samples, np.isfinite(distances)), seen_by


def _spacings(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each point's neighbors are, [N] m."""
    if len(points) <= _SPACING_NEIGHBOR:
        return np.zeros(len(points))
    spacings: NDArray[np.float64] = cKDTree(points).query(points, k=_SPACING_NEIGHBOR + 1, workers=-1)[0][:, -1]
    return spacings


def _visible(
    points: NDArray[np.float64], spacings: NDArray[np.float64], view: ColorView
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Which points a view sees [K], their pixels [K, 2] and depths [K]."""
    camera, local = view.posed.camera, view.posed.local(points)
    pixels, inside = camera.project(local)
    chosen = np.flatnonzero(inside)
    pixels, depths = pixels[chosen], local[chosen, 2]
    footprints = spacings[chosen] * camera.fx / depths
    levels = np.clip(np.ceil(np.log2(np.maximum(footprints, 1e-9))), 0, _LEVELS - 1).astype(np.int64)
    limit = (1 - _NEARER) * depths
    covered = np.zeros((4, len(chosen)), dtype=bool)
    for level in np.unique(levels):
        of_level = levels == level
        covered |= _covered(pixels, limit, pixels[of_level], depths[of_level], 2.0**level, camera)
    clear = covered.sum(0) < _HIDING_QUADRANTS
    return chosen[clear], pixels[clear], depths[clear]


def _covered(
    pixels: NDArray[np.float64],
    limit: NDArray[np.float64],
    hiding: NDArray[np.float64],
    depths: NDArray[np.float64],
    cell: float,
    camera: Camera,
) -> NDArray[np.bool_]:
    """In which of four directions [4, K] points at `pixels` have something nearer than `limit` beside them.

    Args:
        pixels: [K, 2].
        limit: [K].
        hiding: [L, 2] pixels of points that fill cells without gaps.
        depths: [L] of these.
        cell: px.
        camera: its size.
    """
    nearest = np.full((int(camera.height / cell) + 3, int(camera.width / cell) + 3), np.inf)  # a border around it
    columns, rows = (hiding / cell).astype(np.int64).T + 1
    np.minimum.at(nearest, (rows, columns), depths)
    columns, rows = (pixels / cell).astype(np.int64).T + 1
    return np.stack([nearest[rows + dy, columns + dx] < limit for dy in (-1, 1) for dx in (-1, 1)])


def _sampled(image: NDArray[np.uint8], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colors [K, 3] at pixels, between four neighbors; OpenCV takes at most 32767 places in a row."""
    if len(x) == 0:
        return np.zeros((0, 3), np.uint8)
    width = 16384
    pad = -len(x) % width
    columns, rows = (np.pad(v, (0, pad)).reshape(-1, width) for v in (x, y))
    found = cv2.remap(image[..., :3], columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, 3)[: len(x)].astype(np.uint8)


def _middle(samples: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The median [N, 3] over the first axis [V, N, 3] of what is valid [V, N]; of two the brighter."""
    values = np.where(valid[..., None], samples.astype(np.int16), 256)
    values.sort(axis=0)
    middle = np.minimum(valid.sum(0) // 2, len(samples) - 1)
    chosen = np.take_along_axis(values, middle[None, :, None], axis=0)[0]
    return np.where(chosen > 255, 0, chosen).astype(np.uint8)
