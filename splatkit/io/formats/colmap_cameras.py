"""Camera models of COLMAP and ours: the same lenses by other names, the first pixel's center at 0.5 in both.

COLMAP's models and the order of their parameters: https://colmap.github.io/cameras.html.
"""

from pathlib import Path

import pycolmap

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.lens_models import LENS_MODELS, LensName

# Model -> (ours, what each parameter is). "f" is both focal lengths.
_MODELS: dict[str, tuple[LensName, tuple[str, ...]]] = {
    "SIMPLE_PINHOLE": ("pinhole", ("f", "cx", "cy")),
    "PINHOLE": ("pinhole", ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": ("brown_conrady", ("f", "cx", "cy", "k1")),
    "RADIAL": ("brown_conrady", ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": ("brown_conrady", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": ("brown_conrady", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "OPENCV_FISHEYE": ("kannala_brandt", ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    "SIMPLE_RADIAL_FISHEYE": ("kannala_brandt", ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": ("kannala_brandt", ("f", "cx", "cy", "k1", "k2")),
    "SIMPLE_FISHEYE": ("kannala_brandt", ("f", "cx", "cy")),
    "FISHEYE": ("kannala_brandt", ("fx", "fy", "cx", "cy")),
}
_LARGEST = 1e7  # of focal lengths (px) and of coefficients: what is larger is damage
_SIMPLE = ("k1", "k2", "p1", "p2", "k3")


def camera_from_colmap(camera: pycolmap.Camera, where: Path | str) -> Camera:
    """A camera of COLMAP as ours.

    Raises:
        DatasetError: we have no such lens, or a parameter is not finite; `where` is named.
    """
    name = camera.model_name
    if name not in _MODELS:
        raise DatasetError(f"{where}: camera model {name} is not supported; undistort the images with COLMAP first")
    model, names = _MODELS[name]
    values = dict(zip(names, (float(value) for value in camera.params), strict=True))
    if not all(abs(value) < _LARGEST for value in values.values()):
        raise DatasetError(f"{where}: a parameter of camera {camera.camera_id} is not finite, or makes no sense")
    fx, fy = values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0))
    if fx <= 0 or fy <= 0:
        raise DatasetError(f"{where}: camera {camera.camera_id} has a focal length of {min(fx, fy)} px")
    distortion = tuple(values.get(name, 0.0) for name in LENS_MODELS[model].coefficients)
    if model == "brown_conrady" and not any(distortion[len(_SIMPLE) :]):
        distortion = distortion[: len(_SIMPLE)]
        if not any(distortion):
            model, distortion = "pinhole", ()
    return Camera(model, camera.width, camera.height, fx, fy, values["cx"], values["cy"], distortion)


def colmap_camera(camera: Camera, camera_id: int) -> pycolmap.Camera:
    """One of our cameras as COLMAP has it.

    Raises:
        DatasetError: COLMAP has no such camera.
    """
    values, k = [camera.fx, camera.fy, camera.cx, camera.cy], camera.coefficients
    if camera.model == "kannala_brandt":
        model, more = "OPENCV_FISHEYE", list(camera.distortion)
    elif camera.model not in ("pinhole", "brown_conrady"):
        raise DatasetError(f"camera model {camera.model}: COLMAP has no such lens; cut panoramas into pinhole views")
    elif not camera.has_distortion:
        model, more = "PINHOLE", []
    elif any(k[name] for name in ("k3", "k4", "k5", "k6")):
        model, more = "FULL_OPENCV", [k[name] for name in ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")]
    else:
        model, more = "OPENCV", [k[name] for name in ("k1", "k2", "p1", "p2")]
    out = pycolmap.Camera.create_from_model_name(camera_id, model, 1.0, camera.width, camera.height)
    out.params = values + more
    out.has_prior_focal_length = True
    return out
