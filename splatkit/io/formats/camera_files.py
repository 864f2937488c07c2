"""Cameras in the words of OpenCV, ROS and Kalibr, and files of intrinsics.

In all of these the center of the first pixel is at 0, in splatkit at 0.5; and what they call "pinhole" may be distorted
(Brown-Conrady), what they call "fisheye" is the lens of Kannala and Brandt.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.lens_models import LensName
from splatkit.io.formats.text import decode_text

CameraModel = Literal["pinhole", "fisheye"]
_COEFFICIENTS = {"pinhole": (0, 4, 5, 8), "fisheye": (4,)}
_CENTER = 0.5  # of splatkit's first pixel
_MODELS: dict[str, CameraModel] = {
    "": "pinhole",
    "pinhole": "pinhole",
    "opencv": "pinhole",
    "plumb_bob": "pinhole",
    "rational_polynomial": "pinhole",
    "radtan": "pinhole",
    "fisheye": "fisheye",
    "opencv_fisheye": "fisheye",
    "equidistant": "fisheye",
    "kannala_brandt": "fisheye",
}


def camera_from_opencv(
    model: CameraModel, K: NDArray[np.floating], distortion: Sequence[float], width: int, height: int
) -> Camera:
    """A camera by K [3, 3], px, with pixel centers at integers.

    Args:
        model: of the lens.
        K: without skew.
        distortion: pinhole: none, or k1, k2, p1, p2, then k3, then k4 to k6; fisheye: k1 to k4.
        width: px.
        height: px.

    Raises:
        SettingsError: this is no camera.
    """
    counts = _COEFFICIENTS.get(model)
    if counts is None:
        raise SettingsError(f"camera: expected the model {' or '.join(_COEFFICIENTS)}, got {model!r}")
    if len(distortion) not in counts:
        wanted = " or ".join(str(count) for count in counts)
        raise SettingsError(f"camera: the model {model} has {wanted} distortion coefficients, got {len(distortion)}")
    perspective: LensName = "brown_conrady" if len(distortion) else "pinhole"
    camera = Camera.from_K("kannala_brandt" if model == "fisheye" else perspective, K, width, height, distortion)
    return replace(camera, cx=camera.cx + _CENTER, cy=camera.cy + _CENTER)


def opencv_model(camera: Camera) -> CameraModel:
    """What OpenCV calls the lens.

    Raises:
        SettingsError: it has no such lens.
    """
    if camera.model == "kannala_brandt":
        return "fisheye"
    if camera.model in ("pinhole", "brown_conrady"):
        return "pinhole"
    raise SettingsError(f"camera: OpenCV has no {camera.model} lens")


def opencv_K(camera: Camera) -> NDArray[np.float64]:
    """K [3, 3], px, with pixel centers at integers."""
    return replace(camera, cx=camera.cx - _CENTER, cy=camera.cy - _CENTER).K


def opencv_parameters(camera: Camera) -> NDArray[np.float64]:
    """fx, fy, cx, cy (px, with pixel centers at integers), then the distortion, [4 + D]."""
    return replace(camera, cx=camera.cx - _CENTER, cy=camera.cy - _CENTER).parameters


def read_intrinsics(path: Path, model: CameraModel | None = None) -> Camera:
    """Read K, distortion and image size from YAML or JSON.

    Understood are ROS camera_info, OpenCV's file storage, and plain keys `K` (9 numbers), `D`, `width`, `height`,
    `distortion_model`.

    Args:
        path: of the file.
        model: where the file does not name it; pinhole otherwise.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: something is missing or damaged; names the file.
    """
    path = Path(path)
    text = decode_text(path.read_bytes())
    try:
        values = json.loads(text) if path.suffix == ".json" else yaml.load(_plain_yaml(text), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{path}: is no {'JSON' if path.suffix == '.json' else 'YAML'}: {error}") from None
    if not isinstance(values, dict):
        raise DatasetError(f"{path}: expected keys K, D, width and height, got {type(values).__name__}")
    named = str(_value(values, "distortion_model", "camera_model", "model") or "").lower()
    if named and named not in _MODELS:
        raise DatasetError(f"{path}: camera model {named!r} is not known, expected one of {', '.join(_MODELS)[2:]}")
    kind = _MODELS[named] if named else (model or "pinhole")
    try:
        K = _numbers(values, "K", "camera_matrix", "k").reshape(3, 3)
        D = _numbers(values, "D", "distortion_coefficients", "dist_coeffs", "d")
        width = int(_value(values, "width", "image_width"))
        height = int(_value(values, "height", "image_height"))
        return camera_from_opencv(kind, K, _trimmed(D, kind).tolist(), width, height)
    except (TypeError, ValueError, OverflowError) as error:  # SettingsError is a ValueError
        raise DatasetError(f"{path}: {error}; expected K (9 numbers), D, width and height") from None


def _plain_yaml(text: str) -> str:
    """Without the directive and the tags that OpenCV writes, which YAML readers refuse."""
    lines = [line for line in text.splitlines() if not line.startswith("%YAML")]
    return "\n".join(lines).replace("!!opencv-matrix", "")


def _value(values: dict[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if name in values), None)


def _numbers(values: dict[str, Any], *names: str) -> NDArray[np.float64]:
    found = _value(values, *names)
    if isinstance(found, dict):
        found = found.get("data")
    if found is None:
        raise ValueError(f"{names[0]} is missing")
    return np.asarray(found, dtype=np.float64).ravel()


def _trimmed(D: NDArray[np.float64], model: CameraModel) -> NDArray[np.float64]:
    """ROS pads with zeros: all zeros is no distortion for a pinhole, and four numbers are a fisheye's."""
    if model == "fisheye":
        return D[:4] if not D[4:].any() else D
    return np.zeros(0) if not D.any() else D
