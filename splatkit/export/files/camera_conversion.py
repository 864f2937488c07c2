"""Cameras and trajectories of any program as transforms.json, COLMAP model, or TUM, KITTI and CSV trajectory.

They keep their world: nothing is turned upright, and what was read far from its origin is written there again.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.images.poses.photogrammetry.realityscan import is_realityscan
from splatkit.capture.images.poses.reading import read_poses
from splatkit.errors import DatasetError
from splatkit.export.files.colmap_export import write_colmap
from splatkit.export.files.converted import Converted
from splatkit.export.settings import ConvertSettings
from splatkit.io.formats.trajectories import (
    Trajectory,
    columns_left_out,
    is_kitti,
    read_kitti,
    read_trajectory,
    write_kitti,
    write_trajectory,
    write_trajectory_table,
)
from splatkit.io.transforms_json import Frame, Transforms, write_transforms

_CAMERAS = (".json", ".xml", ".sfm", ".opf", ".out")
_TRAJECTORIES = (".tum", ".txt", ".kitti", ".csv")
_NUMBERED = "timestamps, which it has none of: poses are numbered, 1 s apart"
_MOST_POINTS = 10_000_000


def takes_cameras(source: Path, out: Path) -> bool:
    """Whether by their names both files are of cameras or trajectories; what has no ending will be a COLMAP model."""
    known = source.is_dir() or source.suffix.lower() in (*_CAMERAS, *_TRAJECTORIES)
    return known and out.suffix.lower() in (".json", "", *_TRAJECTORIES)


def convert_cameras(settings: ConvertSettings) -> Converted:
    """Read cameras or a trajectory and write them as another kind of file.

    Raises:
        FileNotFoundError, DatasetError: as the readers of `capture images --poses` say.
        ValueError: a trajectory has no cameras.
    """
    source, out = settings.input, settings.output
    if source.is_file() and source.suffix.lower() in _TRAJECTORIES and not is_realityscan(source):
        if out.suffix.lower() not in _TRAJECTORIES:
            raise ValueError(f"{out}: {source.name} is a trajectory, without lenses; it becomes .tum, .kitti or .csv")
        return _convert_trajectory(source, out)
    given = read_poses(source, "auto", settings.images, None, None)
    if out.suffix.lower() in _TRAJECTORIES:
        return _to_trajectory(given, out)
    return _to_model(given, settings) if not out.suffix else _to_transforms(given, settings)


def _convert_trajectory(source: Path, out: Path) -> Converted:
    if is_kitti(source):
        poses = read_kitti(source)
        trajectory, lost = Trajectory(np.arange(len(poses), dtype=np.float64), poses), [_NUMBERED]
    else:
        trajectory, lost = read_trajectory(source), list[str]()
        if more := columns_left_out(source):
            lost.append(f"the columns {', '.join(more)}")
    return _write(trajectory, out, lost, f"{len(trajectory.times)} poses")


def _write(trajectory: Trajectory, out: Path, lost: list[str], what: str) -> Converted:
    suffix = out.suffix.lower()
    if suffix == ".kitti":
        write_kitti(out, trajectory.poses)
        lost = ["timestamps", *(line for line in lost if line != _NUMBERED)]
    elif suffix == ".csv":
        write_trajectory_table(out, trajectory)
    else:
        write_trajectory(out, trajectory)
    return Converted(out, what, tuple(lost))


def _to_trajectory(given: GivenCameras, out: Path) -> Converted:
    cameras = sorted(given.cameras, key=lambda camera: -np.inf if camera.time is None else camera.time)
    times = [camera.time for camera in cameras]
    lost = ["lenses and names of photographs", *_lost(given, {"points", "georeference", "splits", "rig", "depths"})]
    if all(time is not None for time in times) and len(set(times)) == len(times):
        stamps = np.array(times, dtype=np.float64)
    else:
        stamps = np.arange(len(cameras), dtype=np.float64)
        lost.append(_NUMBERED if None in times else "timestamps, of which some are the same: poses are numbered")
    poses = np.stack([camera.posed.T_world_camera for camera in cameras])
    trajectory = Trajectory(stamps, poses).moved(np.array(given.origin))
    return _write(trajectory, out, [*lost, *given.left_out], f"{len(cameras)} poses of cameras")


def _to_transforms(given: GivenCameras, settings: ConvertSettings) -> Converted:
    if settings.output.name != "transforms.json":
        raise ValueError(f"{settings.output}: cameras are read by programs under the name transforms.json; use that")
    root = settings.output.resolve().parent
    names = {camera.name: _relative(camera.image, root) for camera in given.cameras}
    transforms = Transforms(
        root,
        tuple(_frame(given, camera, names[camera.name]) for camera in given.cameras),
        splits={split: tuple(names[n] for n in listed if n in names) for split, listed in given.splits.items()},
        applied_transform=given.applied_transform,
        origin=given.origin,
        georeference=given.georeference,
    )
    write_transforms(settings.output, transforms)
    lost = [*_lost(given, {"points", "depths"}), *given.left_out]
    return Converted(settings.output, f"{len(given.cameras)} cameras", tuple(lost))


def _to_model(given: GivenCameras, settings: ConvertSettings) -> Converted:
    frames = tuple(_frame(given, camera, camera.name) for camera in given.cameras)
    transforms = Transforms(settings.output, frames, origin=given.origin)
    written = write_colmap(transforms, given.points, settings.output, settings.overwrite, _MOST_POINTS)
    lost = _lost(given, {"time", "georeference", "splits", "depths"})
    if written.unfit:
        lost.append(f"{written.unfit} rigs whose cameras do not lie alike in all frames")
    what = f"COLMAP model of {written.images} images, {written.cameras} cameras and {written.points} points"
    return Converted(settings.output, what, (*lost, *given.left_out))


def _frame(given: GivenCameras, camera: GivenCamera, name: str) -> Frame:
    mount = None if given.rig is None else given.rig.mounts.get(camera.name)
    return Frame(
        replace(camera.posed, name=name),
        camera.image.resolve(),
        None if camera.mask is None else camera.mask.resolve(),
        rig_camera=None if mount is None else mount.camera,
        rig_frame=None if mount is None else mount.frame,
        time=camera.time,
    )


def _relative(image: Path, root: Path) -> str:
    """A photograph as a transforms.json in that folder names it.

    Raises:
        DatasetError: it lies elsewhere, where readers of datasets do not look.
    """
    if not image.resolve().is_relative_to(root):
        raise DatasetError(
            f"{image}: is not below {root}; write transforms.json to a folder that holds the photographs"
        )
    return image.resolve().relative_to(root).as_posix()


def _lost(given: GivenCameras, has_no: set[str]) -> list[str]:
    """What the cameras have, of the parts that a kind of file has no room for."""
    parts = {
        "time": ("timestamps", any(camera.time is not None for camera in given.cameras)),
        "points": (f"{0 if given.points is None else len(given.points.points)} points", given.points is not None),
        "georeference": ("the georeference", given.georeference is not None),
        "splits": ("what is held out", bool(given.splits)),
        "rig": ("which cameras are on one body", given.rig is not None),
        "depths": ("depth maps", any(camera.read_depth is not None for camera in given.cameras)),
    }
    return [words for name, (words, is_there) in parts.items() if name in has_no and is_there]
