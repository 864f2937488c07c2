"""Camera models of OpenCV with the derivatives that calibration needs."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from splatkit.errors import SettingsError
from splatkit.geometry.se3 import Array

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

    @property
    def parameters(self) -> Array:
        """fx, fy, cx, cy (px), then the distortion, [4 + D]."""
        return np.concatenate([self.K[[0, 1, 0, 1], [0, 1, 2, 2]], self.distortion])

    def with_parameters(self, parameters: Array) -> "Camera":
        """The same camera with other `parameters`."""
        K = self.K.copy()
        K[[0, 1, 0, 1], [0, 1, 2, 2]] = parameters[:4]
        return replace(self, K=K, distortion=parameters[4:])

    def project(self, points: Array) -> tuple[Array, Array]:
        """Points [N, 3] in the camera's frame -> pixels [N, 2] and their derivatives [N, 2, 3] to the points."""
        pixels, to_points, _ = self.project_with_derivatives(points)
        return pixels, to_points

    def project_with_derivatives(self, points: Array) -> tuple[Array, Array, Array]:
        """Points [N, 3] -> pixels [N, 2], derivatives to the points [N, 2, 3] and to `parameters` [N, 2, 4 + D]."""
        count = len(self.distortion)
        if self.model == "fisheye":
            pixels, jacobian = cv2.fisheye.projectPoints(points[:, None], _ZERO, _ZERO, self.K, self.distortion)
            # 2 focal lengths, 2 of the center, 4 of distortion, 3 of rotation, 3 of translation, skew
            to_parameters, to_points = jacobian[:, :8], jacobian[:, 11:14]
        else:
            pixels, jacobian = cv2.projectPoints(points[:, None], _ZERO, _ZERO, self.K, self.distortion)
            # 3 of rotation, 3 of translation, 2 focal lengths, 2 of the center, distortion
            to_parameters, to_points = jacobian[:, 6 : 10 + count], jacobian[:, 3:6]
        return (
            np.asarray(pixels, float).reshape(-1, 2),
            np.asarray(to_points, float).reshape(-1, 2, 3),
            np.asarray(to_parameters, float).reshape(-1, 2, 4 + count),
        )

    def normalized(self, pixels: Array) -> Array:
        """Pixels [N, 2] -> x / z and y / z of their rays [N, 2], in front of the camera."""
        undistort = cv2.fisheye.undistortPoints if self.model == "fisheye" else cv2.undistortPoints
        return np.asarray(undistort(pixels[:, None], self.K, self.distortion), float).reshape(-1, 2)
