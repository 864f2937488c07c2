"""Intrinsics of a camera: from a file, or from the boards themselves."""

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import yaml

from splatkit.calibration.camera import Camera
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import corners_seen
from splatkit.errors import CalibrationRefusedError, DatasetError, SettingsError
from splatkit.geometry.se3 import Array

CameraModel = Literal["pinhole", "fisheye"]
_LEAST_VIEWS = 6
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
    text = path.read_text(errors="replace")
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
        return Camera(K, _trimmed(D, kind), width, height, kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{path}: {error}; expected K (9 numbers), D, width and height") from None


def _plain_yaml(text: str) -> str:
    """Without the directive and the tags that OpenCV writes, which YAML readers refuse."""
    lines = [line for line in text.splitlines() if not line.startswith("%YAML")]
    return "\n".join(lines).replace("!!opencv-matrix", "")


def _value(values: dict[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if name in values), None)


def _numbers(values: dict[str, Any], *names: str) -> Array:
    found = _value(values, *names)
    if isinstance(found, dict):
        found = found.get("data")
    if found is None:
        raise ValueError(f"{names[0]} is missing")
    return np.asarray(found, dtype=np.float64).ravel()


def _trimmed(D: Array, model: CameraModel) -> Array:
    """ROS pads with zeros: all zeros is no distortion for a pinhole, and four numbers are a fisheye's."""
    if model == "fisheye":
        return D[:4] if not D[4:].any() else D
    return np.zeros(0) if not D.any() else D


def calibrate_intrinsics(
    views: list[Array], target: BoardTarget, size: tuple[int, int], model: CameraModel
) -> tuple[Camera, float]:
    """Intrinsics from the boards' corners alone (Zhang's method, by OpenCV), and the corners' rms, px.

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
    images = [corners[where, None].astype(np.float32) for corners, where in zip(views, seen, strict=True)]
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
        return Camera(K, D, *size, model), rms
    except SettingsError as error:
        raise CalibrationRefusedError(f"intrinsics from the boards make no sense: {error}; give --intrinsics") from None
