"""Poses from a COLMAP model, binary or text: https://colmap.github.io/format.html.

images.bin holds world-to-camera poses in OpenCV's axes; scale and axes of the world are arbitrary. Files are read by
pycolmap, which takes what a damaged file says for granted: counts are compared with the file's length before.
"""

import struct
import tempfile
from pathlib import Path

import pycolmap

from splatkit.capture.images.feature_matching import colmap_errors
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.images.solved_scene import SolvedScene, scene_of
from splatkit.errors import DatasetError, SplatkitError
from splatkit.io.images import image_size, turned_by_exif
from splatkit.io.point_cloud import PointCloud

_NAMES = ("cameras", "images", "points3D")
_PLACES = (".", "sparse/0", "sparse", "colmap/sparse/0", "0")
_IMAGE_BYTES, _POINT_2D_BYTES = 64, 24  # id, quaternion, translation, camera; then x, y, point
_POINT_3D_BYTES, _TRACK_BYTES = 43, 8  # id, place, color, error; then image and index


def find_colmap_model(path: Path) -> Path | None:
    """The folder with cameras, images and points3D, at `path` or where COLMAP and nerfstudio put it below."""
    for place in _PLACES:
        for suffix in (".bin", ".txt"):
            if all((path / place / f"{name}{suffix}").is_file() for name in _NAMES):
                return path / place
    return None


def read_colmap(path: Path, images: Path | None) -> GivenCameras:
    """Cameras and points of a model.

    Args:
        path: folder of the model, or one that holds it.
        images: folder that its names are relative to; by default images/ beside it.

    Raises:
        FileNotFoundError: no model, or no folder of images.
        DatasetError: the model is damaged, or does not fit the images; names it.
    """
    model = find_colmap_model(path)
    if model is None:
        raise FileNotFoundError(f"{path}: no COLMAP model; expected cameras, images and points3D as .bin or .txt")
    folder = images or _image_folder(path, model)
    binary = (model / "images.bin").is_file()
    files = tuple(model / f"{name}{'.bin' if binary else '.txt'}" for name in _NAMES)
    if binary:
        _check_lengths(files[1], _IMAGE_BYTES, _POINT_2D_BYTES, has_name=True)
        _check_lengths(files[2], _POINT_3D_BYTES, _TRACK_BYTES, has_name=False)
    scene = _read_scene(model, files)
    cameras, left_out = [], []
    for view in scene.views:
        image = folder / view.name.replace("\0", "")
        if not image.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(f"{files[1]}: {view.name} leads out of {folder}; refused")
        if not image.is_file():
            left_out.append(f"{view.name}: no such image in {folder}")
            continue
        size, stated = image_size(image), (view.posed.camera.width, view.posed.camera.height)
        if size != stated:
            raise DatasetError(
                f"{image}: has {size[0]}x{size[1]} px, {files[0]} says {stated[0]}x{stated[1]} px"
                + turned_by_exif(image, stated)
            )
        cameras.append(GivenCamera(view.posed, image))
    if not cameras:
        raise DatasetError(f"{files[1]}: none of its {len(scene.views)} images is in {folder}")
    return GivenCameras(
        cameras=tuple(cameras),
        files=files,
        frame="of the COLMAP model that was given",
        scale="arbitrary",
        up="unknown",
        points=PointCloud(scene.points, scene.colors) if len(scene.points) else None,
        left_out=tuple(left_out),
    )


def _image_folder(path: Path, model: Path) -> Path:
    for parent in (path, model, *model.parents):
        if (parent / "images").is_dir():
            return parent / "images"
    raise FileNotFoundError(f"{path}: no folder images beside this model; name it with --images")


def _read_scene(model: Path, files: tuple[Path, ...]) -> SolvedScene:
    """By pycolmap, without rigs and frames, which say nothing that is needed here and may be damaged too."""
    with tempfile.TemporaryDirectory() as scratch:
        for file in files:
            (Path(scratch) / file.name).symlink_to(file.resolve())
        try:
            with colmap_errors(str(model)):
                return scene_of(pycolmap.Reconstruction(scratch), model)
        except DatasetError:
            raise
        except SplatkitError as error:
            raise DatasetError(f"{model}: damaged, or no COLMAP model ({error.__cause__})") from error


def _check_lengths(path: Path, fixed: int, each: int, has_name: bool) -> None:
    """Whether the records of a file, a number of fixed bytes and a counted list each, end where the file does."""
    data = path.read_bytes()
    damaged = DatasetError(f"{path}: damaged or cut short ({len(data)} bytes)")
    if len(data) < 8:
        raise damaged
    (count,) = struct.unpack_from("<Q", data)
    position = 8
    for _ in range(min(count, len(data))):
        position += fixed
        if has_name:
            position = data.find(b"\0", position) + 1 or len(data)
        if position + 8 > len(data):
            raise damaged
        position += 8 + each * struct.unpack_from("<Q", data, position)[0]
    if position != len(data):
        raise damaged
