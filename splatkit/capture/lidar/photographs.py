"""Photographs that a LiDAR was beside: cameras, times and poses as far as they are known before any alignment."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import check_lens, name_below_images
from splatkit.capture.rig import Rig
from splatkit.capture.times import FileTimes
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.images import image_size
from splatkit.io.listing import find_path, list_photographs
from splatkit.io.photographs.kinds import readable_suffixes
from splatkit.io.transforms_json import Frame, Transforms


@dataclass(frozen=True)
class Photograph:
    """One image of the rig."""

    name: str  # below the folder of images, with its suffix
    path: Path
    camera: Camera
    mount: int  # number of the camera in the rig
    time: float | None = None  # s, by the cameras' clock
    T_images_camera: NDArray[np.float64] | None = None  # [4, 4] (x right, y down, z forward) in the images' world
    mask: Path | None = None


def photographs_of_dataset(transforms: Transforms, rig: Rig, times: FileTimes | None) -> list[Photograph]:
    """Images of a dataset with poses; times of `times` by file name, else those of the dataset.

    Raises:
        DatasetError: an image belongs to no camera of the rig, its time is missing from `times`, or it is a panorama.
    """
    out = []
    for frame in transforms.frames:
        if frame.camera.model == "equirectangular":
            raise DatasetError(f"{frame.image_path}: panoramas have no z-depth; cut them into pinhole views")
        _check_body(frame, rig)
        out.append(
            Photograph(
                name=name_below_images(frame.file_path),
                path=frame.image_path,
                camera=frame.camera,
                mount=_camera_number(rig, frame.rig_camera, frame.file_path),
                time=frame.time if times is None else _time_of(frame.image_path, times),
                T_images_camera=frame.T_world_camera,
                mask=frame.mask_path,
            )
        )
    return out


def _check_body(frame: Frame, rig: Rig) -> None:
    """Refuses a camera of a body that the LiDAR's rig does not name: one of another direction would stand for it."""
    names = [camera.name for camera in rig.cameras]
    if frame.rig_frame is not None and frame.rig_camera not in names:
        raise DatasetError(
            f"{frame.image_path}: was taken by camera {frame.rig_camera!r} of a body, and the calibration has "
            f"{', '.join(names)}; give name and T_camera_lidar of each camera of the body"
        )


def photographs_of_folders(folders: list[Path], rig: Rig, times: FileTimes | None) -> list[Photograph]:
    """Images without poses, by the intrinsics of the rig's file. One folder a camera, or one whose names tell it.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
        DatasetError: an image belongs to no camera, has another size than its camera, or has no time.
    """
    out = []
    for folder in folders:
        paths = _images_in(find_path(Path(folder)))
        for path in paths:
            number = _camera_number(rig, None, f"{path.parent.name}/{path.name}")
            camera = rig.cameras[number].camera
            if camera is None:
                raise DatasetError(
                    f"{path}: the file of the rig gives no intrinsics of {rig.cameras[number].name}; "
                    "add K, width, height, or give a dataset with poses instead of a folder"
                )
            check_lens(camera, path)
            if image_size(path) != (camera.width, camera.height):
                width, height = image_size(path)
                raise DatasetError(
                    f"{path}: has {width}x{height} px, the calibration is of {camera.width}x{camera.height} px"
                )
            name = path.name if len(folders) == 1 else f"{path.parent.name}/{path.name}"
            time = None if times is None else _time_of(path, times)
            out.append(Photograph(name, path, camera, number, time))
    return out


def _time_of(path: Path, times: FileTimes) -> float:
    time = times.find(path)
    if time is None:
        raise DatasetError(f"{path}: the table of image times has no line for {path.name}, or several")
    return time


def posed_cameras(photographs: list[Photograph]) -> NDArray[np.float64]:
    """T_images_camera [N, 4, 4] of photographs that all have one."""
    return np.stack([photo.T_images_camera for photo in photographs if photo.T_images_camera is not None])


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of images")
    paths = list_photographs(folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: no image in this folder; expected {', '.join(readable_suffixes())} files")
    return paths


def _camera_number(rig: Rig, stated: str | None, file_path: str) -> int:
    names = [camera.name for camera in rig.cameras]
    if stated in names:
        return names.index(stated)
    found = rig.camera_of(file_path)
    if found is None:
        raise DatasetError(
            f"{file_path}: belongs to no camera of the rig; the name of one ({', '.join(names)}) must be a word "
            "of its folder or its name"
        )
    return names.index(found.name)
