"""nerfstudio's `transforms.json`: cameras, poses and file names of a dataset, checked before anything uses them.

Poses are camera-to-world in OpenGL axes (x right, y up, z backward), as the file stores them. Paths are relative to the
file's folder; one that leads out of it is refused unless the caller allows it. Frames whose image does not exist are
dropped and listed, because real datasets contain them; a mask or depth map that does not exist is listed, and its frame
does without. Everything else that is wrong is an error naming file and frame.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.images import image_size

CAMERA_MODELS = ("OPENCV", "OPENCV_FISHEYE", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "EQUIRECTANGULAR")
DISTORTION_NAMES = ("k1", "k2", "k3", "k4", "p1", "p2")  # the order of nerfstudio's distortion_params
SPLIT_NAMES = ("train", "val", "test")
_DEPTH_UNIT, _NERFSTUDIO_DEPTH_UNIT = "depth_unit_scale_factor", 1e-3

# Poses pass through text and float32; the worst of the public datasets that were tried is off by 2e-6.
_RIGID_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Intrinsics:
    """A camera model at the resolution of its images."""

    camera_model: str  # one of CAMERA_MODELS
    width: int  # px
    height: int  # px
    fl_x: float  # px
    fl_y: float  # px
    cx: float  # px, the center of the first pixel is at 0.5
    cy: float  # px
    distortion: tuple[float, ...] = (0.0,) * 6  # in the order of DISTORTION_NAMES

    def matrix(self) -> NDArray[np.float64]:
        """K, [3, 3] px."""
        return np.array([[self.fl_x, 0.0, self.cx], [0.0, self.fl_y, self.cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Frame:
    """One image with its camera."""

    file_path: str  # as the file names it, relative to the dataset's folder
    image_path: Path  # absolute
    camera_to_world: NDArray[np.float64]  # [4, 4] OpenGL axes
    intrinsics: Intrinsics
    mask_path: Path | None = None  # absolute
    depth_path: Path | None = None  # absolute
    depth_sigma_path: Path | None = None  # absolute; see splatkit.io.depth_maps
    rig_camera: str | None = None  # which camera of the rig took it
    time: float | None = None  # s, by the cameras' clock


@dataclass(frozen=True)
class RigCamera:
    """Where the LiDAR was taken to be when depth maps and seed cloud were made."""

    name: str
    T_camera_lidar: NDArray[np.float64]  # [4, 4]
    covariance: NDArray[np.float64]  # [6, 6] of its twist: rotation (rad), then translation (m), camera frame


@dataclass(frozen=True)
class Transforms:
    """The content of a `transforms.json`."""

    root: Path  # folder that relative paths start from, absolute
    frames: tuple[Frame, ...]
    ply_path: Path | None = None  # seed cloud in the frame of the poses, absolute
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "train", "val", "test" -> file_path
    missing: tuple[str, ...] = ()  # file_path of frames dropped because their image does not exist
    missing_files: tuple[str, ...] = ()  # masks, depth maps and their deviations that do not exist; their frames stay
    applied_transform: NDArray[np.float64] | None = None  # [4, 4] T_written_original, for whoever wants the original
    applied_scale: float = 1.0  # written = applied_scale * original; poses and seed cloud both have it already
    depth_unit: float = 1e-3  # of 16-bit depth maps and of .npy depth maps, in units of the poses
    rig: tuple[RigCamera, ...] = ()  # cameras that have a LiDAR beside them


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
    meta = _parse(path)
    entries = meta.get("frames")
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f"{path}: no frames; expected a list 'frames' with one entry per image")
    paths = _Paths(path, allow_outside)
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
    return Transforms(
        root=path.parent,
        frames=tuple(frames),
        ply_path=paths.existing(ply, f"{path}: ply_file_path") if ply is not None else None,
        splits=_read_splits(meta, set(listed), set(missing), path),
        missing=tuple(missing),
        missing_files=tuple(paths.missing),
        applied_transform=_read_applied_transform(meta, path),
        applied_scale=_positive(meta, "applied_scale", str(path)) if "applied_scale" in meta else 1.0,
        depth_unit=_positive(meta, _DEPTH_UNIT, str(path)) if _DEPTH_UNIT in meta else _NERFSTUDIO_DEPTH_UNIT,
        rig=_read_rig(meta, path),
    )


def write_transforms(path: Path, transforms: Transforms) -> None:
    """Write a `transforms.json`.

    Paths are stored relative to its folder; intrinsics once for the file where all frames share them.
    """
    root = path.resolve().parent
    shared = {frame.intrinsics for frame in transforms.frames}
    meta: dict[str, Any] = _intrinsics_to_json(shared.pop()) if len(shared) == 1 else {}
    per_frame = not meta
    if transforms.ply_path is not None:
        meta["ply_file_path"] = _relative(transforms.ply_path, root)
    if transforms.applied_transform is not None:
        meta["applied_transform"] = transforms.applied_transform[:3].tolist()
    if transforms.applied_scale != 1.0:
        meta["applied_scale"] = transforms.applied_scale
    if any(frame.depth_path is not None for frame in transforms.frames):
        meta[_DEPTH_UNIT] = transforms.depth_unit
    if transforms.rig:
        meta["rig"] = {
            camera.name: {"T_camera_lidar": camera.T_camera_lidar.tolist(), "covariance": camera.covariance.tolist()}
            for camera in transforms.rig
        }
    meta["frames"] = [_frame_to_json(frame, root, per_frame) for frame in transforms.frames]
    for split, names in transforms.splits.items():
        meta[f"{split}_filenames"] = list(names)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(meta, indent=1, allow_nan=False) + "\n")


class _Paths:
    """Resolves paths of one file, inside its folder unless told otherwise."""

    def __init__(self, json_path: Path, allow_outside: bool) -> None:
        self.root = json_path.parent
        self.allow_outside = allow_outside
        self.missing: list[str] = []  # what `found` did not find

    def resolve(self, name: object, where: str) -> Path:
        """Absolute path of `name`; links are followed, for a link leads out of a folder as well as `..` does."""
        if not isinstance(name, str) or not name or "\0" in name:
            raise DatasetError(f"{where}: expected a path, got {name!r}")
        resolved = (self.root / name).resolve()
        if not self.allow_outside and not resolved.is_relative_to(self.root):
            raise DatasetError(f"{where}: {name} leads out of the dataset's folder {self.root}; refused")
        return resolved

    def found(self, name: object, where: str) -> Path | None:
        """Like `resolve`, for a file that a frame can do without; None where it is not named or does not exist."""
        if name is None:
            return None
        resolved = self.resolve(name, where)
        if resolved.is_file():
            return resolved
        self.missing.append(str(name))
        return None

    def existing(self, name: object, where: str) -> Path:
        """Like `resolve`, for a file that must exist."""
        resolved = self.resolve(name, where)
        if not resolved.is_file():
            raise DatasetError(f"{where}: no such file {resolved}")
        return resolved


def _locate(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a dataset with a transforms.json")
    file = path / "transforms.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no transforms.json in this folder")
    return file.parent.resolve() / file.name


def _parse(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(meta, dict):
        raise DatasetError(f"{path}: expected a JSON object, got a {type(meta).__name__}")
    return meta


def _frame_name(path: Path, entry: object, index: int) -> str:
    """'file: frame name' for messages; refuses what is not a frame."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        raise DatasetError(f"{path}: frame {index}: expected an object with a 'file_path'")
    return f"{path}: frame {index} ({entry['file_path']})"


def _read_frame(entry: dict[str, Any], meta: dict[str, Any], image_path: Path, paths: _Paths, where: str) -> Frame:
    size = image_size(image_path)
    files = {
        name: paths.found(entry.get(name), f"{where}: {name}")
        for name in ("mask_path", "depth_file_path", "depth_sigma_file_path")
    }
    camera = entry.get("rig_camera")
    if camera is not None and not isinstance(camera, str):
        raise DatasetError(f"{where}: rig_camera: expected a name, got {camera!r}")
    return Frame(
        file_path=entry["file_path"],
        image_path=image_path,
        camera_to_world=_read_pose(entry, where),
        intrinsics=_read_intrinsics({**meta, **entry}, size, where),
        mask_path=files["mask_path"],
        depth_path=files["depth_file_path"],
        depth_sigma_path=files["depth_sigma_file_path"],
        rig_camera=camera,
        time=_number(entry, "time", where) if entry.get("time") is not None else None,
    )


def _read_pose(entry: dict[str, Any], where: str) -> NDArray[np.float64]:
    return _rigid(entry.get("transform_matrix"), f"{where}: transform_matrix")


def _rigid(value: object, where: str) -> NDArray[np.float64]:
    pose = _matrix(value, where)
    rotation = pose[:3, :3]
    error = np.abs(rotation.T @ rotation - np.eye(3)).max()
    if error > _RIGID_TOLERANCE or np.linalg.det(rotation) < 0:
        raise DatasetError(
            f"{where} is not a rigid pose (R^T R differs from 1 by {error:.2g}, "
            f"det R = {np.linalg.det(rotation):.3g}); scale belongs into the translations, a mirrored axis nowhere"
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
    if len(matrix) == 4 and np.abs(matrix[3] - bottom).max() > _RIGID_TOLERANCE:
        raise DatasetError(f"{where}: the last row must be 0 0 0 1, got {matrix[3].tolist()}")
    return np.concatenate([matrix[:3], bottom])


def _read_intrinsics(values: dict[str, Any], size: tuple[int, int], where: str) -> Intrinsics:
    """Intrinsics of one frame; `values` holds the file's entries overridden by the frame's, size is the image's own."""
    model = values.get("camera_model", "OPENCV")
    if model not in CAMERA_MODELS:
        raise DatasetError(f"{where}: camera_model {model!r} is unknown; expected one of {', '.join(CAMERA_MODELS)}")
    width, height = size
    for name, expected in (("w", width), ("h", height)):
        if name in values and _number(values, name, where) != expected:
            raise DatasetError(
                f"{where}: the image is {width}x{height} px but the file says {name} = {values[name]}; "
                "intrinsics and images must have one resolution"
            )
    fl_x = _focal_length(values, "x", width, where)
    has_fl_y = "fl_y" in values or "camera_angle_y" in values
    distortion = tuple(_number(values, name, where) if name in values else 0.0 for name in DISTORTION_NAMES)
    return Intrinsics(
        camera_model=model,
        width=width,
        height=height,
        fl_x=fl_x,
        fl_y=_focal_length(values, "y", height, where) if has_fl_y else fl_x,
        cx=_number(values, "cx", where) if "cx" in values else width / 2,
        cy=_number(values, "cy", where) if "cy" in values else height / 2,
        distortion=distortion,
    )


def _focal_length(values: dict[str, Any], axis: str, extent: int, where: str) -> float:
    """px, from `fl_x` or from Blender's field of view `camera_angle_x` in radians."""
    if f"fl_{axis}" in values:
        return _positive(values, f"fl_{axis}", where)
    if f"camera_angle_{axis}" not in values:
        raise DatasetError(f"{where}: intrinsics are missing; give fl_x, fl_y, cx, cy for the file or for each frame")
    angle = _positive(values, f"camera_angle_{axis}", where)
    if angle >= math.pi:
        raise DatasetError(f"{where}: camera_angle_{axis} = {angle} is not a field of view in radians below pi")
    return extent / (2 * math.tan(angle / 2))


def _positive(values: dict[str, Any], name: str, where: str) -> float:
    value = _number(values, name, where)
    if value <= 0:
        raise DatasetError(f"{where}: {name} must be positive, got {value}")
    return value


def _number(values: dict[str, Any], name: str, where: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DatasetError(f"{where}: {name} must be a finite number, got {value!r}")
    return float(value)


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


def _read_applied_transform(meta: dict[str, Any], path: Path) -> NDArray[np.float64] | None:
    value = meta.get("applied_transform")
    return None if value is None else _matrix(value, f"{path}: applied_transform")


def _read_rig(meta: dict[str, Any], path: Path) -> tuple[RigCamera, ...]:
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
        cameras.append(RigCamera(name, pose, covariance))
    return tuple(cameras)


def _intrinsics_to_json(intrinsics: Intrinsics) -> dict[str, Any]:
    values = {"camera_model": intrinsics.camera_model, "w": intrinsics.width, "h": intrinsics.height}
    values |= {name: getattr(intrinsics, name) for name in ("fl_x", "fl_y", "cx", "cy")}
    return values | dict(zip(DISTORTION_NAMES, intrinsics.distortion, strict=True))


def _frame_to_json(frame: Frame, root: Path, with_intrinsics: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"file_path": frame.file_path}
    if frame.mask_path is not None:
        entry["mask_path"] = _relative(frame.mask_path, root)
    if frame.depth_path is not None:
        entry["depth_file_path"] = _relative(frame.depth_path, root)
    if frame.depth_sigma_path is not None:
        entry["depth_sigma_file_path"] = _relative(frame.depth_sigma_path, root)
    if frame.rig_camera is not None:
        entry["rig_camera"] = frame.rig_camera
    if frame.time is not None:
        entry["time"] = frame.time
    if with_intrinsics:
        entry |= _intrinsics_to_json(frame.intrinsics)
    return entry | {"transform_matrix": frame.camera_to_world.tolist()}


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.as_posix()
