"""How `transforms.json` names lenses, by the names of nerfstudio, instant-ngp and Blender.

Lenses with rational terms, which these do not know, are named FULL_OPENCV as in COLMAP, with k1 to k6, p1 and p2.
"""

import math
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.images import image_size, lies_on_its_side, turned_by_exif

_PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")  # lenses by their coefficients alone
_FISHEYE, _EQUIRECTANGULAR, _RATIONAL = "OPENCV_FISHEYE", "EQUIRECTANGULAR", "FULL_OPENCV"
CAMERA_MODELS = (*_PERSPECTIVE, _RATIONAL, _FISHEYE, _EQUIRECTANGULAR)
_FOREIGN_LENSES = ("latlong", "orthographic", "ftheta_p0")  # of instant-ngp
_DISTORTION_NAMES = ("k1", "k2", "k3", "k4", "p1", "p2")
_RATIONAL_NAMES = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # in the order of our lens


def read_camera(values: dict[str, Any], image: Path, where: str) -> Camera:
    """The camera of one frame; `values` holds the file's entries overridden by the frame's."""
    model = _lens_model(values, where)
    width, height = size = image_size(image)
    for name, expected in (("w", width), ("h", height)):
        if name in values and number(values, name, where) != expected:
            raise DatasetError(
                f"{where}: the image is {width}x{height} px but the file says {name} = {values[name]}; "
                f"intrinsics and images must have one resolution{turned_by_exif(image, _stated_size(values, size))}"
            )
    _check_center(values, image, where)
    if model == _EQUIRECTANGULAR:
        # The image is the whole sphere, whatever focal lengths the file states.
        return Camera("equirectangular", width, height, width / (2 * math.pi), height / math.pi, width / 2, height / 2)
    fl_x = _focal_length(values, "x", width, where)
    has_fl_y = "fl_y" in values or "camera_angle_y" in values
    fl_y = _focal_length(values, "y", height, where) if has_fl_y else fl_x
    cx = number(values, "cx", where) if "cx" in values else width / 2
    cy = number(values, "cy", where) if "cy" in values else height / 2
    if model == _RATIONAL:
        distortion = tuple(number(values, k, where) if k in values else 0.0 for k in _RATIONAL_NAMES)
        return Camera("brown_conrady", width, height, fl_x, fl_y, cx, cy, distortion)
    k1, k2, k3, k4, p1, p2 = (number(values, k, where) if k in values else 0.0 for k in _DISTORTION_NAMES)
    if model == _FISHEYE:
        if p1 or p2:
            raise DatasetError(
                f"{where}: a fisheye lens ({_FISHEYE}) has no p1, p2: remove them, or name another model"
            )
        return Camera("kannala_brandt", width, height, fl_x, fl_y, cx, cy, (k1, k2, k3, k4))
    if beyond := [k for k in ("k4", "k5", "k6") if k in values and number(values, k, where) != 0]:
        raise DatasetError(
            f"{where}: camera_model {model} has no {beyond[0]}: remove it, or name the model {_RATIONAL} or {_FISHEYE}"
        )
    if not any((k1, k2, k3, p1, p2)):
        return Camera("pinhole", width, height, fl_x, fl_y, cx, cy)
    return Camera("brown_conrady", width, height, fl_x, fl_y, cx, cy, (k1, k2, p1, p2, k3))


def _lens_model(values: dict[str, Any], where: str) -> str:
    """nerfstudio's `camera_model`, or instant-ngp's `is_fisheye`; its other lenses are refused, not passed over."""
    if foreign := next((name for name in _FOREIGN_LENSES if values.get(name)), None):
        raise DatasetError(f"{where}: the lens that {foreign} states is not read; undistort the images before")
    is_fisheye = bool(values.get("is_fisheye", False))
    model = values.get("camera_model", _FISHEYE if is_fisheye else "OPENCV")
    if model not in CAMERA_MODELS:
        raise DatasetError(f"{where}: camera_model {model!r} is unknown; expected one of {', '.join(CAMERA_MODELS)}")
    if is_fisheye and model != _FISHEYE:
        raise DatasetError(f"{where}: is_fisheye and camera_model {model} contradict each other; remove one of them")
    return str(model)


def _stated_size(values: dict[str, Any], size: tuple[int, int]) -> tuple[float, float]:
    return values.get("w", size[0]), values.get("h", size[1])


def _check_center(values: dict[str, Any], image: Path, where: str) -> None:
    """Where no size is stated, the principal point tells whether it was that of an image as EXIF turns it."""
    width, height = image_size(image)
    if "w" in values or "h" in values or "cx" not in values or "cy" not in values:
        return
    cx, cy = number(values, "cx", where), number(values, "cy", where)
    fits_turned = abs(2 * cx - height) + abs(2 * cy - width) < abs(2 * cx - width) + abs(2 * cy - height)
    if fits_turned and lies_on_its_side(image):
        raise DatasetError(
            f"{where}: cx = {cx:g}, cy = {cy:g} do not fit an image of {width}x{height} px"
            + turned_by_exif(image, (height, width))
        )


def _focal_length(values: dict[str, Any], axis: str, extent: int, where: str) -> float:
    """px, from `fl_x` or from Blender's field of view `camera_angle_x` in radians."""
    if f"fl_{axis}" in values:
        return positive(values, f"fl_{axis}", where)
    if f"camera_angle_{axis}" not in values:
        raise DatasetError(f"{where}: intrinsics are missing; give fl_x, fl_y, cx, cy for the file or for each frame")
    angle = positive(values, f"camera_angle_{axis}", where)
    if angle >= math.pi:
        raise DatasetError(f"{where}: camera_angle_{axis} = {angle} is not a field of view in radians below pi")
    return extent / (2 * math.tan(angle / 2))


def positive(values: dict[str, Any], name: str, where: str) -> float:
    """A positive number by its name; DatasetError names it and `where`."""
    value = number(values, name, where)
    if value <= 0:
        raise DatasetError(f"{where}: {name} must be positive, got {value}")
    return value


def number(values: dict[str, Any], name: str, where: str) -> float:
    """A finite number by its name; texts and truth values are none. DatasetError names it and `where`."""
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DatasetError(f"{where}: {name} must be a finite number, got {value!r}")
    return float(value)


def camera_to_json(camera: Camera) -> dict[str, Any]:
    """The camera by the names of the file."""
    values: dict[str, Any] = {"camera_model": model_name(camera), "w": camera.width, "h": camera.height}
    values |= {"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy}
    if _is_rational(camera):
        return values | dict(zip(_RATIONAL_NAMES, camera.distortion, strict=True))
    return values | dict(zip(_DISTORTION_NAMES, distortion_params(camera), strict=True))


def model_name(camera: Camera) -> str:
    """The lens as the file names it; SettingsError where it cannot."""
    names = {"pinhole": "PINHOLE", "brown_conrady": "OPENCV", "kannala_brandt": _FISHEYE}
    if camera.model == "orthographic":
        raise SettingsError("camera: orthographic images have no name in transforms.json")
    if _is_rational(camera):
        return _RATIONAL
    return names.get(camera.model, _EQUIRECTANGULAR)


def _is_rational(camera: Camera) -> bool:
    return camera.model == "brown_conrady" and any(camera.coefficients[name] for name in ("k4", "k5", "k6"))


def distortion_params(camera: Camera) -> tuple[float, ...]:
    """k1, k2, k3, k4, p1, p2: the order that nerfstudio has for all lenses.

    Raises:
        SettingsError: the lens has coefficients or a shape that have no name there.
    """
    if camera.model == "kannala_brandt":
        return (*camera.distortion, 0.0, 0.0)
    if camera.model == "orthographic":
        raise SettingsError("camera: orthographic images have no name in transforms.json")
    if not camera.distortion:
        return (0.0,) * len(_DISTORTION_NAMES)
    k1, k2, p1, p2, *more = camera.distortion
    k3, *rational = more or [0.0]
    if any(rational):
        raise SettingsError("camera: nerfstudio has no rational distortion (8 coefficients)")
    return (k1, k2, k3, 0.0, p1, p2)
