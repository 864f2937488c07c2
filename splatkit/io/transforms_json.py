"""nerfstudio's `transforms.json`: cameras, poses and file names of a dataset, checked before anything uses them.

The file stores poses as camera-to-world in OpenGL axes (x right, y up, z backward) and has names of its own for lenses;
both end here: what is read is a `PosedCamera` in OpenCV's axes. Paths are relative to the file's folder; one that leads
out of it is refused unless the caller allows it. Frames whose image does not exist are dropped and listed, because real
datasets contain them; a mask or map that does not exist is listed, and its frame does without. Everything else
that is wrong is an error naming file and frame.

Worlds far from their origin, such as a survey's, lose centimeters in float32. Their poses are read in local coordinates
and `Transforms.origin` says where these start. A file whose poses are local already says so by `local_origin`:
place in the original world = place in the file + local_origin.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN, as_triple, local_origin
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import RIGID_TOLERANCE, rigid_error
from splatkit.io.atomic import atomic_file
from splatkit.io.dataset_paths import FRAME_FILES, DatasetPaths
from splatkit.io.formats.transforms_lenses import camera_to_json, number, positive, read_camera
from splatkit.io.json_files import read_json
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, unstated_unit
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud

SPLIT_NAMES = ("train", "val", "test")
_DEPTH_UNIT = "depth_unit_scale_factor"
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # between both axes; its own inverse


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with its camera."""

    posed: PosedCamera  # by the name that the file gives the image: its path relative to the dataset's folder
    image_path: Path  # absolute
    mask_path: Path | None = None  # absolute
    depth_path: Path | None = None  # absolute; see splatkit.io.maps.depth_maps
    depth_sigma_path: Path | None = None  # absolute; of the same module
    normal_path: Path | None = None  # absolute; see splatkit.io.maps.normal_maps
    background_path: Path | None = None  # absolute; see splatkit.io.maps.background_maps
    rig_camera: str | None = None  # which camera of the rig took it
    time: float | None = None  # s, by the cameras' clock
    rig_frame: str | None = None  # of a rig of cameras: what has the same one was taken together

    @property
    def file_path(self) -> str:
        """The image as the file names it."""
        return self.posed.name

    @property
    def camera(self) -> Camera:
        """The lens, at the resolution of the image."""
        return self.posed.camera

    @property
    def T_world_camera(self) -> NDArray[np.float64]:
        """[4, 4] OpenCV axes."""
        return self.posed.T_world_camera

    @property
    def files(self) -> tuple[Path, ...]:
        """The image and what lies beside it."""
        beside = (getattr(self, field_name) for field_name in FRAME_FILES.values())
        return (self.image_path, *(path for path in beside if path is not None))

    def moved(self, shift: NDArray[np.float64]) -> "Frame":
        """The frame with its camera elsewhere, by a shift [3]."""
        if not shift.any():
            return self
        return replace(self, posed=replace(self.posed, T_world_camera=_shifted(self.T_world_camera, shift)))


@dataclass(frozen=True)
class Transforms:
    """The content of a `transforms.json`."""

    root: Path  # folder that relative paths start from, absolute
    frames: tuple[Frame, ...]
    ply_path: Path | None = None  # seed cloud, absolute; `read_seed_cloud` reads it in the frame of the poses
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "train", "val", "test" -> file_path
    missing: tuple[str, ...] = ()  # file_path of frames dropped because their image does not exist
    missing_files: tuple[str, ...] = ()  # masks and maps that do not exist; their frames stay
    applied_transform: NDArray[np.float64] | None = None  # [4, 4] T_written_original, for whoever wants the original
    applied_scale: float = 1.0  # written = applied_scale * original; poses and seed cloud both have it already
    depth_unit: float = DEPTH_UNIT_M  # of depth maps, in units of the poses; stated, or told by their values
    rig: tuple[MountedCamera, ...] = ()  # where the LiDAR was taken to be when depth maps and seed cloud were made
    origin: tuple[float, float, float] = AT_ORIGIN  # of the frame of the poses, in the original world
    file_origin: tuple[float, float, float] = AT_ORIGIN  # the same in the coordinates of the file and its cloud
    georeference: Mapping[str, Any] | None = None  # where the original world lies on Earth; exports check and use it


def read_transforms(path: Path, *, allow_outside: bool = False) -> Transforms:
    """Read and check a dataset's `transforms.json`.

    Args:
        path: the file, or the folder that holds it.
        allow_outside: accept paths that lead out of the dataset's folder.

    Raises:
        FileNotFoundError: no such file or folder.
        DatasetError: the file or a frame of it cannot be used; the message names both.
    """
    path = _locate(Path(path))
    paths = DatasetPaths(path, allow_outside)
    meta = paths.as_on_disk(_content(path), SPLIT_NAMES)
    entries = meta.get("frames")
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f"{path}: no frames; expected a list 'frames' with one entry per image")
    frames, missing = [], []
    for index, entry in enumerate(entries):
        where = _frame_name(path, entry, index)
        image_path = paths.resolve(entry["file_path"], where)
        if image_path.is_file():
            frames.append(_read_frame(entry, meta, image_path, paths, where))
        else:
            missing.append(entry["file_path"])
    if not frames:
        raise DatasetError(f"{path}: none of its {len(missing)} images exists, e.g. {path.parent / missing[0]}")
    listed = [frame.file_path for frame in frames] + missing
    if repeated := [name for name, count in Counter(listed).items() if count > 1]:
        raise DatasetError(f"{path}: {repeated[0]} is listed by more than one frame")
    ply = meta.get("ply_file_path")
    stated, found = _read_origin(meta, path)
    return Transforms(
        root=path.parent,
        frames=tuple(frame.moved(-found) for frame in frames),
        ply_path=paths.existing(ply, f"{path}: ply_file_path") if ply is not None else None,
        splits=_read_splits(meta, set(listed), set(missing), path),
        missing=tuple(missing),
        missing_files=tuple(paths.missing),
        applied_transform=_read_applied_transform(meta, found, path),
        applied_scale=positive(meta, "applied_scale", str(path)) if "applied_scale" in meta else 1.0,
        depth_unit=positive(meta, _DEPTH_UNIT, str(path)) if _DEPTH_UNIT in meta else _unstated_unit(frames),
        rig=_read_rig(meta, path),
        origin=as_triple(stated + found),
        file_origin=as_triple(found),
        georeference=_read_georeference(meta, path),
    )


def read_seed_cloud(transforms: Transforms) -> PointCloud | None:
    """The seed cloud, in the local coordinates of the poses; None where the dataset names none.

    Raises:
        DatasetError: it cannot be read.
    """
    if transforms.ply_path is None:
        return None
    cloud = read_point_cloud(transforms.ply_path)
    if not any(transforms.file_origin):
        return cloud
    return replace(cloud, points=cloud.points.astype(np.float64) - np.array(transforms.file_origin))


def write_transforms(path: Path, transforms: Transforms) -> None:
    """Write a `transforms.json`.

    Paths are stored relative to its folder; intrinsics once for the file where all frames share them.
    """
    root = path.resolve().parent
    shared = {frame.camera for frame in transforms.frames}
    in_file = np.array(transforms.file_origin)
    meta: dict[str, Any] = camera_to_json(shared.pop()) if len(shared) == 1 else {}
    per_frame = not meta
    if transforms.ply_path is not None:
        meta["ply_file_path"] = _relative(transforms.ply_path, root)
    if transforms.applied_transform is not None:
        meta["applied_transform"] = _shifted(transforms.applied_transform, in_file)[:3].tolist()
    if transforms.applied_scale != 1.0:
        meta["applied_scale"] = transforms.applied_scale
    if any(frame.depth_path is not None for frame in transforms.frames):
        meta[_DEPTH_UNIT] = transforms.depth_unit
    if transforms.rig:
        meta["rig"] = {
            camera.name: {"T_camera_lidar": camera.T_camera_lidar.tolist(), "covariance": camera.covariance.tolist()}
            for camera in transforms.rig
        }
    if (stated := np.array(transforms.origin) - in_file).any():
        meta["local_origin"] = stated.tolist()
    if transforms.georeference is not None:
        meta["georeference"] = dict(transforms.georeference)
    meta["frames"] = [_frame_to_json(frame.moved(in_file), root, per_frame) for frame in transforms.frames]
    for split, names in transforms.splits.items():
        meta[f"{split}_filenames"] = list(names)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(meta, indent=1, allow_nan=False) + "\n")


def read_origin(path: Path) -> tuple[float, float, float]:
    """`Transforms.origin` of a dataset, whose photographs need not be there; zeros where it has no transforms.json.

    Raises:
        DatasetError: the file cannot be used.
    """
    if not (path.is_file() or pose_files(path)):
        return AT_ORIGIN
    path = _locate(path)
    stated, found = _read_origin(_content(path), path)
    return as_triple(stated + found)


def _locate(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a dataset with a transforms.json")
    file = path / "transforms.json" if path.is_dir() else path
    if not file.is_file() and not _blender_files(path):
        raise FileNotFoundError(f"{path}: no transforms.json in this folder")
    return file.parent.resolve() / file.name


def _blender_files(folder: Path) -> dict[str, Path]:
    """The files of Blender's sets, as NeRF's synthetic scenes have them: transforms_train.json and so on, by split."""
    places = {split: folder / f"transforms_{split}.json" for split in SPLIT_NAMES}
    return {split: place for split, place in places.items() if place.is_file()}


def pose_files(folder: Path) -> list[Path]:
    """The files that `read_transforms` reads of a dataset's folder; none where it is no dataset."""
    file = folder / "transforms.json"
    return [file] if file.is_file() else list(_blender_files(folder).values())


def _content(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else _read_blender(path)


def _read_blender(path: Path) -> dict[str, Any]:
    """One content of the files of all splits: what each states for itself goes to its frames."""
    frames, splits = [], {}
    for split, file in _blender_files(path.parent).items():
        meta = read_json(file)
        entries = meta.pop("frames", None)
        if not isinstance(entries, list) or not entries:
            raise DatasetError(f"{file}: no frames; expected a list 'frames' with one entry per image")
        for index, entry in enumerate(entries):
            _frame_name(file, entry, index)
            frames.append({**meta, **entry})
        splits[f"{split}_filenames"] = [entry["file_path"] for entry in entries]
    return {"frames": frames, **splits}


def _frame_name(path: Path, entry: object, index: int) -> str:
    """'file: frame name' for messages; refuses what is not a frame."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        raise DatasetError(f"{path}: frame {index}: expected an object with a 'file_path'")
    return f"{path}: frame {index} ({entry['file_path']})"


def _read_frame(
    entry: dict[str, Any], meta: dict[str, Any], image_path: Path, paths: DatasetPaths, where: str
) -> Frame:
    files = {field_name: paths.found(entry.get(slot), f"{where}: {slot}") for slot, field_name in FRAME_FILES.items()}
    for slot in ("rig_camera", "rig_frame"):
        if entry.get(slot) is not None and not isinstance(entry[slot], str):
            raise DatasetError(f"{where}: {slot}: expected a name, got {entry[slot]!r}")
    return Frame(
        posed=PosedCamera(
            entry["file_path"], read_camera({**meta, **entry}, image_path, where), _read_pose(entry, where)
        ),
        image_path=image_path,
        rig_camera=entry.get("rig_camera"),
        rig_frame=entry.get("rig_frame"),
        time=number(entry, "time", where) if entry.get("time") is not None else None,
        **files,
    )


def _read_pose(entry: dict[str, Any], where: str) -> NDArray[np.float64]:
    """T_world_camera of the OpenGL pose that the file stores."""
    pose = _rigid(entry.get("transform_matrix"), f"{where}: transform_matrix")
    return np.asarray(pose @ _OPENGL)


def _rigid(value: object, where: str) -> NDArray[np.float64]:
    pose = _matrix(value, where)
    if rigid_error(pose) > RIGID_TOLERANCE:
        rotation = pose[:3, :3]
        error, determinant = np.abs(rotation.T @ rotation - np.eye(3)).max(), np.linalg.det(rotation)
        raise DatasetError(
            f"{where} is not a rigid pose (R^T R differs from 1 by {error:.2g}, "
            f"det R = {determinant:.3g}); scale belongs into the translations, a mirrored axis nowhere"
        )
    return pose


def _matrix(value: object, where: str) -> NDArray[np.float64]:
    """[4, 4] from rows of a 4x4 or 3x4 matrix."""
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{where}: expected a 4x4 matrix of numbers ({error})") from error
    if matrix.shape not in ((4, 4), (3, 4)):
        raise DatasetError(f"{where}: expected a 4x4 matrix, got shape {list(matrix.shape)}")
    if not np.isfinite(matrix).all():
        raise DatasetError(f"{where}: contains NaN or infinity")
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    if len(matrix) == 4 and np.abs(matrix[3] - bottom).max() > RIGID_TOLERANCE:
        raise DatasetError(f"{where}: the last row must be 0 0 0 1, got {matrix[3].tolist()}")
    return np.concatenate([matrix[:3], bottom])


def _read_splits(meta: dict[str, Any], listed: set[str], missing: set[str], path: Path) -> dict[str, tuple[str, ...]]:
    """The splits that the file gives, without the frames that were dropped."""
    splits = {}
    for split in SPLIT_NAMES:
        names = meta.get(f"{split}_filenames")
        if names is None:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DatasetError(f"{path}: {split}_filenames: expected a list of file names")
        if unknown := [name for name in names if name not in listed]:
            raise DatasetError(
                f"{path}: {split}_filenames names {unknown[0]}, which is no frame's file_path "
                f"({len(unknown)} of {len(names)} such names)"
            )
        splits[split] = tuple(name for name in names if name not in missing)
    return splits


def _read_applied_transform(meta: dict[str, Any], found: NDArray[np.float64], path: Path) -> NDArray[np.float64] | None:
    value = meta.get("applied_transform")
    if value is None:
        return _shifted(np.eye(4), -found) if found.any() else None
    return _shifted(_matrix(value, f"{path}: applied_transform"), -found)


def _read_georeference(meta: dict[str, Any], path: Path) -> dict[str, Any] | None:
    value = meta.get("georeference")
    if value is not None and not isinstance(value, dict):
        raise DatasetError(f"{path}: georeference: expected an object with crs and offset")
    return value


def _read_origin(meta: dict[str, Any], path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the file says of its origin, or where it should be by all poses, also of images that are missing: [3], [3].

    One of them is zero. It must not depend on which images there are today: a run that was trained yesterday does not.
    """
    value = meta.get("local_origin")
    if value is None:
        return np.zeros(3), _origin_of_poses(meta.get("frames"))
    try:
        stated = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        stated = np.zeros(0)
    if stated.shape != (3,) or not np.isfinite(stated).all():
        raise DatasetError(f"{path}: local_origin: expected three numbers, got {value!r}")
    return stated, np.zeros(3)


def _origin_of_poses(entries: object) -> NDArray[np.float64]:
    """Of the poses that can be read; the others are complained of where they are used."""
    centers = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            center = np.array(entry["transform_matrix"], dtype=np.float64)[:3, 3]
        except (KeyError, IndexError, TypeError, ValueError):
            continue
        centers.append(center)
    found = np.array(centers).reshape(-1, 3)
    found = found[np.isfinite(found).all(1)]
    return local_origin(found) if len(found) else np.zeros(3)


def _shifted(matrix: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """[4, 4] with a shift [3] after it."""
    out = matrix.copy()
    out[:3, 3] += shift
    return out


def _unstated_unit(frames: list[Frame]) -> float:
    """nerfstudio's 1 mm, unless the depths themselves tell another."""
    paths = [frame.depth_path for frame in frames if frame.depth_path is not None]
    try:
        return unstated_unit(paths[0]) if paths else DEPTH_UNIT_M
    except DatasetError:  # told where the map is used
        return DEPTH_UNIT_M


def _read_rig(meta: dict[str, Any], path: Path) -> tuple[MountedCamera, ...]:
    rig = meta.get("rig", {})
    if not isinstance(rig, dict) or not all(isinstance(entry, dict) for entry in rig.values()):
        raise DatasetError(f"{path}: rig: expected an object with one entry for each camera")
    cameras = []
    for name, entry in rig.items():
        where = f"{path}: rig: {name}"
        try:
            covariance = np.array(entry.get("covariance"), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{where}: covariance: expected a 6x6 matrix of numbers ({error})") from error
        if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
            raise DatasetError(f"{where}: covariance: expected a 6x6 matrix of finite numbers")
        pose = _rigid(entry.get("T_camera_lidar"), f"{where}: T_camera_lidar")
        cameras.append(MountedCamera(name, pose, covariance))
    return tuple(cameras)


def _frame_to_json(frame: Frame, root: Path, with_intrinsics: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"file_path": frame.file_path}
    for slot, field_name in FRAME_FILES.items():
        path = getattr(frame, field_name)
        if path is not None:
            entry[slot] = _relative(path, root)
    if frame.rig_camera is not None:
        entry["rig_camera"] = frame.rig_camera
    if frame.rig_frame is not None:
        entry["rig_frame"] = frame.rig_frame
    if frame.time is not None:
        entry["time"] = frame.time
    if with_intrinsics:
        entry |= camera_to_json(frame.camera)
    return entry | {"transform_matrix": (frame.T_world_camera @ _OPENGL).tolist()}


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.as_posix()
