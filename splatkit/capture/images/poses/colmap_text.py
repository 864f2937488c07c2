"""COLMAP models as text: https://colmap.github.io/format.html#text-format.

Other programs write this form too, with names that hold spaces, which COLMAP's own reader cuts at the first one. Here a
name is all that follows the number of the camera, and what a file says of its own counts is compared with what it has.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.solved_scene import SolvedScene, SolvedView
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose, invert
from splatkit.io.formats.colmap_cameras import camera_from_colmap

_IMAGE_WORDS = 10  # id, qw qx qy qz, tx ty tz, camera, name
_POINT_WORDS = 8  # id, x y z, r g b, error; then the track
_FARTHEST = 1e12  # in whatever units: what is larger is damage
_UNIT_TOLERANCE = 0.01
_NO_SIGHTINGS = np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(0)


def read_text_model(cameras: Path, images: Path, points: Path) -> SolvedScene:
    """Cameras and points, without which camera sees which point.

    Raises:
        DatasetError: a line is not of the format, or a file has fewer entries than it says; names file and line.
    """
    lenses = _read_cameras(cameras)
    views = _read_images(images, lenses, cameras)
    return SolvedScene(tuple(sorted(views, key=lambda view: view.name)), *_read_points(points))


def _read_cameras(path: Path) -> dict[int, Camera]:
    lenses = {}
    for number, line in _lines(path):
        if not line.strip():
            continue
        words = line.split()
        try:
            camera_id, width, height = int(words[0]), int(words[2]), int(words[3])
            camera = pycolmap.Camera(
                camera_id=camera_id, model=words[1], width=width, height=height, params=[float(w) for w in words[4:]]
            )
        except (IndexError, ValueError, RuntimeError, TypeError, OverflowError):
            raise _refused(path, number, line, "CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS") from None
        if min(width, height) < 1 or not camera.verify_params():
            raise _refused(path, number, line, "a size in pixels and the parameters of the model")
        lenses[camera_id] = camera_from_colmap(camera, path)
    _check_count(path, "cameras", len(lenses))
    return lenses


def text_image_names(path: Path) -> dict[int, str]:
    """Names by number, of an images.txt that `read_text_model` takes.

    Raises:
        DatasetError: a number is none.
    """
    names = {}
    for number, line, words in _image_lines(path):
        if not words[0].isdecimal():
            raise _refused(path, number, line, "IMAGE_ID")
        names[int(words[0])] = words[-1].strip()
    return names


def _image_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Number, text and words of the lines that are of images."""
    after_image = False  # what follows an image is the line of its points, which may be empty, or left out
    for number, line in _lines(path):
        if (after_image and _is_point_line(line)) or not line.strip():
            after_image = False
            continue
        yield number, line, line.strip().split(None, _IMAGE_WORDS - 1)
        after_image = True


def _read_images(path: Path, lenses: dict[int, Camera], cameras: Path) -> list[SolvedView]:
    views: dict[str, SolvedView] = {}
    for number, line, words in _image_lines(path):
        try:
            pose = _pose([float(word) for word in words[1:8]])
            camera_id, name = int(words[8]), words[9].strip()
        except (IndexError, ValueError):
            raise _refused(path, number, line, "IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME") from None
        if camera_id not in lenses:
            raise DatasetError(f"{path}: line {number}: camera {camera_id} of {name!r} is not in {cameras.name}")
        if name in views:
            raise DatasetError(f"{path}: line {number}: {name!r} comes twice")
        views[name] = SolvedView(PosedCamera(name, lenses[camera_id], invert(pose)), *_NO_SIGHTINGS)
    _check_count(path, "images", len(views))
    return list(views.values())


def _is_point_line(line: str) -> bool:
    """X, Y, POINT3D_ID again and again, or nothing."""
    words = line.split()
    try:
        return len(words) % 3 == 0 and all(np.isfinite(float(word)) for word in words)
    except ValueError:
        return False


def _pose(values: list[float]) -> NDArray[np.float64]:
    """T_camera_world of qw qx qy qz, tx ty tz."""
    quaternion, translation = np.array(values[:4]), np.array(values[4:])
    if not (np.abs(values) < _FARTHEST).all() or abs(np.linalg.norm(quaternion) - 1) > _UNIT_TOLERANCE:
        raise ValueError("expected a finite pose with a unit quaternion")
    return compose(Rotation.from_quat(np.roll(quaternion, -1)).as_matrix(), translation)


def _read_points(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    places, colors = [], []
    for number, line in _lines(path):
        if not line.strip():
            continue
        words = line.split(None, _POINT_WORDS)
        try:
            place, color = [float(word) for word in words[1:4]], [int(word) for word in words[4:7]]
        except ValueError:
            place, color = [], []
        if (
            len(color) != 3
            or not all(abs(value) < _FARTHEST for value in place)
            or not 0 <= min(color) <= max(color) < 256
        ):
            raise _refused(path, number, line, "POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK")
        places.append(place)
        colors.append(color)
    _check_count(path, "points", len(places))
    return np.array(places).reshape(-1, 3), np.array(colors, dtype=np.uint8).reshape(-1, 3)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of all lines but comments; names may be in any encoding."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.lstrip().startswith("#"):
            yield number, line.rstrip("\r")


def _check_count(path: Path, what: str, count: int) -> None:
    """Against `# Number of images: 128, ...`, which COLMAP writes at the head."""
    with path.open("rb") as file:
        head = file.read(4096).decode("latin-1")
    stated = re.search(rf"^#\s*Number of {what}:\s*(\d+)", head, re.MULTILINE)
    if stated is not None and int(stated[1]) != count:
        raise DatasetError(f"{path}: damaged or cut short: it says {stated[1]} {what}, and has {count}")


def _refused(path: Path, number: int, line: str, expected: str) -> DatasetError:
    return DatasetError(f"{path}: line {number}: expected {expected}, got {line.strip()[:60]!r}")
