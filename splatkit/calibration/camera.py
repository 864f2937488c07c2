"""Camera models of OpenCV with the derivatives that calibration needs."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from splatkit.calibration.se3 import Array
from splatkit.errors import SettingsError

_ZERO = np.zeros((3, 1))
_COEFFICIENTS = {"pinhole": (0, 4, 5, 8), "fisheye": (4,)}


@dataclass(frozen=True)
class Camera:
    """Intrinsics. Pixel centers lie at integers here, as OpenCV has it.

    Attributes:
        K: [3, 3] px.
        distortion: pinhole: k1, k2, p1, p2, ... as OpenCV orders them, or none; fisheye: k1 to k4 (Kannala-Brandt).
        width: px.
        height: px.
        model: which of the two.
    """

    K: Array
    distortion: Array
    width: int
    height: int
    model: Literal["pinhole", "fisheye"] = "pinhole"

    def __post_init__(self) -> None:
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all() or not (self.K[0, 0] > 0 and self.K[1, 1] > 0):
            raise SettingsError(
                f"camera: expected a finite K [3, 3] with positive focal lengths, got {self.K.tolist()}"
            )
        if self.distortion.shape not in [(n,) for n in _COEFFICIENTS[self.model]]:
            counts = " or ".join(str(n) for n in _COEFFICIENTS[self.model])
            raise SettingsError(
                f"camera: the model {self.model} has {counts} distortion coefficients, got {self.distortion.size}"
            )

    def project(self, points: Array) -> tuple[Array, Array]:
        """Points [N, 3] in the camera's frame -> pixels [N, 2] and their derivatives [N, 2, 3] to the points."""
        if self.model == "fisheye":
            pixels, jacobian = cv2.fisheye.projectPoints(points[:, None], _ZERO, _ZERO, self.K, self.distortion)
            to_points = jacobian[:, 11:14]  # after 2 focal lengths, 2 of the center, 4 of distortion, 3 of rotation
        else:
            pixels, jacobian = cv2.projectPoints(points[:, None], _ZERO, _ZERO, self.K, self.distortion)
            to_points = jacobian[:, 3:6]  # after 3 of rotation
        return np.asarray(pixels, float).reshape(-1, 2), np.asarray(to_points, float).reshape(-1, 2, 3)

    def normalized(self, pixels: Array) -> Array:
        """Pixels [N, 2] -> x / z and y / z of their rays [N, 2], in front of the camera."""
        undistort = cv2.fisheye.undistortPoints if self.model == "fisheye" else cv2.undistortPoints
        return np.asarray(undistort(pixels[:, None], self.K, self.distortion), float).reshape(-1, 2)
