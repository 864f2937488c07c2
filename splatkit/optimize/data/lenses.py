"""Lenses of photographs: which are rectified to pinholes, and what a pinhole or a native fisheye sees.

OpenCV counts pixels from the center of the first one, splatkit from its corner: hence the halves.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io import rectification
from splatkit.io.transforms_json import Frame, Intrinsics
from splatkit.optimize.ges.view import View
from splatkit.optimize.nerfstudio.cameras import viewmats_from_opengl

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
    return Lens(camera, rectification.rectified_matrix(camera), is_native=False)


def view_of_frame(frame: Frame, lens: Lens) -> View:
    """The camera that training sees a frame by."""
    poses = torch.from_numpy(frame.camera_to_world).float()[None]
    distortions = torch.tensor([frame.intrinsics.distortion[:4]]) if lens.is_fisheye else None
    size = (frame.intrinsics.width, frame.intrinsics.height)
    return View(viewmats_from_opengl(poses), torch.from_numpy(lens.K).float()[None], *size, distortions)


def rectify(image: NDArray[np.uint8], lens: Lens, interpolation: int) -> NDArray[np.uint8]:
    """An image [H, W, ...] of the lens as the camera of training sees it."""
    return image if lens.is_native else rectification.rectify(image, lens.intrinsics, lens.K, interpolation)


def rectify_positions(positions: NDArray[np.float64], lens: Lens) -> NDArray[np.float64]:
    """Where positions [N, 2] (px) in the image of the lens are in that of the camera of training.

    A rectification turns nothing, so that the z-depth of what is seen there stays what it was.
    """
    if lens.is_native or len(positions) == 0:
        return positions
    camera, points = lens.intrinsics, positions[:, None]
    coefficients = rectification.opencv_distortion(camera)
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
