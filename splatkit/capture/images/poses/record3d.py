"""Poses from a recording of Record3D: an .r3d, which is a zip, unpacked, with `metadata` and rgb/N.jpg.

The JSON `metadata` (or metadata.json) has `poses`, one row of qx qy qz qw x y z a frame: camera-to-world in ARKit's
axes, meters, camera x right, y up, z backward (OpenGL), world y up; `K`, 9 numbers column by column, px; `w`, `h`;
newer recordings also `perFrameIntrinsicCoeffs`, fx fy cx cy of each frame, and `frameTimestamps`, s. Format:
https://github.com/marek-simonik/record3d and https://record3d.app/features.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.arkit import from_arkit
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras, files_in, number, numbers
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, turned_by_exif
from splatkit.io.json_files import read_json

_UNIT_TOLERANCE = 0.01
_IMAGE_FOLDERS = ("rgb", "rgbd", "images")


def metadata_file(folder: Path) -> Path | None:
    """The recording's metadata in a folder, where there is one."""
    return next((path for name in ("metadata", "metadata.json") if (path := folder / name).is_file()), None)


def read_record3d(folder: Path) -> GivenCameras:
    """Cameras of a recording.

    Raises:
        FileNotFoundError: metadata or images are missing.
        DatasetError: the metadata is damaged, or counts and sizes do not fit; names the file.
    """
    path = metadata_file(folder)
    if path is None:
        raise FileNotFoundError(f"{folder}: no metadata; expected an unpacked recording of Record3D")
    values = read_json(path)
    rows = numbers(values.get("poses"), (-1, 7), path, "poses")
    lengths = np.linalg.norm(rows[:, :4], axis=-1)
    if (bad := np.flatnonzero(np.abs(lengths - 1) > _UNIT_TOLERANCE)).size:
        raise DatasetError(f"{path}: poses: quaternion {bad[0]} has length {lengths[bad[0]]:.4g}, expected 1")
    images = _numbered_images(folder)
    beyond = [path.name for index, path in images.items() if index >= len(rows)]
    if beyond:
        raise DatasetError(f"{path}: has {len(rows)} poses, but there is an image {beyond[0]}")
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(rows[:, :4]).as_matrix()
    poses[:, :3, 3] = rows[:, 4:]
    lenses = _lenses(values, len(rows), path)
    size = (int(number(values, "w", path)), int(number(values, "h", path)))
    times = values.get("frameTimestamps")
    stamps = None if times is None else numbers(times, (len(rows),), path, "frameTimestamps")
    return GivenCameras(
        cameras=tuple(
            GivenCamera(
                posed=PosedCamera(
                    image.name, _checked_camera(image, size, lenses[index], path), from_arkit(poses[index])
                ),
                image=image,
                time=None if stamps is None else float(stamps[index]),
            )
            for index, image in sorted(images.items())
        ),
        files=(path,),
        frame="ARKit's world of Record3D",
        scale="metric",
        up="y",
        left_out=tuple(f"frame {index}: its image is missing" for index in range(len(rows)) if index not in images),
    )


def _numbered_images(folder: Path) -> dict[int, Path]:
    for name in _IMAGE_FOLDERS:
        found = {int(path.stem): path for path in files_in(folder / name, ".jpg") if path.stem.isdecimal()}
        if found:
            return found
    raise FileNotFoundError(f"{folder}: no numbered images in rgb/; expected 0.jpg, 1.jpg, ...")


def _lenses(values: dict[str, Any], count: int, path: Path) -> NDArray[np.float64]:
    """fx, fy, cx, cy of each frame, [count, 4] px."""
    if values.get("perFrameIntrinsicCoeffs") is not None:
        lenses = numbers(values["perFrameIntrinsicCoeffs"], (count, 4), path, "perFrameIntrinsicCoeffs")
    else:
        K = numbers(values.get("K"), (9,), path, "K").reshape(3, 3).T
        lenses = np.tile([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], (count, 1))
    if (lenses[:, :2] <= 0).any():
        raise DatasetError(f"{path}: focal lengths must be positive")
    return lenses


def _checked_camera(image: Path, size: tuple[int, int], lens: NDArray[np.float64], path: Path) -> Camera:
    actual = image_size(image)
    if size != actual:
        raise DatasetError(
            f"{image}: has {actual[0]}x{actual[1]} px, {path.name} says {size[0]}x{size[1]} px"
            + turned_by_exif(image, size)
        )
    fx, fy, cx, cy = (float(value) for value in lens)
    return Camera("pinhole", *size, fx, fy, cx, cy)
