"""Poses from a COLMAP model, binary or text: https://colmap.github.io/format.html.

images.bin holds world-to-camera poses in OpenCV's axes; scale and axes of the world are arbitrary. Binary files are
read by pycolmap, which takes what a damaged file says for granted: counts are compared with the file's length before.
"""

import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import pycolmap

from splatkit.capture.images.poses.colmap_rigs import read_rigs, rig_files
from splatkit.capture.images.poses.colmap_text import read_text_model, text_image_names
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.images.solved_scene import SolvedScene, scene_of
from splatkit.capture.images.structure.feature_matching import colmap_errors
from splatkit.capture.left_out import left_out_of
from splatkit.errors import DatasetError, SplatkitError
from splatkit.io.dataset_paths import NamesOnDisk
from splatkit.io.images import image_size, turned_by_exif
from splatkit.io.point_cloud import PointCloud

_NAMES = ("cameras", "images", "points3D")
_PLACES = (".", "sparse", "colmap/sparse")  # and the numbered folders in them
_IMAGE_BYTES, _POINT_2D_BYTES = 64, 24  # id, quaternion, translation, camera; then x, y, point
_POINT_3D_BYTES, _TRACK_BYTES = 43, 8  # id, place, color, error; then image and index


def find_colmap_models(path: Path) -> list[Path]:
    """Folders with cameras, images and points3D: `path` itself, or all where COLMAP and nerfstudio put them below."""
    for place in (path / name for name in _PLACES):
        if _suffix_of(place) is not None:
            return [place]
        numbered = [folder for folder in place.glob("*/") if folder.name.isdecimal() and _suffix_of(folder) is not None]
        if numbered:
            return sorted(numbered, key=lambda folder: int(folder.name))
    return []


def _suffix_of(folder: Path) -> str | None:
    """Of a model's files."""
    suffixes = (".bin", ".txt")
    return next((end for end in suffixes if all((folder / f"{name}{end}").is_file() for name in _NAMES)), None)


def read_colmap(path: Path, images: Path | None) -> GivenCameras:
    """Cameras and points of a model.

    Args:
        path: folder of the model, or one that holds it.
        images: folder that its names are relative to; by default images/ beside it.

    Raises:
        FileNotFoundError: no model, or no folder of images.
        DatasetError: the model is damaged, or does not fit the images; names it.
    """
    models = find_colmap_models(path)
    if not models:
        raise FileNotFoundError(f"{path}: no COLMAP model; expected cameras, images and points3D as .bin or .txt")
    scenes = {model: _read_model(model) for model in models}
    model = max(models, key=lambda each: len(scenes[each].views))
    folder = images or _image_folder(path, model)
    files, scene = _files(model), scenes[model]
    cameras, left_out = _cameras_of(scene, folder, files)
    rig, doubt = _rig_of(model, scene, {camera.posed.name: old for old, camera in cameras.items()})
    used = {camera.image for camera in cameras.values()}
    return GivenCameras(
        cameras=tuple(cameras.values()),
        files=files,
        frame="of the COLMAP model that was given",
        scale="arbitrary",
        up="unknown",
        points=PointCloud(scene.points, scene.colors) if len(scene.points) else None,
        left_out=(*_other_models(scenes, model), *left_out, *([] if doubt is None else [doubt])),
        unused=left_out_of(folder, sorted(used), "have no pose"),
        rig=rig,
    )


def _rig_of(model: Path, scene: SolvedScene, kept: dict[str, str]) -> tuple[CameraRig | None, str | None]:
    """The model's rigs by the names of photographs that are kept, as the model names them; see `read_rigs`."""
    images = _files(model)[1]
    files = rig_files(model, images.suffix)
    if files is None:
        return None, None
    names = text_image_names(images) if images.suffix == ".txt" else _binary_image_names(images)
    rig, doubt = read_rigs(files, names, {view.name: view.posed for view in scene.views})
    if rig is None:
        return None, doubt
    mounts = {new: rig.mounts[old] for new, old in kept.items() if old in rig.mounts}
    return (replace(rig, mounts=mounts) if mounts else None), None


def _binary_image_names(path: Path) -> dict[int, str]:
    """Names by number, of a file whose lengths were checked."""
    data, position, names = path.read_bytes(), 8, {}
    while position < len(data):
        (number,) = struct.unpack_from("<I", data, position)
        end = data.index(b"\0", position + _IMAGE_BYTES)
        names[number] = data[position + _IMAGE_BYTES : end].decode("utf-8", "replace")
        position = end + 9 + _POINT_2D_BYTES * struct.unpack_from("<Q", data, end + 1)[0]
    return names


def _other_models(scenes: dict[Path, SolvedScene], chosen: Path) -> list[str]:
    """COLMAP writes a model for each group of images that it could not join to the others."""
    known = {view.name for view in scenes[chosen].views}
    out = []
    for model, scene in scenes.items():
        if model != chosen:
            more = len({view.name for view in scene.views} - known)
            out.append(
                f"model {model.name} ({len(scene.views)} images, {more} of them not in the other) is left out for "
                f"model {chosen.name} ({len(known)} images); pass its folder for it"
            )
    return out


def _cameras_of(scene: SolvedScene, folder: Path, files: tuple[Path, ...]) -> tuple[dict[str, GivenCamera], list[str]]:
    """Of the images that are there, by the model's names; and what is said of those that are not."""
    names, cameras, left_out = NamesOnDisk(folder), dict[str, GivenCamera](), list[str]()
    for view in scene.views:
        image = folder / names.spelled(view.name.replace("\0", ""))
        if not image.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(
                f"{files[1]}: {view.name} leads out of {folder}, to {image.resolve()}; refused. Replace links "
                "by what they show (cp -rL)"
            )
        if not image.is_file():
            left_out.append(f"{view.name}: no such image in {folder}")
            continue
        size, stated = image_size(image), (view.posed.camera.width, view.posed.camera.height)
        if size != stated:
            raise DatasetError(
                f"{image}: has {size[0]}x{size[1]} px, {files[0]} says {stated[0]}x{stated[1]} px"
                + turned_by_exif(image, stated)
            )
        name = image.relative_to(folder).as_posix()
        cameras[view.name] = GivenCamera(replace(view.posed, name=name), image)
    if not cameras:
        raise DatasetError(
            f"{files[1]}: none of its {len(scene.views)} images is in {folder}, e.g. {scene.views[0].name!r}"
            if scene.views
            else f"{files[1]}: holds no image"
        )
    return cameras, left_out


def _files(model: Path) -> tuple[Path, ...]:
    return tuple(model / f"{name}{_suffix_of(model)}" for name in _NAMES)


def _read_model(model: Path) -> SolvedScene:
    files = _files(model)
    if files[0].suffix == ".txt":
        return read_text_model(*files)
    _check_lengths(files[1], _IMAGE_BYTES, _POINT_2D_BYTES, has_name=True)
    _check_lengths(files[2], _POINT_3D_BYTES, _TRACK_BYTES, has_name=False)
    scene = _read_binary(model, files)
    (stated,) = struct.unpack_from("<Q", files[1].read_bytes())
    if stated != len(scene.views):
        raise DatasetError(f"{files[1]}: damaged: it says {stated} images, and {len(scene.views)} could be read")
    return scene


def _image_folder(path: Path, model: Path) -> Path:
    for parent in (path, model, *model.parents):
        if (parent / "images").is_dir():
            return parent / "images"
    raise FileNotFoundError(f"{path}: no folder images beside this model; name it with --images")


def _read_binary(model: Path, files: tuple[Path, ...]) -> SolvedScene:
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
