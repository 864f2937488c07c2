"""nerfstudio's `transforms.json`: cameras, poses and file names of a dataset, checked before anything uses them.

The file stores poses as camera-to-world in OpenGL axes (x right, y up, z backward) and has names of its own for lenses;
both end here: what is read is a `PosedCamera` in OpenCV's axes. Paths are relative to the file's folder; one that leads
out of it is refused unless the caller allows it. Frames whose image does not exist are dropped and listed, because real
datasets contain them; a mask or depth map that does not exist is listed, and its frame does without. Everything else
that is wrong is an error naming file and frame.
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

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import RIGID_TOLERANCE, rigid_error
from splatkit.io.atomic import atomic_file
from splatkit.io.dataset_paths import DatasetPaths
from splatkit.io.images import image_size, lies_on_its_side, turned_by_exif
from splatkit.io.json_files import read_json

_PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")  # lenses by their coefficients alone
_FISHEYE, _EQUIRECTANGULAR = "OPENCV_FISHEYE", "EQUIRECTANGULAR"
CAMERA_MODELS = (*_PERSPECTIVE, _FISHEYE, _EQUIRECTANGULAR)
_FOREIGN_LENSES = ("latlong", "orthographic", "ftheta_p0")  # of instant-ngp
_DISTORTION_NAMES = ("k1", "k2", "k3", "k4", "p1", "p2")
SPLIT_NAMES = ("train", "val", "test")
_DEPTH_UNIT, _NERFSTUDIO_DEPTH_UNIT = "depth_unit_scale_factor", 1e-3
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # between both axes; its own inverse


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with its camera."""

    posed: PosedCamera  # by the name that the file gives the image: its path relative to the dataset's folder
    image_path: Path  # absolute
    mask_path: Path | None = None  # absolute
    depth_path: Path | None = None  # absolute
    depth_sigma_path: Path | None = None  # absolute; see splatkit.io.depth_maps
    rig_camera: str | None = None  # which camera of the rig took it
    time: float | None = None  # s, by the cameras' clock

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
    rig: tuple[MountedCamera, ...] = ()  # where the LiDAR was taken to be when depth maps and seed cloud were made


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
    meta = paths.as_on_disk(read_json(path) if path.is_file() else _read_blender(path), SPLIT_NAMES)
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
    shared = {frame.camera for frame in transforms.frames}
    meta: dict[str, Any] = _camera_to_json(shared.pop()) if len(shared) == 1 else {}
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
    files = {
        name: paths.found(entry.get(name), f"{where}: {name}")
        for name in ("mask_path", "depth_file_path", "depth_sigma_file_path")
    }
    camera = entry.get("rig_camera")
    if camera is not None and not isinstance(camera, str):
        raise DatasetError(f"{where}: rig_camera: expected a name, got {camera!r}")
    return Frame(
        posed=PosedCamera(
            entry["file_path"], _read_camera({**meta, **entry}, image_path, where), _read_pose(entry, where)
        ),
        image_path=image_path,
        mask_path=files["mask_path"],
        depth_path=files["depth_file_path"],
        depth_sigma_path=files["depth_sigma_file_path"],
        rig_camera=camera,
        time=_number(entry, "time", where) if entry.get("time") is not None else None,
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


def _read_camera(values: dict[str, Any], image: Path, where: str) -> Camera:
    """The camera of one frame; `values` holds the file's entries overridden by the frame's."""
    model = _lens_model(values, where)
    width, height = size = image_size(image)
    for name, expected in (("w", width), ("h", height)):
        if name in values and _number(values, name, where) != expected:
            raise DatasetError(
                f"{where}: the image is {width}x{height} px but the file says {name} = {values[name]}; "
                f"intrinsics and images must have one resolution{turned_by_exif(image, _stated_size(values, size))}"
            )
    _check_center(values, image, where)
    if model == _EQUIRECTANGULAR:
        # The image is the whole sphere, whatever focal lengths the file states.
        return Camera("equirectangular", width, height, width / (2 * math.pi), height / math.pi, width / 2, height / 2)
    fl_x = _focal_length(values, "x", width, where)
    has_fl_y = "fl_y" in values or "camera_angle_y" in values
    fl_y = _focal_length(values, "y", height, where) if has_fl_y else fl_x
    cx = _number(values, "cx", where) if "cx" in values else width / 2
    cy = _number(values, "cy", where) if "cy" in values else height / 2
    k1, k2, k3, k4, p1, p2 = (_number(values, k, where) if k in values else 0.0 for k in _DISTORTION_NAMES)
    if model == _FISHEYE:
        if p1 or p2:
            raise DatasetError(
                f"{where}: a fisheye lens ({_FISHEYE}) has no p1, p2: remove them, or name another model"
            )
        return Camera("kannala_brandt", width, height, fl_x, fl_y, cx, cy, (k1, k2, k3, k4))
    if k4 != 0:
        raise DatasetError(f"{where}: camera_model {model} has no k4: remove it, or name the model OPENCV_FISHEYE")
    if not any((k1, k2, k3, p1, p2)):
        return Camera("pinhole", width, height, fl_x, fl_y, cx, cy)
    return Camera("brown_conrady", width, height, fl_x, fl_y, cx, cy, (k1, k2, p1, p2, k3))


def _lens_model(values: dict[str, Any], where: str) -> str:
    """nerfstudio's `camera_model`, or instant-ngp's `is_fisheye`; its other lenses are refused, not passed over."""
    if foreign := next((name for name in _FOREIGN_LENSES if values.get(name)), None):
        raise DatasetError(f"{where}: the lens that {foreign} states is not read; undistort the images before")
    is_fisheye = bool(values.get("is_fisheye", False))
    model = values.get("camera_model", _FISHEYE if is_fisheye else "OPENCV")
    if model not in CAMERA_MODELS:
        raise DatasetError(f"{where}: camera_model {model!r} is unknown; expected one of {', '.join(CAMERA_MODELS)}")
    if is_fisheye and model != _FISHEYE:
        raise DatasetError(f"{where}: is_fisheye and camera_model {model} contradict each other; remove one of them")
    return str(model)


def _stated_size(values: dict[str, Any], size: tuple[int, int]) -> tuple[float, float]:
    return values.get("w", size[0]), values.get("h", size[1])


def _check_center(values: dict[str, Any], image: Path, where: str) -> None:
    """Where no size is stated, the principal point tells whether it was that of an image as EXIF turns it."""
    width, height = image_size(image)
    if "w" in values or "h" in values or "cx" not in values or "cy" not in values:
        return
    cx, cy = _number(values, "cx", where), _number(values, "cy", where)
    fits_turned = abs(2 * cx - height) + abs(2 * cy - width) < abs(2 * cx - width) + abs(2 * cy - height)
    if fits_turned and lies_on_its_side(image):
        raise DatasetError(
            f"{where}: cx = {cx:g}, cy = {cy:g} do not fit an image of {width}x{height} px"
            + turned_by_exif(image, (height, width))
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


def _camera_to_json(camera: Camera) -> dict[str, Any]:
    values: dict[str, Any] = {"camera_model": model_name(camera), "w": camera.width, "h": camera.height}
    values |= {"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy}
    return values | dict(zip(_DISTORTION_NAMES, distortion_params(camera), strict=True))


def model_name(camera: Camera) -> str:
    """The lens as the file names it."""
    names = {"pinhole": "PINHOLE", "brown_conrady": "OPENCV", "kannala_brandt": _FISHEYE}
    return names.get(camera.model, _EQUIRECTANGULAR)


def distortion_params(camera: Camera) -> tuple[float, ...]:
    """k1, k2, k3, k4, p1, p2: the order that nerfstudio has for all lenses.

    Raises:
        SettingsError: the lens has coefficients or a shape that have no name there.
    """
    if camera.model == "kannala_brandt":
        return (*camera.distortion, 0.0, 0.0)
    if camera.model == "orthographic":
        raise SettingsError("camera: orthographic images have no name in transforms.json")
    if not camera.distortion:
        return (0.0,) * len(_DISTORTION_NAMES)
    k1, k2, p1, p2, *more = camera.distortion
    k3, *rational = more or [0.0]
    if any(rational):
        raise SettingsError("camera: rational distortion (8 coefficients) has no name in transforms.json")
    return (k1, k2, k3, 0.0, p1, p2)


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
        entry |= _camera_to_json(frame.camera)
    return entry | {"transform_matrix": (frame.T_world_camera @ _OPENGL).tolist()}


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.as_posix()
