"""Lenses of photographs: which are rectified to pinholes, and what a pinhole or a native fisheye sees.

OpenCV counts pixels from the center of the first one, splatkit from its corner: hence the halves.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.transform import viewmats_from_opengl
from splatkit.io.transforms_json import Frame, Intrinsics
from splatkit.optimize.view import View

# Beyond it a fisheye's pixels do not count: they look sideways, where splats have no image any more.
FISHEYE_LIMIT_DEG = 85.0
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)


@dataclass(frozen=True)
class Lens:
    """The lens that took an image, and the camera that training sees it by."""

    intrinsics: Intrinsics
    K: NDArray[np.float64]  # [3, 3] px, of the camera of training
    is_native: bool  # the image stays as it is: there is no distortion, or training has the lens's own

    @property
    def is_fisheye(self) -> bool:
        """Whether training has a fisheye camera."""
        return self.is_native and self.intrinsics.camera_model == "OPENCV_FISHEYE"


def lens_of(frame: Frame, native_fisheye: bool) -> Lens:
    """The lens of a frame; distortion is removed but for fisheyes, where those may stay as they are.

    Raises:
        DatasetError: a camera model that cannot be splatted.
    """
    camera = frame.intrinsics
    if camera.camera_model == "EQUIRECTANGULAR":
        raise DatasetError(
            f"{frame.image_path}: equirectangular images cannot be splatted; cut them into pinhole views"
        )
    is_fisheye = camera.camera_model == "OPENCV_FISHEYE"
    if (is_fisheye and native_fisheye) or (not is_fisheye and not any(camera.distortion)):
        return Lens(camera, camera.matrix(), is_native=True)
    return Lens(camera, _rectified_matrix(camera), is_native=False)


def view_of_frame(frame: Frame, lens: Lens) -> View:
    """The camera that training sees a frame by."""
    poses = torch.from_numpy(frame.camera_to_world).float()[None]
    distortions = torch.tensor([frame.intrinsics.distortion[:4]]) if lens.is_fisheye else None
    size = (frame.intrinsics.width, frame.intrinsics.height)
    return View(viewmats_from_opengl(poses), torch.from_numpy(lens.K).float()[None], *size, distortions)


def rectify(image: NDArray[np.uint8], lens: Lens, interpolation: int) -> NDArray[np.uint8]:
    """An image [H, W, ...] of the lens as the camera of training sees it."""
    if lens.is_native:
        return image
    size = (lens.intrinsics.width, lens.intrinsics.height)
    old, new = lens.intrinsics.matrix(), lens.K.copy()
    old[:2, 2] -= 0.5
    new[:2, 2] -= 0.5
    settings = (old, _opencv_distortion(lens.intrinsics), np.eye(3), new, size, cv2.CV_32FC1)
    is_fisheye = lens.intrinsics.camera_model == "OPENCV_FISHEYE"
    maps = cv2.fisheye.initUndistortRectifyMap(*settings) if is_fisheye else cv2.initUndistortRectifyMap(*settings)
    return cv2.remap(image, maps[0], maps[1], interpolation).astype(np.uint8)


def rectify_positions(positions: NDArray[np.float64], lens: Lens) -> NDArray[np.float64]:
    """Where positions [N, 2] (px) in the image of the lens are in that of the camera of training.

    A rectification turns nothing, so that the z-depth of what is seen there stays what it was.
    """
    if lens.is_native or len(positions) == 0:
        return positions
    camera, points = lens.intrinsics, positions[:, None]
    coefficients = _opencv_distortion(camera)
    if camera.camera_model == "OPENCV_FISHEYE":
        out = cv2.fisheye.undistortPoints(points, camera.matrix(), coefficients, None, np.eye(3), lens.K, _CRITERIA)
    else:
        out = cv2.undistortPointsIter(points, camera.matrix(), coefficients, np.eye(3), lens.K, _CRITERIA)
    return np.asarray(out, dtype=np.float64)[:, 0]


def usable_pixels(lens: Lens) -> NDArray[np.bool_] | None:
    """Pixels [H, W] of a native fisheye that look less than 85 degrees sideways; None where all do."""
    if not lens.is_fisheye:
        return None
    camera = lens.intrinsics
    angles = np.deg2rad(np.linspace(0, FISHEYE_LIMIT_DEG, 200))
    k1, k2, k3, k4 = camera.distortion[:4]
    radii = angles * (1 + k1 * angles**2 + k2 * angles**4 + k3 * angles**6 + k4 * angles**8)
    falling = np.flatnonzero(np.diff(radii) <= 0)  # beyond, the polynomial is no lens any more
    limit = radii[falling[0]] if len(falling) else radii[-1]
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fl_x
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fl_y
    usable = x[None] ** 2 + y[:, None] ** 2 < limit**2
    return None if usable.all() else usable


def _rectified_matrix(camera: Intrinsics) -> NDArray[np.float64]:
    """K [3, 3] px of an image after its distortion is removed: all its pixels see the original image."""
    matrix, size, coefficients = camera.matrix(), (camera.width, camera.height), _opencv_distortion(camera)
    matrix[:2, 2] -= 0.5
    if camera.camera_model == "OPENCV_FISHEYE":
        new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(matrix, coefficients, size, np.eye(3), balance=0)
    else:
        new, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, size, 0)
    out: NDArray[np.float64] = np.array(new, dtype=np.float64)
    out[:2, 2] += 0.5
    return out


def _opencv_distortion(camera: Intrinsics) -> NDArray[np.float64]:
    """Distortion in OpenCV's order: k1 k2 p1 p2 k3 of a perspective camera, k1 k2 k3 k4 of a fisheye."""
    k1, k2, k3, k4, p1, p2 = camera.distortion
    if camera.camera_model == "OPENCV_FISHEYE":
        return np.array([k1, k2, k3, k4])
    if k4 != 0:
        raise DatasetError("camera_model OPENCV has no k4: remove it, or name the model OPENCV_FISHEYE")
    return np.array([k1, k2, p1, p2, k3])
