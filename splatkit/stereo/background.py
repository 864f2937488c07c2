"""Where nothing is: sky, and plain backdrops all around.

Stereo says nothing of areas without texture, and most of them are surfaces: walls, floors. Two things speak against a
surface. Were a surface there, it would go on from the edge of what is measured around it; if other views see measured
surfaces through that place (space carving), it does not: so it is with backdrops. Or the area is open to the sky: it
lies above the horizon and reaches the image's border, without texture or without parallax. The second is weaker, as a
white ceiling looks like that, too: it counts little where all that is measured is about equally far away, as in rooms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.pixel_grid import pixel_centers
from splatkit.stereo.regions import FLAT_VARIANCE, own_texture, reach_alike
from splatkit.stereo.working_views import WorkingImage

_FAR_COST = 0.35  # of the plane at infinity, that shows it is there
_GROWN_PX, _GROWN_COLOR = 8, 4  # over pixels without depth whose colors differ by less from their neighbors'
_LEAST_AREA = 0.002  # of the image
_RAY_STEP = 4  # px between rays that are carved
_BEHIND = 1.02  # times the depth of a place: a surface there is seen through it
_CARVED_LOW, _CARVED_HIGH = 0.5, 0.8  # shares of rays: no evidence, and full evidence
_HORIZON_DEG = -2.0  # rays above are open to the sky
_MOST = 0.95  # of a region
_SKY_CONFIDENCE, _ROOM_CONFIDENCE = 0.8, 0.4
_OPEN_RATIO = 6.0  # between the depths of far and near things where it is not a room
_BORDER_SHARE = 0.02  # of the image's border
_SKY_AROUND, _SKY_COLOR = 101, 12  # px, and difference of colors from the sky's around, that is sky between leaves


@dataclass(frozen=True, eq=False)
class SeenView:
    """A view, and the depths that stereo measured in it."""

    posed: PosedCamera  # pinhole
    depths: NDArray[np.float32]  # [h, w] z, 0 where there is none

    def reduced(self, factor: int) -> "SeenView":
        """The same with a pixel in place of factor by factor, or fewer, whose depth is the middle one's."""
        factor = min(factor, *self.depths.shape)
        camera = self.posed.camera.reduced(factor)
        depths = self.depths[factor // 2 :: factor, factor // 2 :: factor][: camera.height, : camera.width]
        return SeenView(replace(self.posed, camera=camera), depths)


def find_background(
    image: WorkingImage,
    view: SeenView,
    others: Sequence[SeenView],
    far_costs: NDArray[np.float32],
    up: NDArray[np.float64],
    sky_confidence: float,
) -> NDArray[np.float32]:
    """How sure it is, from 0 to 1, that nothing is at a pixel, [h, w].

    Args:
        image: of the view.
        view: to look at.
        others: views from all around; they may be reduced.
        far_costs: [h, w] matching costs of the plane at infinity.
        up: [3] unit, of the world; zeros where it is not known.
        sky_confidence: how sure it is that what is open to the sky is sky; `sky_confidence`.
    """
    empty = (view.depths == 0) & image.usable
    variances, _ = own_texture(image.gray)
    plain = empty & ((variances < FLAT_VARIANCE) | (far_costs < _FAR_COST))
    grown = reach_alike(image.colors, plain, _GROWN_PX, _GROWN_COLOR) & empty
    count, labels, stats, _ = cv2.connectedComponentsWithStats(grown.astype(np.uint8), connectivity=4)
    (rows, columns), carved = _carved(view, others, grown)
    parts = labels[rows, columns]
    above = _above_horizon(view.posed, up)
    confidence, sky = np.zeros(empty.shape, np.float32), np.zeros(empty.shape, bool)
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < _LEAST_AREA * empty.size:
            continue
        inside, rays = labels == part, parts == part
        share = float(carved[rays].mean()) if rays.any() else 0.0
        confidence[inside] = np.clip((share - _CARVED_LOW) / (_CARVED_HIGH - _CARVED_LOW), 0, 1)
        sky |= inside & _is_open(inside, above)
    sky |= empty & _like_sky(image.colors, sky) & above
    confidence = np.where(sky, np.maximum(confidence, np.float32(sky_confidence)), confidence)
    return np.where(image.clear, np.float32(1), confidence)


def sky_confidence(views: Sequence[SeenView]) -> float:
    """How sure it is, from 0 to 1, that what is open to the sky is sky, by how far views reach."""
    depths = [view.depths[view.depths > 0] for view in views]
    measured = np.concatenate(depths) if depths else np.zeros(0)
    if len(measured) == 0:
        return _ROOM_CONFIDENCE
    near, far = np.percentile(measured, (5, 99))
    return _SKY_CONFIDENCE if far > _OPEN_RATIO * near else _ROOM_CONFIDENCE


def up_of(cameras: Sequence[PosedCamera]) -> NDArray[np.float64]:
    """Up [3] in the world by how cameras were held on average; zeros where they were held in all ways."""
    mean = np.mean([-posed.T_world_camera[:3, 1] for posed in cameras], axis=0)
    length = np.linalg.norm(mean)
    return np.asarray(mean / length if length > 0.3 else np.zeros(3))


def _carved(
    view: SeenView, others: Sequence[SeenView], grown: NDArray[np.bool_]
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
    """Rows and columns of some pixels, and whether [R] others see through them at the depth of what is next to them."""
    empty = view.depths == 0
    rows, columns = np.nonzero(grown[::_RAY_STEP, ::_RAY_STEP])
    rows, columns = rows * _RAY_STEP, columns * _RAY_STEP
    free = np.zeros(len(rows), bool)
    if empty.all():
        return (rows, columns), free
    _, (nearest_row, nearest_column) = distance_transform_edt(empty, return_indices=True)
    depths = view.depths[nearest_row[rows, columns], nearest_column[rows, columns]].astype(np.float64)
    origins, directions = view.posed.rays(np.stack([columns + 0.5, rows + 0.5], -1))
    points = origins + directions * depths[:, None]
    for other in others:
        pixels, z = other.posed.image(points)
        x, y = np.floor(pixels[:, 0]), np.floor(pixels[:, 1])
        height, width = other.depths.shape
        inside = (z > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        seen = other.depths[y[inside].astype(np.int64), x[inside].astype(np.int64)]
        free[inside] |= seen > _BEHIND * z[inside]
    return (rows, columns), free


def _is_open(inside: NDArray[np.bool_], above: NDArray[np.bool_]) -> bool:
    """Whether a region [h, w] reaches the image's border and lies above the horizon, as pixels `above` [h, w] do."""
    border = np.concatenate([inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1]])
    return bool(border.mean() > _BORDER_SHARE and above[inside].mean() > _MOST)


def _above_horizon(posed: PosedCamera, up: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels [h, w] whose rays do not lead down."""
    camera = posed.camera
    directions = posed.rays(pixel_centers(camera, slice(0, camera.height)))[1]
    rises = directions @ up / np.linalg.norm(directions, axis=1)
    return np.asarray((rises > np.sin(np.deg2rad(_HORIZON_DEG))) & up.any()).reshape(camera.height, camera.width)


def _like_sky(colors: NDArray[np.uint8], sky: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels [h, w] whose color is that of the sky around them."""
    side = (_SKY_AROUND, _SKY_AROUND)
    weights = cv2.blur(sky.astype(np.float32), side)
    means = (
        cv2.blur(np.where(sky[..., None], colors, 0).astype(np.float32), side) / np.maximum(weights, 1e-6)[..., None]
    )
    return np.asarray((np.abs(colors - means).max(-1) <= _SKY_COLOR) & (weights > 1e-4))
