"""Places on the ground that two neighboring cameras see, found from above.

Around each place a patch of the ground as one camera shows it is looked for in that of the other, as far as the
cameras' poses are uncertain there: near places first, and far ones once the poses are known better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.surround.ground import (
    GroundGrid,
    footprint_sizes,
    look_down,
    see_ground,
    under_vehicle,
)
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array

_HALF = 8  # cells of a patch on each side of its center
_MOST_CELLS = 30  # that a patch is looked for
_LEAST_SIGMAS = 1.3  # of where it may be that must lie within
_LEAST_CELLS = 2
_LEAST_CORRELATION = 0.6
_RIVAL = 0.93  # of the best correlation: of another place that is as good
_RIVAL_CELLS = 3  # farther away it is another place
_LEAST_CONTRAST = 1.5  # gray levels, standard deviation within a patch
_FLOOR_CELLS = 0.06  # of what a match is certain of
_INFLATION = 4.0  # of a match's variance: neighboring cells have much of their noise in common
_NODE_M = 0.2  # spacing of the places where the common ground is looked for


@dataclass(frozen=True, eq=False)
class GroundView:
    """A photograph of one moment, and where it was taken."""

    camera: Camera
    levels: list[NDArray[np.float32]]  # see `ground.pyramid`
    T_ground_camera: Array  # [4, 4]


class Matches(NamedTuple):
    """N places that both of two cameras show."""

    first: Array  # [N, 2] px
    second: Array  # [N, 2] px
    covariances: Array  # [N, 2, 2] px^2, of the second
    places: Array  # [N, 2] m, as the first shows them


@dataclass(frozen=True, eq=False)
class CommonGround:
    """A part of the ground that two cameras show finely enough."""

    grid: GroundGrid
    mask: NDArray[np.bool_]  # [H, W] which of its cells


class SeenGround:
    """Which part of the ground each camera shows; vehicles lean so little that one moment says it of all.

    Args:
        cameras: lenses.
        T_ground_camera: [C, 4, 4].
        reach: m around the cameras' middle that is looked at.
    """

    def __init__(self, cameras: Sequence[Camera], T_ground_camera: Array, reach: float) -> None:
        middle = T_ground_camera[:, :2, 3].mean(0)
        count = int(2 * reach / _NODE_M) + 1
        self._nodes = GroundGrid((middle[0] - reach, middle[1] - reach), _NODE_M, (count, count))
        places = self._nodes.places().reshape(-1, 2)
        own = under_vehicle(places, T_ground_camera[:, :3, 3])
        self._sizes = []  # m that a pixel covers, of each camera; infinite where it sees nothing
        for camera, T in zip(cameras, T_ground_camera, strict=True):
            _, footprints, inside = see_ground(camera, T, places)
            sizes = np.where(inside & ~own, footprint_sizes(footprints), np.inf)
            self._sizes.append(sizes.reshape(count, count))

    def common(self, first: int, second: int, cell: float, coarsest: float) -> CommonGround | None:
        """What two cameras both show so that a pixel covers at most `coarsest` m, on cells of `cell` m."""
        seen = np.maximum(self._sizes[first], self._sizes[second]) < coarsest
        if not seen.any():
            return None
        rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
        part = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        shape = tuple(int((count - 1) * _NODE_M / cell) + 1 for count in part.shape)
        low = (self._nodes.low[0] + columns[0] * _NODE_M, self._nodes.low[1] + rows[0] * _NODE_M)
        nearest = [np.round(np.arange(count) * cell / _NODE_M).astype(int) for count in shape]
        return CommonGround(GroundGrid(low, cell, (shape[0], shape[1])), part[np.ix_(*nearest)])


def match_ground(views: tuple[GroundView, GroundView], common: CommonGround, uncertainty: Array) -> Matches:
    """Match patches of the ground between two cameras.

    Args:
        views: of both, at the poses as they are known now.
        common: the ground that both show.
        uncertainty: [12, 12] covariance of both cameras' motion, each [rotation (rad), translation (m)] about its own
            center, ground axes.
    """
    grid, mask = common.grid, common.mask
    images = [look_down(view.levels, view.camera, view.T_ground_camera, grid) for view in views]
    found = []
    for row, column in _patch_centers(mask):
        place = np.array([grid.low[0] + column * grid.cell, grid.low[1] + row * grid.cell])
        cells = _search_cells(views, place, uncertainty, grid.cell)
        if cells is not None:
            answer = _match(images, mask, row, column, cells)
            if answer is not None:
                found.append((place, answer[0] * grid.cell, answer[1] * grid.cell**2))
    if not found:
        return Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2)))
    places, ways, covariances = (np.array(part) for part in zip(*found, strict=True))
    first, _, _ = see_ground(views[0].camera, views[0].T_ground_camera, places)
    second, footprints, inside = see_ground(views[1].camera, views[1].T_ground_camera, places + ways)
    rates = np.linalg.inv(footprints)
    in_pixels = rates @ covariances @ np.swapaxes(rates, 1, 2)
    return Matches(*(part[inside] for part in (first, second, in_pixels, places)))


def ground_motion(place: Array, T_ground_camera: Array) -> Array:
    """[2, 6] how the place [2] that a pixel shows moves as its camera turns about its center, and moves."""
    x, y, z = T_ground_camera[:3, 3]
    arm = np.array([place[0] - x, place[1] - y, -z])
    turned = np.array([[0.0, arm[2], -arm[1]], [-arm[2], 0.0, arm[0]], [arm[1], -arm[0], 0.0]])
    slide = np.array([[1.0, 0.0, -arm[0] / arm[2]], [0.0, 1.0, -arm[1] / arm[2]]])
    return slide @ np.concatenate([turned, np.eye(3)], 1)


def _patch_centers(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[P, 2] row and column of patches, side by side, that lie in the mask as a whole."""
    size = 2 * _HALF + 1
    whole = cv2.erode(mask.astype(np.uint8), np.ones((size, size), np.uint8), borderValue=(0,)) > 0
    rows, columns = np.nonzero(whole)
    if len(rows) == 0:
        return np.zeros((0, 2), np.int64)
    kept = (rows % _HALF == 0) & (columns % _HALF == 0)
    return np.stack([rows[kept], columns[kept]], 1)


def _search_cells(views: tuple[GroundView, GroundView], place: Array, uncertainty: Array, cell: float) -> int | None:
    """How many cells around its place a patch may be found; None where that is too uncertain for now."""
    motion = np.concatenate(
        [way * ground_motion(place, view.T_ground_camera) for way, view in ((1, views[0]), (-1, views[1]))], 1
    )
    sigma = np.sqrt(np.linalg.eigvalsh(motion @ uncertainty @ motion.T)[1])
    if _LEAST_SIGMAS * sigma > _MOST_CELLS * cell:
        return None
    return min(int(np.ceil(3 * sigma / cell)) + _LEAST_CELLS, _MOST_CELLS)


def _match(
    images: list[NDArray[np.float32]], mask: NDArray[np.bool_], row: int, column: int, cells: int
) -> tuple[Array, Array] | None:
    """The way [2] from a patch of the first image to where the second shows it, cells, and its covariance [2, 2]."""
    template = images[0][row - _HALF : row + _HALF + 1, column - _HALF : column + _HALF + 1]
    if template.std() < _LEAST_CONTRAST:
        return None
    reach = _HALF + cells
    top, left = max(row - reach, 0), max(column - reach, 0)
    window = images[1][top : row + reach + 1, left : column + reach + 1]
    scores = np.asarray(cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED), dtype=np.float32)
    at_row, at_column = np.unravel_index(int(scores.argmax()), scores.shape)
    best = float(scores[at_row, at_column])
    inner = 0 < at_row < scores.shape[0] - 1 and 0 < at_column < scores.shape[1] - 1
    found_row, found_column = top + at_row + _HALF, left + at_column + _HALF
    if best < _LEAST_CORRELATION or not inner or not mask[found_row, found_column]:
        return None
    rivals = scores.copy()
    low = [max(at - _RIVAL_CELLS, 0) for at in (at_row, at_column)]
    rivals[low[0] : at_row + _RIVAL_CELLS + 1, low[1] : at_column + _RIVAL_CELLS + 1] = -1
    if rivals.max() > _RIVAL * best:
        return None
    fine = _peak(scores[at_row - 1 : at_row + 2, at_column - 1 : at_column + 2])
    way = np.array([found_column - column, found_row - row], float) + fine
    return way, _way_covariance(template, best)


def _peak(scores: NDArray[np.float32]) -> Array:
    """[2] where, along columns and rows, parabolas through [3, 3] correlations are highest; cells from the middle."""
    out = []
    for before, here, after in (scores[1], scores[:, 1]):
        bend = before - 2 * here + after
        out.append(float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0)
    return np.array(out)


def _way_covariance(template: NDArray[np.float32], correlation: float) -> Array:
    """[2, 2] cells^2: by the slopes of a patch, and by what of its variance the other camera does not share."""
    slopes = [np.gradient(template, axis=axis).ravel() for axis in (1, 0)]
    noise = (1 - correlation) * float(template.var())
    information = np.array([[a @ b for b in slopes] for a in slopes], float)
    return _INFLATION * noise * np.linalg.inv(information + 1e-9 * np.eye(2)) + _FLOOR_CELLS**2 * np.eye(2)
