"""Camera models of COLMAP and of transforms.json: the same lenses by other names.

Both put the first pixel's center at 0.5. COLMAP's models and the order of their parameters:
https://colmap.github.io/cameras.html. transforms.json has the perspective lens of OpenCV with radial terms k1 to k3 and
tangential p1, p2, and its fisheye with k1 to k4.
"""

from pathlib import Path

import pycolmap

from splatkit.errors import DatasetError
from splatkit.io.transforms_json import Intrinsics

# Model -> (model in transforms.json, what each parameter is). "f" is both focal lengths.
_MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "SIMPLE_PINHOLE": ("PINHOLE", ("f", "cx", "cy")),
    "PINHOLE": ("PINHOLE", ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": ("OPENCV", ("f", "cx", "cy", "k1")),
    "RADIAL": ("OPENCV", ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": ("OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": ("OPENCV", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "OPENCV_FISHEYE": ("OPENCV_FISHEYE", ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    "SIMPLE_RADIAL_FISHEYE": ("OPENCV_FISHEYE", ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": ("OPENCV_FISHEYE", ("f", "cx", "cy", "k1", "k2")),
    "SIMPLE_FISHEYE": ("OPENCV_FISHEYE", ("f", "cx", "cy")),
    "FISHEYE": ("OPENCV_FISHEYE", ("fx", "fy", "cx", "cy")),
}
_LARGEST = 1e7  # of focal lengths (px) and of coefficients: what is larger is damage
_RATIONAL = ("k4", "k5", "k6")


def intrinsics_from_colmap(camera: pycolmap.Camera, where: Path | str) -> Intrinsics:
    """A camera of COLMAP as transforms.json has it.

    Raises:
        DatasetError: transforms.json has no such lens, or a parameter is not finite; `where` is named.
    """
    name = camera.model_name
    if name not in _MODELS:
        raise DatasetError(
            f"{where}: camera model {name} has no name in transforms.json; undistort the images with COLMAP first"
        )
    model, names = _MODELS[name]
    values = dict(zip(names, (float(value) for value in camera.params), strict=True))
    if not all(abs(value) < _LARGEST for value in values.values()):
        raise DatasetError(f"{where}: a parameter of camera {camera.camera_id} is not finite, or makes no sense")
    if model == "OPENCV" and any(values.get(name, 0.0) for name in _RATIONAL):
        raise DatasetError(f"{where}: FULL_OPENCV with k4 to k6 has no name in transforms.json; undistort with COLMAP")
    fx, fy = values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0))
    if fx <= 0 or fy <= 0:
        raise DatasetError(f"{where}: camera {camera.camera_id} has a focal length of {min(fx, fy)} px")
    distortion = tuple(values.get(name, 0.0) for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    return Intrinsics(model, camera.width, camera.height, fx, fy, values["cx"], values["cy"], distortion)


def colmap_camera(intrinsics: Intrinsics, camera_id: int) -> pycolmap.Camera:
    """A camera of transforms.json as COLMAP has it.

    Raises:
        DatasetError: COLMAP has no such camera.
    """
    k1, k2, k3, k4, p1, p2 = intrinsics.distortion
    values = [intrinsics.fl_x, intrinsics.fl_y, intrinsics.cx, intrinsics.cy]
    if intrinsics.camera_model == "OPENCV_FISHEYE":
        model, more = "OPENCV_FISHEYE", [k1, k2, k3, k4]
    elif intrinsics.camera_model == "EQUIRECTANGULAR" or k4 != 0:
        raise DatasetError(
            f"camera model {intrinsics.camera_model}: COLMAP has no such lens; cut panoramas into pinhole views"
        )
    elif not any(intrinsics.distortion):
        model, more = "PINHOLE", []
    elif k3 == 0:
        model, more = "OPENCV", [k1, k2, p1, p2]
    else:
        model, more = "FULL_OPENCV", [k1, k2, p1, p2, k3, 0.0, 0.0, 0.0]
    camera = pycolmap.Camera.create_from_model_name(camera_id, model, 1.0, intrinsics.width, intrinsics.height)
    camera.params = values + more
    camera.has_prior_focal_length = True
    return camera
