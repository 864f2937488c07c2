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
from splatkit.io.listing import natural_key

CameraModel = Literal["pinhole", "fisheye"]
_COEFFICIENTS = {"pinhole": (0, 4, 5, 8), "fisheye": (4,)}
_CENTER = 0.5  # of splatkit's first pixel
_INVERSE = "inverse_brown_conrady"  # of RealSense: from distorted to straight; without coefficients a pinhole
_MODELS: dict[str, CameraModel] = {
    "": "pinhole",
    "none": "pinhole",
    "pinhole": "pinhole",
    "brown_conrady": "pinhole",
    "opencv": "pinhole",
    "plumb_bob": "pinhole",
    "rational_polynomial": "pinhole",
    "radtan": "pinhole",
    "fisheye": "fisheye",
    "opencv_fisheye": "fisheye",
    "equidistant": "fisheye",
    "equi": "fisheye",
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
    """Read K, distortion and image size of one camera from YAML or JSON; see `read_cameras`.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: something is missing or damaged, or there are several cameras; names the file.
    """
    cameras = read_cameras(path, model)
    if len(cameras) > 1:
        raise DatasetError(f"{path}: holds {len(cameras)} cameras ({', '.join(cameras)}); expected a file of one")
    return next(iter(cameras.values()))


def read_cameras(path: Path, model: CameraModel | None = None) -> dict[str, Camera]:
    """Read the cameras of a file of YAML or JSON, by name; of a file with one camera the name is empty.

    Understood are ROS camera_info, also as `rostopic echo` prints it (messages between lines of ---), OpenCV's file
    storage, plain keys `K` (9 numbers), `D`, `width`, `height`, `distortion_model`, and camera chains of Kalibr.

    Args:
        path: of the file.
        model: where the file does not name it; pinhole otherwise.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: something is missing or damaged, or messages contradict each other; names the file.
    """
    path = Path(path)
    text = decode_text(path.read_bytes())
    try:
        if path.suffix == ".json":
            documents = [json.loads(text)]
        else:
            documents = [part for part in yaml.load_all(_plain_yaml(text), Loader=yaml.CSafeLoader) if part is not None]
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{path}: is no {'JSON' if path.suffix == '.json' else 'YAML'}: {error}") from None
    found = [_cameras_of(path, document, model) for document in documents]
    if not found:
        raise DatasetError(f"{path}: expected keys K, D, width and height, got an empty file")
    if other := [number for number, cameras in enumerate(found, 1) if cameras != found[0]]:
        raise DatasetError(
            f"{path}: message {other[0]} of {len(found)} has other intrinsics than the first: was the lens zoomed or "
            "the recording joined of several cameras? Keep one message"
        )
    return found[0]


def _cameras_of(path: Path, values: object, model: CameraModel | None) -> dict[str, Camera]:
    """The cameras of one document."""
    if not isinstance(values, dict):
        raise DatasetError(f"{path}: expected keys K, D, width and height, got {type(values).__name__}")
    chain = {str(name): entry for name, entry in values.items() if isinstance(entry, dict) and "intrinsics" in entry}
    if chain:
        return {name: _camera_of_chain(f"{path}: {name}", chain[name]) for name in sorted(chain, key=natural_key)}
    kind = _named_model(str(path), values, model)
    try:
        K = _numbers(values, "K", "camera_matrix", "k").reshape(3, 3)
        D = _numbers(values, "D", "distortion_coefficients", "dist_coeffs", "d")
        width = int(_value(values, "width", "image_width"))
        height = int(_value(values, "height", "image_height"))
        return {"": camera_from_opencv(kind, K, _trimmed(D, kind).tolist(), width, height)}
    except (TypeError, ValueError, OverflowError) as error:  # SettingsError is a ValueError
        raise DatasetError(f"{path}: {error}; expected K (9 numbers), D, width and height") from None


def _camera_of_chain(where: str, entry: dict[str, Any]) -> Camera:
    """https://github.com/ethz-asl/kalibr/wiki/yaml-formats."""
    camera_model = str(entry.get("camera_model", "pinhole")).lower()
    if camera_model != "pinhole":
        raise DatasetError(f"{where}: camera_model {camera_model} is not known; calibrate it as pinhole")
    kind = _named_model(where, {"distortion_model": entry.get("distortion_model")}, None)
    try:
        fx, fy, cx, cy = _numbers(entry, "intrinsics")
        D = _numbers({"distortion_coeffs": entry.get("distortion_coeffs", [])}, "distortion_coeffs")
        width, height = (int(size) for size in _numbers(entry, "resolution"))
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        return camera_from_opencv(kind, K, _trimmed(D, kind).tolist(), width, height)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{where}: {error}; expected intrinsics (fx, fy, cx, cy), distortion_coeffs and resolution"
        ) from None


def _named_model(where: str, values: dict[str, Any], model: CameraModel | None) -> CameraModel:
    named = str(_value(values, "distortion_model", "camera_model", "model") or "").lower()
    if named == _INVERSE and not _numbers(values, "D", "distortion_coefficients", "dist_coeffs", "d").any():
        return "pinhole"
    if named and named not in _MODELS:
        known = ", ".join(name for name in _MODELS if name)
        raise DatasetError(f"{where}: camera model {named!r} is not known, expected one of {known}")
    return _MODELS[named] if named else (model or "pinhole")


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
    """Programs pad with zeros, or leave them away: as many numbers as a lens of this model may have."""
    used = len(np.trim_zeros(D, "b"))
    if model == "pinhole" and used == 0:
        return np.zeros(0)
    wanted = next((count for count in _COEFFICIENTS[model] if count >= used), len(D))
    fitting = len(D) in _COEFFICIENTS[model]
    return D if fitting else np.append(D, np.zeros(wanted))[: max(wanted, used)]
