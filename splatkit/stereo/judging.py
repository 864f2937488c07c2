"""Which planes to believe, and how far: depths with standard deviations.

A pixel is kept where enough other views agree for what its matching cost is, where its window has texture of its own,
and where it belongs to a piece of surface that is more than a speckle.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.ops.stereo import Agreement, MatchedPlanes, WindowSettings, window_texture
from splatkit.stereo.working_views import WorkingImage

# The largest matching cost that is believed, by how many views agree: 0, 1, 2 and so on.
_MOST_COST = np.array([0.0, 0.2, 0.5, 0.6, 0.7, 0.8])
_MOST_THROUGH = 1  # views that may see a surface behind
_LEAST_VARIANCE = 2.0  # of grays in a window that was matched
_LEAST_TEXTURED = 0.5  # share of a window that has texture itself
_SUPPORT = WindowSettings(color_sigma=12.0, space_sigma=1e3)  # what belongs to a pixel, however far in its window
_PEEL_STEPS, _PEEL_COLOR = 6, 4  # px, and difference of colors of 255
_SPECKLE = 60  # px; smaller pieces are dropped
_LOG_STEPS, _SAME_PIECE = 1000.0, 20  # depths in steps of 0.1 %; neighbors of a piece differ by at most 2 %
# Standard deviation of matching with 6 views, px: this and as much for each unit of cost.
_MATCH_PX, _MATCH_PX_PER_COST = 0.045, 0.45
_FLOOR_PX = 0.03
_TYPICAL_VIEWS = 6
_SLOPE_PX = 0.05  # of a pixel: where in it the depth is
_INNER = np.ones((3, 3), np.uint8)
_FLAT_STEP = 1.03  # ratio of depths within a coarse pixel's neighborhood that is no edge
_COARSE_FACTOR = 1.5  # on deviations of what a coarser image found


@dataclass(frozen=True, eq=False)
class JudgedView:
    """What is believed of a view; 0 where nothing is."""

    depths: NDArray[np.float32]  # [h, w] z
    normals: NDArray[np.float32]  # [h, w, 3] camera's frame
    matching: NDArray[np.float32]  # [h, w] standard deviation by what matching can tell, before the dataset's scale
    scatter: NDArray[np.float32]  # [h, w] of the mean over agreeing views, and by the slope within a pixel

    def sigmas(self, scale: float) -> NDArray[np.float32]:
        """Standard deviations [h, w], with matching `scale` times as uncertain."""
        return np.asarray(np.hypot(self.matching * scale, self.scatter), np.float32)

    def without(self, dropped: NDArray[np.bool_]) -> "JudgedView":
        """The same with nothing where [h, w] is True."""
        depths, matching, scatter = (
            np.where(dropped, np.float32(0), values) for values in (self.depths, self.matching, self.scatter)
        )
        return JudgedView(depths, np.where(dropped[..., None], np.float32(0), self.normals), matching, scatter)


def judge_view(image: WorkingImage, camera: Camera, found: MatchedPlanes, agreement: Agreement) -> JudgedView:
    """Keep what can be believed of a view.

    Args:
        image: at the camera's resolution.
        camera: a pinhole.
        found: planes of its pixels.
        agreement: what its neighbors say.
    """
    agreeing, costs = agreement.agreeing.numpy(), found.costs.numpy()
    most = _MOST_COST[np.minimum(agreeing.astype(np.int64), len(_MOST_COST) - 1)]
    through = np.minimum(_MOST_THROUGH, agreeing / 2)
    kept = (costs < most) & (agreement.through.numpy() <= through) & image.usable & _has_texture(image)
    return _described(camera, found, agreement).without(~(kept & _in_pieces(agreement.depths.numpy(), kept)))


def scatter_ratios(judged: JudgedView) -> NDArray[np.float32]:
    """How large the scatter between views is against what matching should give, for each kept pixel [K]."""
    there = judged.matching > 0
    return judged.scatter[there] / judged.matching[there]


def fill_from_coarse(fine: JudgedView, coarse: JudgedView, factor: int) -> JudgedView:
    """Where the fine image tells nothing, what the coarser one is sure of; not at borders of depth.

    Args:
        fine: of the image.
        coarse: of the same image with `factor` times fewer pixels on each side.
        factor: see there.
    """
    height, width = fine.depths.shape
    there = (coarse.depths > 0).astype(np.uint8)
    least = cv2.erode(np.where(there, coarse.depths, np.float32(np.inf)), _INNER)
    inner = (cv2.erode(there, _INNER) > 0) & (cv2.dilate(coarse.depths, _INNER) / _FLAT_STEP < least)
    rows = np.minimum(np.arange(height) // factor, there.shape[0] - 1)
    columns = np.minimum(np.arange(width) // factor, there.shape[1] - 1)
    take = inner[rows][:, columns] & (fine.depths == 0)

    def filled(values: NDArray[np.float32], coarser: NDArray[np.float32]) -> NDArray[np.float32]:
        out = values.copy()
        out[take] = coarser[rows][:, columns][take]
        return out

    wider = replace(coarse, matching=coarse.matching * _COARSE_FACTOR, scatter=coarse.scatter * _COARSE_FACTOR)
    return JudgedView(
        filled(fine.depths, wider.depths),
        filled(fine.normals, wider.normals),
        filled(fine.matching, wider.matching),
        filled(fine.scatter, wider.scatter),
    )


def plane_normals(planes: NDArray[np.floating], camera: Camera) -> NDArray[np.float32]:
    """Unit normals [h, w, 3] toward the camera, in its frame, of planes [h, w, 3]; zeros of none."""
    x, y, constant = (planes[..., axis] for axis in range(3))
    away = np.stack([x * camera.fx, y * camera.fy, constant + x * (camera.cx - 0.5) + y * (camera.cy - 0.5)], -1)
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 0, -away / np.where(length > 0, length, 1), 0), np.float32)


def _described(camera: Camera, found: MatchedPlanes, agreement: Agreement) -> JudgedView:
    """All pixels with their depths and deviations, believed or not."""
    depths, scatter, information, count = (
        values.numpy() for values in (agreement.depths, agreement.scatter, agreement.information, agreement.agreeing)
    )
    views = count + 1
    normals = plane_normals(found.planes.numpy(), camera)
    gain = np.sqrt(np.maximum(information, 1e-30) / np.maximum(count, 1))  # px a unit of depth, in a typical view
    matching_px = (_MATCH_PX + _MATCH_PX_PER_COST * found.costs.numpy()) * np.sqrt(_TYPICAL_VIEWS / views)
    slope = np.hypot(found.planes[..., 0].numpy(), found.planes[..., 1].numpy()) * depths**2  # depth a px
    mean = np.hypot(scatter / np.sqrt(views), _SLOPE_PX * slope)
    matching = np.hypot(matching_px, _FLOOR_PX) / gain
    return JudgedView(depths, normals, matching.astype(np.float32), mean.astype(np.float32))


def _has_texture(image: WorkingImage) -> NDArray[np.bool_]:
    """Pixels [h, w] whose windows vary, do so in most places, and do not look like a flat area that is near."""
    variances, shares = (
        values.numpy() for values in window_texture(torch.from_numpy(image.gray), _LEAST_VARIANCE, _SUPPORT)
    )
    return (
        (variances > _LEAST_VARIANCE) & (shares > _LEAST_TEXTURED) & ~_peeled(image.colors, variances < _LEAST_VARIANCE)
    )


def _peeled(colors: NDArray[np.uint8], flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that are reached from flat ones in a few steps without an edge: their windows match what lies beyond it."""
    values = colors.astype(np.int16)
    pairs = [(np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])]
    alike = [np.abs(values[a] - values[b]).max(-1) <= _PEEL_COLOR for a, b in pairs]
    reached = flat
    for _ in range(_PEEL_STEPS):
        before, reached = reached, reached.copy()
        for (a, b), same in zip(pairs, alike, strict=True):
            reached[a] |= same & before[b]
            reached[b] |= same & before[a]
    return reached


def _in_pieces(depths: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels [h, w] in connected pieces that are larger than speckles."""
    if not kept.any():
        return kept
    logs = np.log(np.where(kept, depths, 1.0))
    logs -= logs[kept].min()
    steps = np.where(kept, np.minimum(logs * _LOG_STEPS, 32000), -32000).astype(np.int16)
    cv2.filterSpeckles(steps, -32000, _SPECKLE, _SAME_PIECE)
    return np.asarray(steps > -32000)
