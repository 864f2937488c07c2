"""Which camera of a body took which photograph, and what was taken together: by folders, names, times, calibrations."""

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.rigs.rig import CameraRig, Mount, RigCamera
from splatkit.capture.rig import Rig, read_rig
from splatkit.capture.times import FileTimes, read_times
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import invert
from splatkit.io.provenance import hash_files

_TOGETHER_S = 0.005  # photographs whose timestamps differ by less were taken together
_FEWEST_CAMERAS = 2
_NAMED = 5


def with_rig(gathered: GatheredImages, calibrations: tuple[Path, ...], times: Path | None) -> GatheredImages:
    """The same with the rig that the photographs are of.

    Args:
        gathered: photographs without poses. Their folder is their camera, unless calibrations name cameras: then it is
            the one whose name is a word of the photograph's path.
        calibrations: where each camera is on the body, and its lens, as `read_rig` takes them; none: both are found.
        times: table of timestamps; none: photographs of one name were taken together.

    Raises:
        DatasetError: photographs belong to fewer than two cameras, none were taken together, or one has no camera or
            no time; names it.
        FileNotFoundError: no such file.
    """
    stated = read_rig(list(calibrations)) if calibrations else None
    table = None if times is None else read_times(times)
    cameras = {file.name: _camera(file, stated) for file in gathered.files}
    stamps = _stamps(gathered.files, cameras, table)
    mounts = {name: Mount(camera, stamps[name]) for name, camera in cameras.items()}
    counts = Counter(mounts.values())
    if twice := [name for name, mount in mounts.items() if counts[mount] > 1]:
        raise DatasetError(
            f"{twice[0]}, {twice[1]}: one camera took {len(twice)} photographs that count as taken together; give each "
            "camera a folder, or --image-times"
        )
    frames = Counter(mount.frame for mount in mounts.values())
    used = sorted(set(cameras.values()))
    if len(used) < _FEWEST_CAMERAS or max(frames.values()) < _FEWEST_CAMERAS:
        raise DatasetError(
            f"--rig: {len(used)} cameras ({', '.join(used[:_NAMED])}) and no two photographs taken together; give each "
            "camera a folder with the same names of photographs, or --image-times"
        )
    rig = CameraRig(_rig_cameras(used, cameras, stated), mounts)
    read = (*calibrations, *(() if times is None else (times,)))
    note = f"{len(used)} cameras on one body ({', '.join(used)}), {len(frames)} frames of it"
    return replace(gathered, rig=rig, sources=(*gathered.sources, *hash_files(read)), notes=(*gathered.notes, note))


def _camera(file: ImageFile, stated: Rig | None) -> str:
    if stated is None:
        return PurePosixPath(file.name).parent.as_posix()
    found = stated.camera_of(file.name)
    if found is None:
        names = ", ".join(camera.name for camera in stated.cameras)
        raise DatasetError(
            f"{file.path}: belongs to no camera of the rig; the name of one ({names}) must be a word of its folder or "
            "its name"
        )
    return found.name


def _stamps(files: tuple[ImageFile, ...], cameras: dict[str, str], table: FileTimes | None) -> dict[str, str]:
    """What was taken together has one, by name; in the order of time."""
    if table is None:
        return {file.name: _name_beside(file.name, cameras[file.name]) for file in files}
    times = {}
    for file in files:
        time = table.find(file.name)
        if time is None:
            raise DatasetError(f"{file.path}: the table of image times has no line for {file.path.name}, or several")
        times[file.name] = time
    out, number, last = {}, 0, -np.inf
    for name in sorted(times, key=lambda name: times[name]):
        if times[name] - last > _TOGETHER_S:
            number, last = number + 1, times[name]
        out[name] = f"{number:06d}"
    return out


def _name_beside(name: str, camera: str) -> str:
    """A photograph's name without its suffix, and without that of its camera: 0001 of left/left_0001.png."""
    stem = PurePosixPath(name).stem.replace(PurePosixPath(camera).name, "")
    return stem.strip("_-. ") or PurePosixPath(name).stem


def _rig_cameras(used: list[str], cameras: dict[str, str], stated: Rig | None) -> tuple[RigCamera, ...]:
    """The one with the most photographs first: it is the reference."""
    counts = Counter(cameras.values())
    order = sorted(used, key=lambda name: -counts[name])
    if stated is None:
        return tuple(RigCamera(name) for name in order)
    mounted: dict[str, MountedCamera] = {camera.name: camera for camera in stated.cameras}
    T_reference_lidar = mounted[order[0]].T_camera_lidar
    return tuple(
        RigCamera(name, mounted[name].T_camera_lidar @ invert(T_reference_lidar), mounted[name].camera)
        for name in order
    )


def check_rig_settings(
    rig: bool, calibrations: tuple[Path, ...], poses: Path | None, images: Path | None, frames: int | None
) -> None:
    """SettingsError where a rig is asked for and cannot be."""
    if calibrations and not rig:
        raise SettingsError("--calibration: says where cameras are on a body; give --rig with it")
    if rig and poses is not None:
        raise SettingsError("--rig: with --poses the poses are known already; leave one of them out")
    if rig and frames is not None:
        raise SettingsError("--frames: chooses photographs one by one; with --rig give a folder with those to use")
    if rig and (images is None or not images.is_dir()):
        raise SettingsError("--rig: takes a folder of photographs, with one folder for each camera")
