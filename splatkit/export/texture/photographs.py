"""The photographs of a run as they were taken: each with its own lens, its mask, and where it stood.

They are not rectified: that would resample them once more, and cut the corners off a fisheye's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, read_image, read_mask
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map
from splatkit.runs.views import RunView

_OPAQUE = 250  # of 255; what a pixel shows that is less opaque is partly something else


@dataclass(frozen=True)
class Photograph:
    """A photograph with its pixels."""

    posed: PosedCamera  # by the lens that took it, at the resolution of `image`
    image: NDArray[np.uint8]  # [H, W, 3]
    usable: NDArray[np.bool_]  # [H, W] by mask and opacity
    opacities: NDArray[np.float32] | None = None  # [H, W] in [0, 1], NaN where masked; None: opaque, without a mask

    def over_black(self) -> NDArray[np.float32]:
        """[H, W, 3] in [0, 1], black where it is transparent."""
        image = self.image / np.float32(255)
        return image if self.opacities is None else image * np.nan_to_num(self.opacities, nan=1.0)[..., None]

    def unmasked(self) -> NDArray[np.bool_]:
        """[H, W] what no mask excludes, transparent or not."""
        return np.ones_like(self.usable) if self.opacities is None else np.isfinite(self.opacities)


def check_photographs(views: Sequence[RunView]) -> None:
    """Look at the files, so that a missing one is known at once.

    Raises:
        DatasetError: a photograph cannot be read, or has another size than its camera; the message names it.
    """
    for view in views:
        path, camera = view.image_path, view.photographed.camera
        if not path.is_file():
            raise DatasetError(f"{path}: this photograph is gone; surface and colors come from it")
        if (size := image_size(path)) != (camera.width, camera.height):
            raise DatasetError(
                f"{path}: the photograph has {size[0]}x{size[1]} px, its camera {camera.width}x{camera.height}"
            )


def read_photograph(view: RunView, reduction: int = 1) -> Photograph:
    """Pixels of a view, averaged over blocks of `reduction` x `reduction`; its camera changes with them.

    Raises:
        DatasetError: photograph or mask cannot be read, or their sizes differ; the message names the file.
    """
    if not view.image_path.is_file():
        raise DatasetError(f"{view.image_path}: this photograph is gone; surface and colors come from it")
    image = read_image(view.image_path)
    opacities = _opacities(view, image)
    image = np.ascontiguousarray(image[..., :3])
    usable = np.ones(image.shape[:2], dtype=bool) if opacities is None else opacities >= (_OPAQUE - 0.5) / 255
    if reduction == 1:
        return Photograph(view.photographed, image, usable, opacities)
    camera = reduced_camera(view.photographed.camera, reduction)
    size = (camera.width, camera.height)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    allowed = np.asarray(cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)) > 1 - 1e-3
    if opacities is not None:
        opacities = np.asarray(cv2.resize(opacities, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return Photograph(replace(view.photographed, camera=camera), small, allowed, opacities)


def _opacities(view: RunView, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """See `Photograph`, of pixels [H, W, 3 or 4]."""
    opacities = image[..., 3] / np.float32(255) if image.shape[2] == 4 else None
    if view.mask_path is None:
        return opacities
    mask = read_mask(view.mask_path)
    if mask.shape != image.shape[:2]:
        raise DatasetError(f"{view.mask_path}: the mask's size differs from that of its photograph")
    return np.where(mask, np.float32(1) if opacities is None else opacities, np.float32(np.nan))


def read_measured(view: RunView) -> DepthMap | None:
    """Depths that were measured in a view, at the size that they were stored in; None where there are none.

    Raises:
        FileNotFoundError, DatasetError: a file of the view's depths cannot be read; names it.
    """
    if view.depth_path is None:
        return None
    return read_depth_map(view.depth_path, view.depth_sigma_path, view.depth_unit)


def reduced_camera(camera: Camera, reduction: int) -> Camera:
    """The same lens before an image of fewer pixels, of which at least one is left along each side."""
    return camera.scaled(max(camera.width // reduction, 1), max(camera.height // reduction, 1))
