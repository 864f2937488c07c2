"""Which planes to believe, and how far: depths with standard deviations.

A pixel is kept where enough other views agree for what its matching cost is, where its window has texture of its own,
and where it belongs to a piece of surface that is more than a speckle and is known to a few percent.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.ops.stereo import Agreement, MatchedPlanes
from splatkit.stereo.regions import FLAT_VARIANCE, own_texture, reach_alike
from splatkit.stereo.working_views import WorkingImage

# The largest matching cost that is believed, by how many views agree: 0, 1, 2 and so on.
_MOST_COST = np.array([0.0, 0.35, 0.6, 0.7, 0.8, 0.8])
_MOST_THROUGH = 0.5  # times the agreeing views: how many others may see a surface behind
_LEAST_TEXTURED = 0.5  # share of a window that has texture itself
_PEEL_STEPS, _PEEL_COLOR = 6, 4  # px, and difference of colors of 255
_SPECKLE = 60  # px; smaller pieces are dropped
_LOG_STEPS, _SAME_PIECE = 1000.0, 20  # depths in steps of 0.1 %; neighbors of a piece differ by at most 2 %
# Standard deviations come from what can be seen of errors: how far views differ around a pixel, and how far its depth
# is from the mean around it. Factors were found on generated scenes with exact depth.
_FLOOR_PX, _FLOOR_PX_PER_COST = 0.01, 0.025
_BY_SCATTER, _BY_ROUGHNESS, _BY_GAPS = 0.77, 0.55, 1.3
_SCATTER_WINDOW, _ROUGHNESS_WINDOW, _GAP_WINDOW = 5, 7, 9  # px
_INNER = np.ones((3, 3), np.uint8)
_FLAT_STEP = 1.03  # ratio of depths within a coarse pixel's neighborhood that is no edge
_COARSE_FACTOR = 1.5  # on deviations of what a coarser image found
_MOST_DEVIATION = 0.05  # of the depth: a depth that is less sure is none
_LEAST_SHARE = 0.03  # of a view's usable pixels: where fewer are kept, they agree by chance


@dataclass(frozen=True, eq=False)
class JudgedView:
    """What is believed of a view; 0 where nothing is."""

    depths: NDArray[np.float32]  # [h, w] z
    sigmas: NDArray[np.float32]  # [h, w] standard deviation
    normals: NDArray[np.float32]  # [h, w, 3] camera's frame


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
    kept = (costs < most) & (agreement.through.numpy() <= _MOST_THROUGH * agreeing) & image.usable & _has_texture(image)
    kept &= _in_pieces(agreement.depths.numpy(), kept)
    nothing = np.float32(0)
    depths = np.where(kept, agreement.depths.numpy(), nothing)
    sigmas = _sigmas(depths, costs, agreement)
    kept &= sigmas < _MOST_DEVIATION * depths
    normals = np.where(kept[..., None], plane_normals(found.planes.numpy(), camera), nothing)
    return JudgedView(np.where(kept, depths, nothing), np.where(kept, sigmas, nothing), normals)


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

    sigmas = filled(fine.sigmas, coarse.sigmas * np.float32(_COARSE_FACTOR))
    return JudgedView(filled(fine.depths, coarse.depths), sigmas, filled(fine.normals, coarse.normals))


def unless_by_chance(judged: JudgedView, usable: NDArray[np.bool_]) -> JudgedView:
    """The same, or nothing where so few of the usable pixels [h, w] are kept that they may agree by chance.

    Beside wrong poses or hardly any overlap, two views find a few windows that look alike and confirm each other.
    """
    if (judged.depths > 0).sum() >= _LEAST_SHARE * usable.sum():
        return judged
    return JudgedView(*(np.zeros_like(values) for values in (judged.depths, judged.sigmas, judged.normals)))


def plane_normals(planes: NDArray[np.floating], camera: Camera) -> NDArray[np.float32]:
    """Unit normals [h, w, 3] toward the camera, in its frame, of planes [h, w, 3]; zeros of none."""
    x, y, constant = (planes[..., axis] for axis in range(3))
    away = np.stack([x * camera.fx, y * camera.fy, constant + x * (camera.cx - 0.5) + y * (camera.cy - 0.5)], -1)
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 0, -away / np.where(length > 0, length, 1), 0), np.float32)


def _sigmas(depths: NDArray[np.float32], costs: NDArray[np.float32], agreement: Agreement) -> NDArray[np.float32]:
    """Standard deviations [h, w] of kept depths, the others 0."""
    kept, count = depths > 0, np.maximum(agreement.agreeing.numpy(), 1)
    gain = np.sqrt(np.maximum(agreement.information.numpy(), 1e-30) / count)  # px a unit of depth, in a typical view
    scatter = agreement.scatter.numpy() ** 2 * (count + 1) / count * gain**2
    inverse = np.where(kept, 1 / np.where(kept, depths, 1), 0)
    roughness = (inverse - _mean_around(inverse, kept, _ROUGHNESS_WINDOW)) * depths**2 * gain
    gaps = 1 - cv2.blur(kept.astype(np.float32), (_GAP_WINDOW, _GAP_WINDOW), borderType=cv2.BORDER_REPLICATE)
    floor = _FLOOR_PX + _FLOOR_PX_PER_COST * costs
    square = floor**2 + _BY_SCATTER**2 * _mean_around(scatter, kept, _SCATTER_WINDOW) + (_BY_ROUGHNESS * roughness) ** 2
    return np.asarray(np.sqrt(square) * (1 + _BY_GAPS * gaps) / gain, np.float32)


def _mean_around(values: NDArray[np.floating], kept: NDArray[np.bool_], side: int) -> NDArray[np.float64]:
    """Means [h, w] of kept values, none below 0, in squares of side px; 0 where none is kept."""
    weights = kept.astype(np.float64)
    sums, counts = (cv2.blur(array, (side, side)) for array in (np.where(kept, values, 0.0), weights))
    return np.asarray(np.maximum(sums, 0) / np.maximum(counts, 1e-6))


def _has_texture(image: WorkingImage) -> NDArray[np.bool_]:
    """Pixels [h, w] whose windows vary, do so in most places, and do not look like a flat area that is near.

    Beside a flat area a window matches what lies beyond the edge, and the pixel would take that depth.
    """
    variances, shares = own_texture(image.gray)
    near_flat = reach_alike(image.colors, variances < FLAT_VARIANCE, _PEEL_STEPS, _PEEL_COLOR)
    return np.asarray((variances > FLAT_VARIANCE) & (shares > _LEAST_TEXTURED) & ~near_flat)


def _in_pieces(depths: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels [h, w] in connected pieces that are larger than speckles."""
    if not kept.any():
        return kept
    logs = np.log(np.where(kept, depths, 1.0))
    logs -= logs[kept].min()
    steps = np.where(kept, np.minimum(logs * _LOG_STEPS, 32000), -32000).astype(np.int16)
    cv2.filterSpeckles(steps, -32000, _SPECKLE, _SAME_PIECE)
    return np.asarray(steps > -32000)
