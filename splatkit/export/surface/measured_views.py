"""What was measured in a photograph, by the pinhole that its run is rendered by: depths, normals, and where nothing is.

A rectification turns nothing, so z-depths, standard deviations and normals keep their values. A pixel takes those of
the stored pixel that its ray meets; where that one has a normal, its depth is where the ray meets the plane.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import read_image, read_mask
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.maps.normal_maps import read_normal_map
from splatkit.io.rectification import rectify
from splatkit.runs.views import RenderedView, RunView

Pixel = TypeVar("Pixel", bound=np.generic)

SURE = 0.5  # confidence that nothing is there, from which a pixel counts as empty
_MOST_TILT = 0.05  # of its depth that a plane may change within its pixel
_EDGE_ON = 1e-6  # cosine of a plane's normal with a ray that says nothing of its depth
UNKNOWN_SHARE = 0.01  # of the depth: its deviation where a dataset states none
AGREEING_SIGMAS = 4.0  # by which a rendered and a measured depth may differ and be of one surface
UNCOMPARED = 1.0  # footprints that rendered depths err where nothing tells
_OPAQUE, _SHARP_PX = 0.9, 2.0  # alpha and, in footprints, spread of what is surely rendered
_BEFORE_PX = 3.0  # footprints, beyond what both err, that something rendered lies before what was measured
_SIGMA_OF_MEDIAN = 1.4826  # of normally distributed numbers
_FEWEST_COMPARED = 100  # pixels
_LEAST_ERROR, _LARGEST_ERROR = 0.3, 10.0  # footprints
UNKNOWN_ALPHA = 0.3  # of pixels of which nothing is known: neither empty nor a surface


@dataclass(frozen=True)
class MeasuredView:
    """What was measured of a view, [H, W] pixels of a pinhole."""

    depths: NDArray[np.float32]  # [H, W] z; 0 where nothing was measured
    sigmas: NDArray[np.float32]  # [H, W] standard deviations of the depths
    normals: NDArray[np.float32]  # [H, W, 3] unit, camera's frame; zeros where there is none
    empty: NDArray[np.bool_]  # [H, W] where nothing is


def read_measured_view(view: RunView, camera: Camera) -> MeasuredView:
    """What was measured in a photograph, as a pinhole of its pose sees it.

    Args:
        view: the photograph with its files.
        camera: the pinhole, of any resolution.

    Raises:
        FileNotFoundError, DatasetError: a file cannot be read; it is named.
    """
    assert view.depth_path is not None
    stored = read_depth_map(view.depth_path, view.depth_sigma_path, view.depth_unit)
    rays = _rays(camera)
    places = _places(view.photographed.camera, rays)
    depths = _looked_up(stored.depths, places)
    sigmas = _looked_up(stored.sigmas, places)
    sigmas = np.where((depths > 0) & (sigmas == 0), UNKNOWN_SHARE * depths, sigmas)
    normals = np.zeros((*depths.shape, 3), np.float32)
    if view.normal_path is not None:
        stored_normals = read_normal_map(view.normal_path)
        if stored_normals.shape[:2] != stored.depths.shape:
            raise DatasetError(
                f"{view.normal_path}: the normal map has {stored_normals.shape[1]}x{stored_normals.shape[0]} px, its "
                f"depths {stored.depths.shape[1]}x{stored.depths.shape[0]}"
            )
        normals = _looked_up(stored_normals, places)
        depths = _tilted(depths, normals, rays, _stored_rays(view.photographed.camera, stored.depths.shape, places))
    empty = np.zeros(depths.shape, bool)
    if view.background_path is not None:
        empty = (_looked_up(read_background_map(view.background_path), places) >= SURE) & (depths == 0)
    allowed = _allowed(view, places)
    return MeasuredView(np.where(allowed, depths, 0), sigmas, normals, empty & allowed)


def see_measured(view: RunView, posed: PosedCamera) -> RenderedView:
    """A view of which nothing is rendered: what was measured, and the photograph's colors."""
    height, width = posed.camera.height, posed.camera.width
    nothing, image = torch.zeros(height, width), _image(view, posed.camera)
    unknown = RenderedView(
        posed, nothing, nothing, torch.zeros(height, width, 3), torch.full((height, width), UNKNOWN_ALPHA), image
    )
    return add_measured(unknown, read_measured_view(view, posed.camera))


def add_measured(rendered: RenderedView, measured: MeasuredView) -> RenderedView:
    """A rendered view together with what was measured in it.

    How far rendered depths err is told by the pixels in which depths were measured too. Where the two agree within what
    they err, a pixel has their mean, weighted by the inverse of their variances. Where they do not, what was measured
    holds, unless something opaque is rendered clearly before it: comparing photographs paints the background over thin
    things, which training sees. What is known to be empty is empty.
    """
    depths, sigmas, empty = (torch.from_numpy(x) for x in (measured.depths, measured.sigmas, measured.empty))
    footprint = 2 / (rendered.K[0, 0] + rendered.K[1, 1])  # of a pixel, in shares of the depth
    error = rendered_error(rendered, depths, sigmas) * footprint * rendered.depths
    rendered_sigmas = torch.hypot(error, rendered.spreads.nan_to_num(0, 0, 0))
    limit = AGREEING_SIGMAS * torch.hypot(rendered_sigmas, sigmas)
    known = (rendered.depths > 0) & (rendered.alphas > 0)
    sharp = known & (rendered.alphas > _OPAQUE) & (rendered.spreads.abs() < _SHARP_PX * footprint * depths)
    hidden = sharp & (depths - rendered.depths > limit + _BEFORE_PX * footprint * depths)
    there = (depths > 0) & ~hidden
    both = there & known & ((rendered.depths - depths).abs() <= limit)
    trust = torch.where(both, rendered_sigmas.square() / (sigmas.square() + rendered_sigmas.square()), 1)
    mixed = trust * depths + (1 - trust) * rendered.depths
    normals = torch.from_numpy(measured.normals) @ rendered.viewmat[:3, :3]  # rows: R^T n
    pointed = there & normals.any(-1)
    return rendered._replace(
        depths=torch.where(there, mixed, torch.where(empty, 0, rendered.depths)),
        spreads=torch.where(there | empty, 0, rendered.spreads),
        normals=torch.where(pointed[..., None], normals, rendered.normals),
        alphas=torch.where(there, 1, torch.where(empty, 0, rendered.alphas)),
        sigmas=torch.where(there, sigmas * trust.sqrt(), rendered_sigmas),
        measured=there,
    )


def rendered_error(rendered: RenderedView, depths: torch.Tensor, sigmas: torch.Tensor) -> float:
    """How far rendered depths typically err beyond their spread, in footprints of a pixel.

    Args:
        rendered: the view.
        depths: [H, W] measured z, 0 where none.
        sigmas: [H, W] their standard deviations.

    Returns:
        One standard deviation, of the middle of the differences; `UNCOMPARED` where few pixels have both.
    """
    both = _compared(rendered, depths)
    if both is None:
        return UNCOMPARED
    footprints = depths[both] * 2 / (rendered.K[0, 0] + rendered.K[1, 1])
    found = float(((rendered.depths - depths)[both].abs() / footprints).median()) * _SIGMA_OF_MEDIAN
    own = float((sigmas[both] / footprints).median())
    return min(max(max(found**2 - own**2, 0.0) ** 0.5, _LEAST_ERROR), _LARGEST_ERROR)


def measured_over_rendered(rendered: RenderedView, measured: MeasuredView) -> float | None:
    """The median ratio of depths in pixels that have both; None where too few have. Other units stand out."""
    depths = torch.from_numpy(measured.depths)
    both = _compared(rendered, depths)
    return None if both is None else float((depths[both] / rendered.depths[both]).median())


def _compared(rendered: RenderedView, depths: torch.Tensor) -> torch.Tensor | None:
    """Pixels [H, W] with a rendered and a measured depth; None where there are too few."""
    both = (depths > 0) & (rendered.depths > 0) & (rendered.alphas > 0.5)
    return None if int(both.sum()) < _FEWEST_COMPARED else both


def _rays(camera: Camera) -> NDArray[np.float64]:
    """[H, W, 3] with z = 1 through pixel centers."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    return np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.ones((camera.height, camera.width))], -1)


def _places(lens: Camera, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """[H, W, 2] where rays meet the photograph, in shares of its width and height."""
    pixels = lens.image(rays.reshape(-1, 3)) / np.array([lens.width, lens.height])
    return np.nan_to_num(pixels, nan=-1.0).reshape(*rays.shape[:2], 2)


def _indices(shape: tuple[int, ...], places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size = np.array([shape[1], shape[0]])
    column, row = np.floor(places * size).astype(np.int64).clip(-1, size).transpose(2, 0, 1)
    return row, column


def _looked_up(image: NDArray[Pixel], places: NDArray[np.float64]) -> NDArray[Pixel]:
    """Values of the pixels that places lie in; zeros outside."""
    row, column = _indices(image.shape, places)
    inside = (row >= 0) & (column >= 0) & (row < image.shape[0]) & (column < image.shape[1])
    out = np.zeros((*places.shape[:2], *image.shape[2:]), image.dtype)
    out[inside] = image[row[inside], column[inside]]
    return out


def _tilted(
    depths: NDArray[np.float32],
    normals: NDArray[np.float32],
    rays: NDArray[np.float64],
    stored_rays: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Where rays [H, W, 3] meet the planes of the stored pixels, whose own rays are `stored_rays`."""
    own, here = (normals * stored_rays).sum(-1), (normals * rays).sum(-1)
    facing = np.abs(here) > _EDGE_ON
    ratio = np.where(facing, own / np.where(facing, here, 1), 1)
    return (depths * np.where(np.abs(ratio - 1) <= _MOST_TILT, ratio, 1)).astype(np.float32)


def _stored_rays(lens: Camera, shape: tuple[int, ...], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """[H, W, 3] with z = 1 through the centers of the stored pixels that places lie in."""
    row, column = _indices(shape, places)
    pixels = np.stack([(column + 0.5) * lens.width / shape[1], (row + 0.5) * lens.height / shape[0]], -1)
    tangents = np.nan_to_num(lens.tangents(pixels.reshape(-1, 2))).reshape(*places.shape)
    return np.concatenate([tangents, np.ones((*places.shape[:2], 1))], -1)


def _allowed(view: RunView, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[H, W] which pixels count, by the photograph's mask."""
    if view.mask_path is None:
        return np.ones(places.shape[:2], bool)
    return _looked_up(read_mask(view.mask_path), places)


def _image(view: RunView, camera: Camera) -> torch.Tensor:
    """[H, W, 3] in [0, 1] of the photograph."""
    image, lens = read_image(view.image_path)[..., :3], view.photographed.camera
    full = camera.scaled(view.rendered.width, view.rendered.height)
    if not lens.is_pinhole:
        image = rectify(np.ascontiguousarray(image), lens, full, cv2.INTER_LINEAR)
    small = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)
