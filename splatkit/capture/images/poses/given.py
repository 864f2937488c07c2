"""What every reader of poses gives, whatever its format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.left_out import LeftOut
from splatkit.errors import DatasetError
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN, as_triple, local_origin
from splatkit.geometry.se3 import compose, is_rigid, rigid_error
from splatkit.io.listing import list_files
from splatkit.io.maps.depth_maps import DepthMap
from splatkit.io.point_cloud import PointCloud


@dataclass(frozen=True)
class GivenCamera:
    """One image whose camera is known."""

    posed: PosedCamera  # by the image's name in the new dataset, with its suffix
    image: Path
    mask: Path | None = None
    read_depth: Callable[[], DepthMap] | None = None  # of the image's size
    time: float | None = None  # s

    @property
    def name(self) -> str:
        """Of the image in the new dataset."""
        return self.posed.name


@dataclass(frozen=True)
class GivenCameras:
    """A whole capture."""

    cameras: tuple[GivenCamera, ...]
    files: tuple[Path, ...]  # that the poses were read from
    frame: str  # of the world, in words
    scale: Literal["metric", "arbitrary"]
    up: Literal["z", "y", "unknown"]  # axis of the world
    points: PointCloud | None = None
    left_out: tuple[str, ...] = ()  # what was left out, and why
    unused: tuple[LeftOut, ...] = ()  # photographs beside those that have a pose
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "train", "val", "test" -> names
    applied_transform: NDArray[np.float64] | None = None  # [4, 4] T_world_original, where the file states one
    origin: tuple[float, float, float] = AT_ORIGIN  # of the world, in that of the files
    rig: CameraRig | None = None  # that some of the cameras are of
    georeference: Mapping[str, Any] | None = None  # where the world of the files lies on Earth, where they state it


def with_local_origin(given: GivenCameras) -> GivenCameras:
    """The capture in local coordinates, if it is far from its origin. Such worlds are surveys', whose z is up."""
    far = local_origin(np.stack([camera.posed.center for camera in given.cameras]))
    if not far.any():
        return given
    shift = compose(np.eye(3), -far)
    original = np.eye(4) if given.applied_transform is None else given.applied_transform
    moved = [replace(camera.posed, T_world_camera=shift @ camera.posed.T_world_camera) for camera in given.cameras]
    return replace(
        given,
        cameras=tuple(replace(camera, posed=posed) for camera, posed in zip(given.cameras, moved, strict=True)),
        points=None if given.points is None else replace(given.points, points=given.points.points - far),
        applied_transform=shift @ original,
        origin=as_triple(far + np.array(given.origin)),
        up="z",
    )


def files_in(folder: Path, suffix: str) -> list[Path]:
    """Files of a folder by their suffix, in natural order and without hidden ones; none where there is no folder."""
    return list_files(folder, (suffix,)) if folder.is_dir() else []


def number(values: dict[str, Any], name: str, where: Path | str) -> float:
    """A finite number of a JSON object; integers may stand for floats, texts and truth values not."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise DatasetError(f"{where}: {name} must be a finite number, got {value!r}")
    return float(value)


def numbers(value: object, shape: tuple[int, ...], where: Path | str, name: str) -> NDArray[np.float64]:
    """Finite numbers of a shape, in which -1 stands for any length from 1 on."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    fits = array.ndim == len(shape) and all(n in (-1, m) and m > 0 for n, m in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        expected = " x ".join("N" if n == -1 else str(n) for n in shape)
        raise DatasetError(f"{where}: {name}: expected {expected} finite numbers")
    return array


def check_rigid(pose: NDArray[np.float64], where: Path | str) -> NDArray[np.float64]:
    """The pose [4, 4], if its rotation is one.

    Raises:
        DatasetError: it is not.
    """
    if not is_rigid(pose):
        raise DatasetError(f"{where}: the pose is not rigid (R^T R differs from 1 by {rigid_error(pose):.2g})")
    return pose
