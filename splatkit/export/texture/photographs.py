"""The photographs of a run as they were taken: each with its own lens, its mask, and where it stood.

They are not rectified: that would resample them once more, and cut the corners off a fisheye's.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.images import image_size, read_image, read_mask
from splatkit.io.transforms_json import Frame, Intrinsics, read_transforms
from splatkit.optimize.load_run import RunCameras

_OPAQUE = 250  # of 255; what a pixel shows that is less opaque is partly something else


@dataclass(frozen=True)
class View:
    """Where a photograph was taken from, by which lens, and its files."""

    path: Path
    mask_path: Path | None
    camera: Intrinsics
    viewmat: NDArray[np.float64]  # [4, 4] dataset frame to camera, OpenCV axes


@dataclass(frozen=True)
class Photograph:
    """A view with its pixels."""

    view: View
    image: NDArray[np.uint8]  # [H, W, 3]
    usable: NDArray[np.bool_]  # [H, W] by mask and opacity


def views_of(dataset: Path, cameras: RunCameras) -> list[View]:
    """The photographs of a dataset's cameras; their files are looked at, so that a missing one is known at once.

    Raises:
        DatasetError: a photograph cannot be read, or has another size than its camera; the message names it.
    """
    frames = _frames(dataset)
    views = []
    for index, path in enumerate(cameras.image_paths):
        frame = frames.get(path)
        camera = _pinhole(cameras, index) if frame is None else frame.intrinsics
        if not path.is_file():
            raise DatasetError(f"{path}: this photograph is gone; textures need it (or pass --texture none)")
        if (size := image_size(path)) != (camera.width, camera.height):
            raise DatasetError(
                f"{path}: the photograph has {size[0]}x{size[1]} px, its camera {camera.width}x{camera.height}"
            )
        mask_path = None if frame is None else frame.mask_path
        views.append(View(path, mask_path, camera, cameras.viewmats[index].double().numpy()))
    return views


def read_photograph(view: View, reduction: int = 1) -> Photograph:
    """Pixels of a view, averaged over blocks of `reduction` x `reduction`; its camera changes with them.

    Raises:
        DatasetError: photograph or mask cannot be read, or their sizes differ; the message names the file.
    """
    if not view.path.is_file():
        raise DatasetError(f"{view.path}: this photograph is gone; textures need it (or pass --texture none)")
    image = read_image(view.path)
    usable = np.ones(image.shape[:2], dtype=bool)
    if image.shape[2] == 4:
        usable = image[..., 3] >= _OPAQUE
        image = np.ascontiguousarray(image[..., :3])
    if view.mask_path is not None:
        mask = read_mask(view.mask_path)
        if mask.shape != usable.shape:
            raise DatasetError(f"{view.mask_path}: the mask's size differs from that of its photograph")
        usable &= mask
    if reduction == 1:
        return Photograph(view, image, usable)
    camera = reduced_camera(view.camera, reduction)
    size = (camera.width, camera.height)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    allowed = np.asarray(cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)) > 1 - 1e-3
    return Photograph(replace(view, camera=camera), small, allowed)


def reduced_camera(camera: Intrinsics, reduction: int) -> Intrinsics:
    """The same lens before an image of fewer pixels; distortion is of rays and stays."""
    width, height = max(camera.width // reduction, 1), max(camera.height // reduction, 1)
    x, y = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fl_x=camera.fl_x * x,
        fl_y=camera.fl_y * y,
        cx=camera.cx * x,
        cy=camera.cy * y,
    )


def _frames(dataset: Path) -> dict[Path, Frame]:
    """Frames of a transforms.json by their image; none where the run had another kind of dataset."""
    try:
        # Training has read the same files, and asked for this where it was needed.
        transforms = read_transforms(dataset, allow_outside=True)
    except FileNotFoundError:
        return {}
    return {frame.image_path: frame for frame in transforms.frames}


def _pinhole(cameras: RunCameras, index: int) -> Intrinsics:
    width, height = cameras.sizes[index].tolist()
    K = cameras.Ks[index].double().numpy()
    return Intrinsics("PINHOLE", width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
