"""Cameras and points of Bundler (bundle.out, v0.3), which other programs write too; names are in list.txt beside it.

Layout: https://www.cs.cornell.edu/~snavely/bundler/bundler-v0.4-manual.html. A camera is f k1 k2, R (R_camera_world,
row by row) and t, with camera y up and z backward; all zeros where it was not placed. Pixels count from the middle of
the image, y up: p = -P / P.z, then f (1 + k1 |p|^2 + k2 |p|^4) p.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.poses.given import GivenCameras
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.records import point_cloud
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose, invert
from splatkit.io.formats.text import decode_text

Array = NDArray[np.float64]

_HEAD = "# Bundle file v0.3"
_LIST = "list.txt"
_CAMERA, _POINT = 15, 6  # numbers of each, without what a point is seen by
_TURN = np.diag([1.0, -1.0, -1.0, 1.0])


def is_bundler(path: Path) -> bool:
    """Whether a file looks like one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD.encode()


def read_bundler(path: Path, images: Path | None) -> GivenCameras:
    """Cameras and points of a file; arguments and errors as `read_metashape` has them."""
    cameras, points = _read(path)
    listing = path.parent / _LIST
    if not listing.is_file():
        raise FileNotFoundError(f"{listing}: no such file; Bundler keeps the names of photographs there")
    names = [line.split()[0] for line in decode_text(listing.read_bytes()).splitlines() if line.strip()]
    if len(names) != len(cameras):
        raise DatasetError(f"{listing}: names {len(names)} photographs, {path.name} has {len(cameras)} cameras")
    placed = [
        PlacedPhotograph(name, _Lens(values, f"{path}: {name}"), _pose(values))
        for name, values in zip(names, cameras, strict=True)
        if values[0] > 0
    ]
    without = [name for name, values in zip(names, cameras, strict=True) if not values[0] > 0]
    found = find_photographs(placed, without, path, images)
    return GivenCameras(
        cameras=found.cameras,
        files=(path, listing),
        frame="of Bundler's file",
        scale="arbitrary",
        up="unknown",
        points=point_cloud([(row[:3].tolist(), row[3:].tolist()) for row in points], path, "points"),
        left_out=found.left_out,
        unused=found.unused,
    )


class _Lens:
    """Of a photograph whose size only its file tells."""

    def __init__(self, values: Array, where: str) -> None:
        self.values, self.where = values, where

    def __call__(self, width: int, height: int) -> Camera:
        """The camera of an image of that size, px."""
        f, k1, k2 = self.values[:3].tolist()
        return make_camera(
            self.where, "brown_conrady", (width, height), (f, f, width / 2, height / 2), (k1, k2, 0.0, 0.0, 0.0)
        )


def _pose(values: Array) -> Array:
    T_camera_world = compose(values[3:12].reshape(3, 3), values[12:])
    return np.asarray(invert(T_camera_world) @ _TURN)


def _read(path: Path) -> tuple[Array, Array]:
    """Numbers of cameras [N, 15] and points [M, 6]."""
    lines = [line for line in decode_text(path.read_bytes()).splitlines() if not line.startswith("#")]
    try:
        numbers = np.array([float(word) for line in lines for word in line.split()])
        cameras, points = int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError, OverflowError):
        raise DatasetError(f"{path}: damaged: expected numbers, those of cameras and points first") from None
    end = 2 + _CAMERA * cameras
    rows = list[Array]()
    if not 0 <= cameras <= len(numbers) or not 0 <= points <= len(numbers) or end > len(numbers):
        raise DatasetError(f"{path}: damaged or cut short: it says {cameras} cameras and {points} points")
    for _ in range(points):
        row = numbers[end : end + _POINT]
        views = numbers[end + _POINT] if end + _POINT < len(numbers) else np.nan
        if len(row) < _POINT or not 0 <= views < len(numbers):
            raise DatasetError(f"{path}: damaged or cut short: it says {points} points, and has {len(rows)}")
        rows.append(row)
        end += _POINT + 1 + 4 * int(views)
    if end != len(numbers) or not np.isfinite(numbers).all():
        raise DatasetError(f"{path}: damaged or cut short ({len(numbers)} numbers, expected {end})")
    return numbers[2 : 2 + _CAMERA * cameras].reshape(-1, _CAMERA), np.array(rows).reshape(-1, _POINT)
