"""One color for each point from the photographs that show it best, whatever exposure each had.

Exposures: photographs of the same point differ by a factor for each channel (an exposure of display values is a factor
too, for they are a power of the light). The medians of these factors between pairs of photographs, in which whatever
moved or shone is outvoted, are solved for one gain a photograph by least squares.

Blending: the best photograph weighs most, by a power of its quality, so that the picture stays sharp. From all weights
that of the worst one kept is subtracted: one that gives way to another has no weight then, and no edge shows where.
Colors far from the median of a point's colors count little.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import lsqr

from splatkit.export.texture.visibility import Observation

KEPT = 5  # photographs of a point
BYTES_PER_POINT = KEPT * (4 + 2 + 3)
_SHARPNESS = 1.5  # power of the quality
_DARK, _BRIGHT = 12, 243  # of 255: colors between them tell exposures
_FEWEST_PAIRS = 30  # common points, for two photographs to be compared
# Logarithms: of the colors of a point in two photographs, of what all pairs of two have in common however many they
# are (gloss, vignettes), and of exposures, of which a stop is 0.32.
_POINT_SIGMA, _PAIR_SIGMA, _EXPOSURE_SIGMA = 0.3, 0.03, 0.3
_OUTLIER = 0.12  # of the brightness range: a color so far from the median counts a quarter
_POINTS_AT_A_TIME = 1 << 18
_MOST_VIEWS = 1 << 16


class Samples:
    """For each of N points the colors of the photographs that show it best."""

    def __init__(self, count: int, views: int) -> None:
        if views > _MOST_VIEWS:
            raise ValueError(f"views: textures are made of at most {_MOST_VIEWS} photographs, got {views}")
        self.views = views
        self.qualities = np.zeros((count, KEPT), np.float32)  # 0: none
        self.colors = np.zeros((count, KEPT, 3), np.uint8)
        self.sources = np.zeros((count, KEPT), np.uint16)

    def add(self, view: int, seen: Observation) -> None:
        """Keep what is better than the worst that is kept. Other points may be added to by another thread."""
        kept = self.qualities[seen.points]
        worst = kept.argmin(1)
        better = np.flatnonzero(seen.qualities > kept[np.arange(len(kept)), worst])
        points, slots = seen.points[better], worst[better]
        self.qualities[points, slots] = seen.qualities[better]
        self.colors[points, slots] = seen.colors[better]
        self.sources[points, slots] = view

    def seen(self) -> NDArray[np.bool_]:
        """[N] whether any photograph shows a point."""
        return np.asarray(self.qualities.max(1) > 0)


@dataclass(frozen=True)
class Blend:
    """How colors become one; `robust` off is the plain mean, to compare with."""

    gains: NDArray[np.float32]  # [views, 3] factors
    robust: bool = True


def solve_gains(samples: Samples, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Factors [views, 3] that bring photographs to one exposure, their average; from some of the points."""
    qualities, colors = samples.qualities[chosen], samples.colors[chosen]
    told = (qualities > 0) & (colors.min(2) >= _DARK) & (colors.max(2) <= _BRIGHT)
    logs = np.log(np.maximum(colors, 1).astype(np.float32))
    keys, ratios = [], []
    for first in range(KEPT):
        for second in range(first):
            both = told[:, first] & told[:, second]
            a, b = (samples.sources[chosen[both], slot].astype(np.int64) for slot in (first, second))
            difference = logs[both, first] - logs[both, second]
            turned = a < b
            difference[turned] *= -1
            keys.append(np.where(turned, b, a) * samples.views + np.where(turned, a, b))
            ratios.append(difference)
    key, ratio = np.concatenate(keys), np.concatenate(ratios)
    order = np.argsort(key, kind="stable")
    key, ratio = key[order], ratio[order]
    pairs, starts, counts = np.unique(key, return_index=True, return_counts=True)
    enough = counts >= _FEWEST_PAIRS
    pairs, starts, counts = pairs[enough], starts[enough], counts[enough]
    if len(pairs) == 0:
        return np.ones((samples.views, 3), np.float32)
    medians = np.stack([np.median(ratio[s : s + c], axis=0) for s, c in zip(starts, counts, strict=True)])
    return _solve_pairs(*np.divmod(pairs, samples.views), medians, counts, samples.views)


def _solve_pairs(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    ratios: NDArray[np.floating],
    counts: NDArray[np.integer],
    views: int,
) -> NDArray[np.float32]:
    """Least squares over log exposures: log first - log second = ratio, with a weak pull to the average."""
    weights, pull = (_POINT_SIGMA**2 / counts + _PAIR_SIGMA**2) ** -0.5, 1 / _EXPOSURE_SIGMA
    equations = np.arange(len(first))
    rows = np.concatenate([equations, equations, len(first) + np.arange(views)])
    columns = np.concatenate([first, second, np.arange(views)])
    values = np.concatenate([weights, -weights, np.full(views, pull)])
    matrix = coo_array((values, (rows, columns)), shape=(len(first) + views, views)).tocsr()
    gains = np.empty((views, 3), np.float32)
    for channel in range(3):
        target = np.concatenate([weights * ratios[:, channel], np.zeros(views)])
        exposures = lsqr(matrix, target, atol=1e-10, btol=1e-10)[0]
        gains[:, channel] = np.exp(exposures.mean() - exposures)
    return gains


def blend(samples: Samples, how: Blend) -> NDArray[np.float32]:
    """Colors [N, 3] in 0 to 255; 0 where no photograph shows a point."""
    out = np.zeros((len(samples.qualities), 3), np.float32)
    for start in range(0, len(out), _POINTS_AT_A_TIME):
        part = slice(start, start + _POINTS_AT_A_TIME)
        qualities = samples.qualities[part]
        colors = samples.colors[part].astype(np.float32) * how.gains[samples.sources[part]]
        weights = _weights(qualities) if how.robust else (qualities > 0).astype(np.float32)
        if how.robust:
            median = _weighted_median(colors, weights)
            away = np.abs(colors - median[:, None]).max(2) / (255 * _OUTLIER)
            weights = weights / (1 + away**2) ** 2
        total = np.maximum(weights.sum(1), 1e-20)
        out[part] = (weights[..., None] * colors).sum(1) / total[:, None]
    return np.clip(out, 0, 255)


def _weights(qualities: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, KEPT] in [0, 1]; continuous where one photograph takes the place of another."""
    relative = (qualities / np.maximum(qualities.max(1, keepdims=True), 1e-30)) ** _SHARPNESS
    out = relative - relative.min(1, keepdims=True)  # an empty place leaves all as they are
    alike = out.max(1) < 1e-3  # all equally good
    out[alike] = relative[alike]
    return np.asarray(out)


def _weighted_median(colors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, 3] of colors [n, KEPT, 3], each channel by itself."""
    order = np.argsort(colors, axis=1)
    ordered = np.take_along_axis(colors, order, axis=1)
    shares = np.cumsum(np.take_along_axis(np.broadcast_to(weights[..., None], colors.shape), order, axis=1), axis=1)
    middle = (shares >= shares[:, -1:] / 2).argmax(1)
    return np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0]
