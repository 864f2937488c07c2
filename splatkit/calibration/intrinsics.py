"""Intrinsics of a camera from the boards themselves: Zhang's method, by OpenCV."""

import cv2
import numpy as np

from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import corners_seen
from splatkit.errors import CalibrationRefusedError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array
from splatkit.io.formats.camera_files import CameraModel, camera_from_opencv

_LEAST_VIEWS = 6


def calibrate_intrinsics(
    views: list[Array], target: BoardTarget, size: tuple[int, int], model: CameraModel
) -> tuple[Camera, float]:
    """Intrinsics from the boards' corners alone, and the corners' rms, px.

    Args:
        views: corners [columns * rows, 2] px of each, NaN where unseen.
        target: the board.
        size: width and height of the images, px.
        model: of the lens.

    Raises:
        CalibrationRefusedError: too few views, or OpenCV finds no solution.
    """
    if len(views) < _LEAST_VIEWS:
        raise CalibrationRefusedError(
            f"intrinsics need at least {_LEAST_VIEWS} images of the board, got {len(views)}: "
            "add images, or give --intrinsics"
        )
    seen = [corners_seen(corners) for corners in views]
    objects = [target.corners()[where, None].astype(np.float32) for where in seen]
    # OpenCV has pixel centers at integers.
    images = [(corners[where, None] - 0.5).astype(np.float32) for corners, where in zip(views, seen, strict=True)]
    try:
        if model == "fisheye":
            start = np.array([[size[0] / 2, 0, size[0] / 2], [0, size[0] / 2, size[1] / 2], [0, 0, 1.0]])
            flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
            flags |= cv2.fisheye.CALIB_USE_INTRINSIC_GUESS
            objects64 = [points.astype(np.float64).reshape(1, -1, 3) for points in objects]
            images64 = [pixels.astype(np.float64).reshape(1, -1, 2) for pixels in images]
            found = cv2.fisheye.calibrate(objects64, images64, size, start, np.zeros(4), flags=flags)
        else:
            start = np.array([[size[0], 0, size[0] / 2], [0, size[0], size[1] / 2], [0, 0, 1.0]])
            found = cv2.calibrateCamera(objects, images, size, start, np.zeros(5))
        rms, K, D = float(found[0]), np.asarray(found[1], np.float64), np.asarray(found[2], np.float64).ravel()
    except cv2.error as error:
        raise CalibrationRefusedError(
            f"intrinsics could not be found from {len(views)} boards ({error.err}): add tilted boards near the borders "
            "of the image, or give --intrinsics"
        ) from None
    try:
        return camera_from_opencv(model, K, D.tolist(), *size), rms
    except SettingsError as error:
        raise CalibrationRefusedError(f"intrinsics from the boards make no sense: {error}; give --intrinsics") from None
