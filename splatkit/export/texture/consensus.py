"""Where photographs show something else than the mesh: what most photographs of a place do not show there.

A tree before a facade, or somebody who walks by, need not be part of the mesh; what photographs show there would be
painted on what is behind. Points are spread over all that photographs see, and each is looked at in all of them, made
small. Its color is the one that most agree on, by mean shift from the median (Comaniciu and Meer, Mean Shift, PAMI
2002). A photograph whose color is farther from it than the others' are among themselves is outvoted. So half of the
photographs of a place always stay, and where colors change with the direction, as on gloss, next to none is outvoted.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.export.texture.photographs import read_photograph
from splatkit.export.texture.visibility import Glance, MeshDepths, Observer
from splatkit.progress import Progress, track
from splatkit.runs.views import RunView

Array = NDArray[np.float32]
Indices = NDArray[np.int64]

_PIXELS = 100_000  # a small photograph has no more, and fewer where there are so many that they would take
_MEMORY, _PIXEL_BYTES = 5e8, 20
_POINTS, _LOOKS = 150_000, 3e7  # at most: points, and points times photographs
_FEWEST = 4  # photographs of a point; of three, two that err alike would be most
_SCALE = 0.1 * 255  # of mean shift
_SHIFTS = 4
_DIFFERENT = 0.15 * 255  # colors that differ less are alike
_SPREADS = 3.0  # colors that differ by fewer times the median difference are alike as well
_GAIN_ROUNDS, _GAIN_POINTS = 3, 20_000
_DARK, _BRIGHT = 12, 243  # of 255: colors between them tell exposures
_TABLE = 1 << 20  # entries at a time
_BLUR_PX = 1.5  # of small photographs
_NOTICED, _REJECTED = 0.15, 0.45  # share of the outvoted points around a pixel: between them its trust falls
_LEAST = 1e-3  # trust that is left: better than no photograph at all


@dataclass(frozen=True)
class Agreement:
    """What of each photograph the others confirm."""

    maps: list[Array]  # of each a map [h, w], smaller than it: trust from 0.001 to 1
    outvoted: float  # share of all looks at points that at least four photographs see


def find_agreement(views: Sequence[RunView], mesh: MeshDepths, workers: int, progress: Progress) -> Agreement:
    """Compare all photographs with each other on the surface.

    Raises:
        DatasetError: a photograph cannot be read; it is named.
    """
    pixels = min(_PIXELS, _MEMORY / (_PIXEL_BYTES * len(views)))
    count = min(_POINTS, _LOOKS / len(views)) / len(views)

    def make(view: RunView) -> Observer:
        camera = view.photographed.camera
        return Observer(
            read_photograph(view, max(1, int(np.ceil(np.sqrt(camera.width * camera.height / pixels))))), mesh
        )

    with ThreadPoolExecutor(workers) as pool:
        observers = list(track(pool.map(make, views), "comparing photographs", progress, len(views)))
        spread = list(pool.map(lambda observer: _spread(observer, mesh, count), observers))
        points, normals = (np.concatenate(part) for part in zip(*spread, strict=True))
        glances = list(pool.map(lambda observer: observer.glance(points, normals), observers))
    outvoted, compared = outvote(glances, len(points))
    maps = [_map(*found) for found in zip(observers, glances, outvoted, strict=True)]
    return Agreement(maps, float(sum(map(np.count_nonzero, outvoted)) / max(compared, 1)))


def _spread(observer: Observer, mesh: MeshDepths, count: float) -> tuple[Array, ...]:
    """Points [M, 3] under a grid of about `count` pixels, and normals [M, 3]."""
    camera = observer.posed.camera
    step = max(1.0, np.sqrt(camera.width * camera.height / count))
    x, y = np.meshgrid(np.arange(step / 2, camera.width, step), np.arange(step / 2, camera.height, step))
    return mesh.under(observer.posed, np.stack([x.ravel(), y.ravel()], -1))


@dataclass(frozen=True)
class _Looks:
    """All looks at points, those at one point one after the other."""

    colors: NDArray[np.uint8]  # [N, 3]
    views: NDArray[np.int32]  # [N]
    starts: Indices  # [P] first look at each point
    counts: Indices  # [P]

    def tables(self, points: Indices) -> Iterator[tuple[Indices, NDArray[np.bool_]]]:
        """Looks [n, k] at some points at a time, and which of them there are; points seen as often come together."""
        points = points[np.argsort(self.counts[points], kind="stable")]
        while len(points):
            rows = max(1, _TABLE // int(self.counts[points[-1]]))
            part, points = points[-rows:], points[:-rows]
            columns = np.arange(self.counts[part[-1]])
            there = columns < self.counts[part, None]
            yield np.where(there, self.starts[part, None] + columns, self.starts[part, None]), there


def outvote(glances: Sequence[Glance], count: int) -> tuple[list[NDArray[np.bool_]], int]:
    """Which of the looks of each view are outvoted, and how many looks were compared."""
    point = np.concatenate([glance.points for glance in glances]).astype(np.int32)
    view = np.repeat(np.arange(len(glances), dtype=np.int32), [len(glance.points) for glance in glances])
    order = np.argsort(point, kind="stable")
    counts = np.bincount(point, minlength=count)
    colors = np.concatenate([glance.colors for glance in glances])[order]
    looks = _Looks(colors, view[order], np.cumsum(counts) - counts, counts)
    enough = np.flatnonzero(counts >= _FEWEST)
    gains = _gains(looks, enough[:: max(1, len(enough) // _GAIN_POINTS)], len(glances))
    found = np.zeros(len(point), bool)
    for table, there in looks.tables(enough):
        values = looks.colors[table] * gains[looks.views[table]]
        away = np.abs(values - _most(values, there)[:, None]).max(2)
        limit = np.maximum(_DIFFERENT, _SPREADS * _median(away[..., None], there)[:, 0])
        found[table[there & (away > limit[:, None])]] = True
    outvoted = np.zeros(len(point), bool)
    outvoted[order] = found
    ends = np.cumsum([len(glance.points) for glance in glances])[:-1]
    return np.split(outvoted, ends), int(counts[enough].sum())


def _gains(looks: _Looks, points: Indices, views: int) -> Array:
    """Factors [views, 3] that bring photographs to one exposure: medians to what most agree on, in turns."""
    gains = np.ones((views, 3), np.float32)
    for _ in range(_GAIN_ROUNDS):
        seen_by, ratios = [np.zeros(0, np.int32)], [np.zeros((0, 3), np.float32)]
        for table, there in looks.tables(points):
            colors = looks.colors[table]
            most = _most(colors * gains[looks.views[table]], there)
            told = there & (colors.min(2) >= _DARK) & (colors.max(2) <= _BRIGHT)
            seen_by.append(looks.views[table][told])
            ratios.append((np.maximum(most, 1)[:, None] / np.maximum(colors, 1)).astype(np.float32)[told])
        view, ratio = np.concatenate(seen_by), np.concatenate(ratios)
        order = np.argsort(view, kind="stable")
        ends = np.searchsorted(view[order], np.arange(1, views))
        for index, mine in enumerate(np.split(ratio[order], ends)):
            if len(mine):
                gains[index] = np.median(mine, axis=0)
    return gains


def _most(colors: Array, there: NDArray[np.bool_]) -> Array:
    """The color [n, 3] that most of colors [n, k, 3] are near to."""
    color = _median(colors, there)
    for _ in range(_SHIFTS):
        away = np.abs(colors - color[:, None]).max(2) / _SCALE
        weights = there / (1 + away**2) ** 2
        color = (weights[..., None] * colors).sum(1) / np.maximum(weights.sum(1), 1e-12)[:, None]
    return color.astype(np.float32)


def _median(values: Array, there: NDArray[np.bool_]) -> Array:
    """[n, C] of values [n, k, C], each channel by itself, the lower one of two."""
    ordered = np.sort(np.where(there[..., None], values, np.inf), axis=1)
    middle = (there.sum(1) - 1) // 2
    return np.asarray(ordered[np.arange(len(ordered)), middle], dtype=np.float32)


def _map(observer: Observer, glance: Glance, outvoted: NDArray[np.bool_]) -> Array:
    """Trust [h, w] by the share of outvoted looks around each pixel of a small photograph."""
    camera = observer.posed.camera
    shape, size = (camera.height, camera.width), camera.width * camera.height
    column, row = (glance.pixels[:, axis].astype(np.int64) for axis in (0, 1))
    place = row.clip(0, camera.height - 1) * camera.width + column.clip(0, camera.width - 1)
    looks, against = (
        cv2.GaussianBlur(np.bincount(chosen, minlength=size).reshape(shape).astype(np.float32), (0, 0), _BLUR_PX)
        for chosen in (place, place[outvoted])
    )
    share = np.asarray(against) / np.maximum(np.asarray(looks), 1e-6)
    return np.clip((_REJECTED - share) / (_REJECTED - _NOTICED), _LEAST, 1).astype(np.float32)
