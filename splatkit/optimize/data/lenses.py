"""Lenses of photographs: which are rectified to pinholes, and what a pinhole or a native fisheye sees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io import rectification
from splatkit.io.transforms_json import Frame


@dataclass(frozen=True)
class Lens:
    """The camera that took an image, and the one that training sees it by."""

    stored: Camera
    trained: Camera  # the same where there is no distortion, or where training has the lens's own

    @property
    def is_native(self) -> bool:
        """Whether the image stays as it is."""
        return self.trained == self.stored


def lens_of(frame: Frame, native_fisheye: bool) -> Lens:
    """The lens of a frame; distortion is removed but for fisheyes, where those may stay as they are.

    Raises:
        DatasetError: a camera model that cannot be splatted.
    """
    camera = frame.camera
    if camera.model == "equirectangular":
        raise DatasetError(
            f"{frame.image_path}: equirectangular images cannot be splatted; cut them into pinhole views"
        )
    if camera.is_pinhole or (camera.model == "kannala_brandt" and native_fisheye):
        return Lens(camera, camera)
    return Lens(camera, camera.rectified())


def trained_camera(frame: Frame, lens: Lens) -> PosedCamera:
    """The camera that training sees a frame by."""
    return PosedCamera(frame.file_path, lens.trained, frame.T_world_camera)


def rectify(image: NDArray[np.uint8], lens: Lens, interpolation: int) -> NDArray[np.uint8]:
    """An image [H, W, ...] of the lens as the camera of training sees it."""
    return image if lens.is_native else rectification.rectify(image, lens.stored, lens.trained, interpolation)


def rectify_positions(positions: NDArray[np.float64], lens: Lens) -> NDArray[np.float64]:
    """Where positions [N, 2] (px) in the image of the lens are in that of the camera of training.

    A rectification turns nothing, so that the z-depth of what is seen there stays what it was. NaN where the lens shows
    nothing.
    """
    if lens.is_native or len(positions) == 0:
        return positions
    return np.asarray(lens.trained.image(lens.stored.unproject(positions, np.ones(len(positions)))))
