"""Images without lens distortion. A rectification turns nothing: poses and z-depths stay what they were."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera

Pixel = TypeVar("Pixel", np.uint8, np.float32)


def rectify(image: NDArray[Pixel], camera: Camera, target: Camera, interpolation: int) -> NDArray[Pixel]:
    """Resample an image [H, W, ...] of `camera` as `target` sees it, by one of OpenCV's interpolations.

    OpenCV counts pixels from the center of the first one, splatkit from its corner.
    """
    rows, columns = np.mgrid[0 : target.height, 0 : target.width] + 0.5
    rays = target.unproject(np.stack([columns.ravel(), rows.ravel()], -1), np.ones(rows.size))
    positions = (camera.image(rays) - 0.5).astype(np.float32).reshape(target.height, target.width, 2)
    resampled = cv2.remap(image, positions[..., 0], positions[..., 1], interpolation)
    return np.asarray(resampled, dtype=image.dtype)
