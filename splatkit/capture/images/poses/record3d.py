"""Poses and depth from a recording of Record3D: an .r3d, which is a zip, with `metadata` and rgbd/N.jpg, unpacked.

The JSON `metadata` (or metadata.json) has `poses`, one row of qx qy qz qw x y z a frame: camera-to-world in ARKit's
axes, meters, camera x right, y up, z backward (OpenGL), world y up; `K`, 9 numbers column by column, px; `w`, `h`;
newer recordings also `perFrameIntrinsicCoeffs`, fx fy cx cy of each frame, and `frameTimestamps`, s; `dw`, `dh`, the
size of depth maps. rgbd/N.depth are float32 row by row, m, and rgbd/N.conf ARKit's levels 0, 1 and 2 as bytes, both
compressed by LZFSE; pyliblzfse, the extra `record3d`, unpacks them. Format: https://github.com/marek-simonik/record3d
(issues 7, 81 and 93) and https://record3d.app/features.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.arkit import from_arkit
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras, files_in, number, numbers
from splatkit.capture.images.poses.phone_depth import phone_depths
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, turned_by_exif
from splatkit.io.json_files import read_json
from splatkit.io.maps.depth_maps import DepthMap

_UNIT_TOLERANCE = 0.01
_IMAGE_FOLDERS = ("rgb", "rgbd", "images")
_ASPECT_TOLERANCE = 0.03  # sizes of depth maps are rounded
_LZFSE = "liblzfse"  # what pyliblzfse is imported as


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
    recorded = sum(image.with_suffix(".depth").is_file() for image in images.values())
    shape = _depth_shape(values, size) if recorded else "there are none"
    return GivenCameras(
        cameras=tuple(
            GivenCamera(
                posed=PosedCamera(
                    image.name, _checked_camera(image, size, lenses[index], path), from_arkit(poses[index])
                ),
                image=image,
                read_depth=None if isinstance(shape, str) else _depth_reader(image, shape, size),
                time=None if stamps is None else float(stamps[index]),
            )
            for index, image in sorted(images.items())
        ),
        files=(path,),
        frame="ARKit's world of Record3D",
        scale="metric",
        up="y",
        left_out=(
            *(f"frame {index}: its image is missing" for index in range(len(rows)) if index not in images),
            *((f"{recorded} depth maps are left out: {shape}",) if recorded and isinstance(shape, str) else ()),
        ),
    )


def _depth_reader(image: Path, shape: tuple[int, int], size: tuple[int, int]) -> Callable[[], DepthMap] | None:
    depth = image.with_suffix(".depth")
    if not depth.is_file():
        return None

    def read() -> DepthMap:
        confidence = image.with_suffix(".conf")
        levels = _unpacked(confidence, np.dtype(np.uint8), shape) if confidence.is_file() else None
        return phone_depths(_unpacked(depth, np.dtype("<f4"), shape), levels, size)

    return read


def _depth_shape(values: dict[str, Any], size: tuple[int, int]) -> tuple[int, int] | str:
    """[h, w] of depth maps, which show what photographs show and lie as they do; or why they are not read."""
    width, height = values.get("dw"), values.get("dh")
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) > 0):
        return f"the metadata does not state their size (dw = {width!r}, dh = {height!r})"
    if abs(width * size[1] / (height * size[0]) - 1) > _ASPECT_TOLERANCE:
        return f"of {width}x{height} px (dw, dh), they do not show what images of {size[0]}x{size[1]} px do"
    if importlib.util.find_spec(_LZFSE) is None:
        return "they are compressed by LZFSE, which pip install 'splatkit[record3d]' reads"
    return height, width


def _unpacked(path: Path, dtype: np.dtype[Any], shape: tuple[int, int]) -> NDArray[Any]:
    import liblzfse

    try:
        content = liblzfse.decompress(path.read_bytes())
    except liblzfse.error as error:
        raise DatasetError(f"{path}: damaged, or not compressed by LZFSE") from error
    expected = shape[0] * shape[1] * dtype.itemsize
    if len(content) != expected:
        raise DatasetError(f"{path}: holds {len(content)} bytes, expected {expected} of {shape[1]}x{shape[0]} px")
    return np.frombuffer(content, dtype).reshape(shape)


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
