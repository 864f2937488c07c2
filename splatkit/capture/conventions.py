"""Between the conventions of datasets (OpenGL axes, first pixel's center at 0.5) and those of OpenCV."""

from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.transforms_json import Intrinsics

_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # turns y and z; its own inverse


def opengl(T_world_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses [..., 4, 4] of cameras in OpenGL axes (y up, z backward) from those with y down, z forward; or back."""
    return T_world_camera @ _OPENGL


def name_below_images(file_path: str) -> str:
    """What a captured dataset calls an image: its path without the folder `images`, and without ways out of it."""
    parts = [part for part in PurePosixPath(file_path).parts if part not in ("..", "/")]
    return "/".join(parts[1:] if parts[0] == "images" and len(parts) > 1 else parts)


def intrinsics_of(camera: Camera) -> Intrinsics:
    """A camera as transforms.json has it."""
    lens = [*camera.distortion, *[0.0] * (8 - len(camera.distortion))]
    if camera.model == "kannala_brandt":
        distortion, model = (*lens[:4], 0.0, 0.0), "OPENCV_FISHEYE"
    else:
        k1, k2, p1, p2, k3 = lens[:5]
        if any(lens[5:]):
            raise DatasetError("camera: rational distortion (8 coefficients) has no name in transforms.json")
        distortion, model = (k1, k2, k3, 0.0, p1, p2), "OPENCV"
    return Intrinsics(model, camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, distortion)
