"""Poses and depth from a recording of Stray Scanner (https://github.com/strayrobots/scanner, docs/format.md).

odometry.csv has a line for each frame: timestamp s, frame, x y z m, qx qy qz qw, and in newer recordings fx fy cx cy
px. Positions are in ARKit's world, y up; the rotation leads from a camera with x right, y down, z forward, because the
app turns ARKit's axes itself (issue 11 of its repository). camera_matrix.csv is K, 3x3. rgb.mp4 holds the frames, as
the sensor has them; depth/000000.png is one map for each, 16 bits, mm, of the same view; confidence/000000.png has
ARKit's levels 0, 1 and 2.
"""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.given import GivenCamera, GivenCameras, check_rigid, numbers
from splatkit.capture.images.poses.phone_depth import phone_depths
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.formats.text import decode_text
from splatkit.io.images import image_size, read_image
from splatkit.io.listing import list_photographs
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map

_ODOMETRY, _MATRIX, VIDEO = "odometry.csv", "camera_matrix.csv", "rgb.mp4"
_POSE = ("timestamp", "frame", "x", "y", "z", "qx", "qy", "qz", "qw")
_LENS = ("fx", "fy", "cx", "cy")
_UNIT_TOLERANCE = 0.01


def is_stray(folder: Path) -> bool:
    """Whether a folder looks like such a recording."""
    return (folder / _ODOMETRY).is_file() and (folder / _MATRIX).is_file()


def read_stray(folder: Path, images: Path | None) -> GivenCameras:
    """Cameras and depth maps of the frames that were taken out of the video.

    Args:
        folder: of the recording.
        images: folder of frames, each named by its number in the video: 000123.jpg.

    Raises:
        FileNotFoundError: a file is missing, or no frame has a pose.
        DatasetError: a file is damaged, or does not fit the others; names it.
        SettingsError: no folder of frames.
    """
    if images is None:
        raise SettingsError(f"{folder}: give --images, a folder with frames of {VIDEO} named by number (000123.jpg)")
    path = folder / _ODOMETRY
    rows = _rows(path)
    K = _matrix(folder / _MATRIX)
    frames = {int(image.stem): image for image in list_photographs(images) if image.stem.isdecimal()}
    known = [number for number in sorted(frames) if number in rows]
    if not known:
        raise FileNotFoundError(f"{path}: none of the {len(frames)} frames in {images} has a line here")
    return GivenCameras(
        cameras=tuple(_camera(folder, frames[number], number, rows[number], K) for number in known),
        files=(path, folder / _MATRIX),
        frame="ARKit's world of Stray Scanner",
        scale="metric",
        up="y",
        left_out=tuple(f"frame {number}: {_ODOMETRY} has no line for it" for number in frames if number not in rows),
    )


def _rows(path: Path) -> dict[int, dict[str, float]]:
    """Numbers by column, of each frame."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a recording of Stray Scanner")
    lines = csv.reader(io.StringIO(decode_text(path.read_bytes())))
    try:
        table = [[word.strip() for word in line] for line in lines if line]
    except csv.Error as error:
        raise DatasetError(f"{path}: not a table ({error})") from error
    names = table[0] if table else []
    if missing := [name for name in _POSE if name not in names]:
        raise DatasetError(f"{path}: no column {missing[0]}; expected {','.join(_POSE)}")
    out = {}
    for count, words in enumerate(table[1:], start=2):
        values = numbers(words, (len(names),), f"{path}: line {count}", ",".join(names))
        row = dict(zip(names, values.tolist(), strict=True))
        out[int(row["frame"])] = row
    return out


def _matrix(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the 3x3 matrix of the camera")
    text = decode_text(path.read_bytes())
    K = numbers([line.split(",") for line in text.splitlines() if line.strip()], (3, 3), path, "K")
    return K


def _camera(folder: Path, image: Path, number: int, row: dict[str, float], K: NDArray[np.float64]) -> GivenCamera:
    where = f"{folder / _ODOMETRY}: frame {number}"
    quaternion = np.array([row[name] for name in ("qx", "qy", "qz", "qw")])
    if abs(length := float(np.linalg.norm(quaternion)) - 1) > _UNIT_TOLERANCE:
        raise DatasetError(f"{where}: the quaternion has length {length + 1:.4g}, expected 1")
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    pose[:3, 3] = [row["x"], row["y"], row["z"]]
    fx, fy, cx, cy = (
        [row[name] for name in _LENS]
        if all(row.get(name) for name in _LENS)
        else [float(value) for value in (K[0, 0], K[1, 1], K[0, 2], K[1, 2])]
    )
    size = image_size(image)
    if min(fx, fy) <= 0 or not (0 < cx < size[0] and 0 < cy < size[1]):
        raise DatasetError(
            f"{where}: fx, fy, cx, cy = {fx:g}, {fy:g}, {cx:g}, {cy:g} do not fit {image.name} of "
            f"{size[0]}x{size[1]} px: frames must have the video's own size and not be rotated"
        )
    depth, confidence = (folder / kind / f"{number:06d}.png" for kind in ("depth", "confidence"))
    return GivenCamera(
        posed=PosedCamera(image.name, Camera("pinhole", *size, fx, fy, cx, cy), check_rigid(pose, where)),
        image=image,
        read_depth=_depth_reader(depth, confidence, size) if depth.is_file() else None,
        time=row["timestamp"],
    )


def _depth_reader(path: Path, confidence: Path, size: tuple[int, int]) -> Callable[[], DepthMap]:
    def read() -> DepthMap:
        depths = read_depth_map(path).depths
        if (depths.shape[1] > depths.shape[0]) != (size[0] > size[1]):
            raise DatasetError(f"{path}: has {depths.shape[::-1]} px, its frame {size}: one of the two is rotated")
        levels = read_image(confidence)[..., 0] if confidence.is_file() else None
        if levels is not None and levels.shape != depths.shape:
            raise DatasetError(f"{confidence}: has {levels.shape[::-1]} px, {path.name} {depths.shape[::-1]} px")
        return phone_depths(depths, levels, size)

    return read
