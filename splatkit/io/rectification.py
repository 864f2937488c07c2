"""Images without lens distortion. A rectification turns nothing: poses and z-depths stay what they were.

OpenCV counts pixels from the center of the first one, splatkit from its corner: hence the halves.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.transforms_json import Intrinsics

Pixel = TypeVar("Pixel", np.uint8, np.float32)


def rectified_matrix(camera: Intrinsics) -> NDArray[np.float64]:
    """K [3, 3] px of the pinhole camera whose whole image, of the same size, an image of `camera` shows.

    Raises:
        DatasetError: there is none.
    """
    if camera.camera_model == "EQUIRECTANGULAR":
        raise DatasetError("equirectangular images cannot be rectified; cut them into pinhole views")
    matrix, size, coefficients = camera.matrix(), (camera.width, camera.height), opencv_distortion(camera)
    matrix[:2, 2] -= 0.5
    if camera.camera_model == "OPENCV_FISHEYE":
        new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(matrix, coefficients, size, np.eye(3), balance=0)
    else:
        new, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, size, 0)
    out: NDArray[np.float64] = np.array(new, dtype=np.float64)
    out[:2, 2] += 0.5
    return out


def rectify(image: NDArray[Pixel], camera: Intrinsics, K: NDArray[np.float64], interpolation: int) -> NDArray[Pixel]:
    """Resample an image [H, W, ...] of `camera` as the pinhole camera K sees it, by one of OpenCV's interpolations."""
    size = (camera.width, camera.height)
    old, new = camera.matrix(), K.copy()
    old[:2, 2] -= 0.5
    new[:2, 2] -= 0.5
    settings = (old, opencv_distortion(camera), np.eye(3), new, size, cv2.CV_32FC1)
    is_fisheye = camera.camera_model == "OPENCV_FISHEYE"
    maps = cv2.fisheye.initUndistortRectifyMap(*settings) if is_fisheye else cv2.initUndistortRectifyMap(*settings)
    return np.asarray(cv2.remap(image, maps[0], maps[1], interpolation), dtype=image.dtype)


def is_distorted(camera: Intrinsics) -> bool:
    """Whether an image is not a pinhole's already; a fisheye never is one, also with all coefficients zero."""
    return camera.camera_model == "OPENCV_FISHEYE" or any(camera.distortion)


def opencv_distortion(camera: Intrinsics) -> NDArray[np.float64]:
    """Distortion in OpenCV's order: k1 k2 p1 p2 k3 of a perspective camera, k1 k2 k3 k4 of a fisheye."""
    k1, k2, k3, k4, p1, p2 = camera.distortion
    if camera.camera_model == "OPENCV_FISHEYE":
        return np.array([k1, k2, k3, k4])
    if k4 != 0:
        raise DatasetError("camera_model OPENCV has no k4: remove it, or name the model OPENCV_FISHEYE")
    return np.array([k1, k2, p1, p2, k3])
