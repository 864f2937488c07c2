"""A captured dataset on disk: the one writer, whatever cameras and points came from.

transforms.json     cameras, with an explicit `applied_transform`
images/NAME         photographs, byte for byte as they were unless they had to be resampled; HEIF and raw files as
                    NAME.jpg, for other programs do not read them, or read the preview in them
masks/NAME.png      white where the photograph counts
depth/NAME.png      z-depth, and NAME.sigma.png its standard deviation (splatkit.io.maps.depth_maps)
normals/NAME.png    unit vectors in the camera's frame (splatkit.io.maps.normal_maps)
background/NAME.png how certain it is that nothing is there (splatkit.io.maps.background_maps)
points.ply          seed cloud in the frame of the poses
dense.ply           the cloud of stereo that the seed cloud was chosen from, in the same frame

NAME is a photograph's name with its suffix, as COLMAP names masks: 1.jpg and 1.png may lie in one folder.
Maps may be there for some photographs only; but nerfstudio takes depth maps for all or for none, so that where some
have one the others get an empty one, in which nothing was measured.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN, as_triple, local_origin
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.formats.transforms_lenses import model_name
from splatkit.io.images import image_size, read_image, write_image
from splatkit.io.maps.background_maps import write_background_map
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, DepthMap, write_depth_map, write_depth_sigmas
from splatkit.io.maps.normal_maps import write_normal_map
from splatkit.io.photographs.heif import is_heif
from splatkit.io.photographs.raw import is_raw
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, write_transforms


@dataclass(frozen=True)
class CapturedFrame:
    """One photograph and what is known of it."""

    posed: PosedCamera  # in the frame that is written; its name is below images/, with its suffix: "left/0001.jpg"
    image: Path | NDArray[np.uint8]  # file to take, or [H, W, 3 or 4] to write in the format of the name
    mask: Path | NDArray[np.bool_] | None = None  # a PNG, or [H, W], True where the image counts
    depth: DepthMap | None = None
    normals: NDArray[np.floating] | None = None  # [H, W, 3] unit vectors in the camera's frame; zeros: none
    background: NDArray[np.floating] | None = None  # [H, W] in [0, 1], confidence that nothing is there
    rig_camera: str | None = None  # name of a camera of the rig
    time: float | None = None  # s, by the cameras' clock
    rig_frame: str | None = None  # of a rig of cameras: what has the same one was taken together

    @property
    def name(self) -> str:
        """Below images/."""
        return self.posed.name


@dataclass(frozen=True)
class CapturedScene:
    """What belongs to all frames together."""

    points: PointCloud | None = None  # seed cloud, colored, in the frame of the poses
    dense: PointCloud | None = None  # the cloud that it was chosen from, which no program reads by itself
    applied_transform: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))  # [4, 4] T_written_original
    applied_scale: float = 1.0  # of the poses, against the original world
    rig: tuple[MountedCamera, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "train", "val", "test" -> names of frames
    depth_unit: float = DEPTH_UNIT_M  # of the depth maps, in units of the poses
    comments: tuple[str, ...] = ()  # of the clouds, as "units: m, z up"
    origin: tuple[float, float, float] = AT_ORIGIN  # of the frame of the poses, in the original world
    georeference: Mapping[str, Any] | None = None  # where the original world lies on Earth, as transforms.json has it


@dataclass(frozen=True)
class WrittenDataset:
    """What came of it."""

    transforms: Transforms
    depths_left_out: int  # because a depth map of this unit does not reach that far


def name_below_images(file_path: str) -> str:
    """What a captured dataset calls an image: its path without the folder `images`, and without ways out of it."""
    parts = [part for part in PurePosixPath(file_path).parts if part not in ("..", "/")]
    return "/".join(parts[1:] if parts[0] == "images" and len(parts) > 1 else parts)


def check_lens(camera: Camera, where: Path | str) -> None:
    """Refuse a lens that transforms.json cannot name, before any work is done.

    Raises:
        DatasetError: it cannot; `where` is named.
    """
    try:
        model_name(camera)
    except SettingsError as error:
        raise DatasetError(
            f"{where}: {error}; calibrate without --intrinsics, which finds a lens of 5 coefficients, or undistort the "
            "photographs"
        ) from None


def write_dataset(
    folder: Path,
    frames: Iterable[CapturedFrame],
    scene: CapturedScene,
    link: bool = False,
) -> WrittenDataset:
    """Fill a folder with a dataset that nerfstudio reads.

    Args:
        folder: exists and is empty; `io.atomic.atomic_directory` makes one that is renamed when all is complete.
        frames: taken one at a time, so that an iterator needs not hold the depth maps of all.
        scene: cloud, rig and frame of reference.
        link: photographs become hard links where the disk allows; for files that nobody will change.

    Raises:
        DatasetError: an image has another size than its intrinsics say, or is no image; names it.
        ValueError: a name comes twice or leads out of the folder, only some frames have a mask, a map holds what it
            cannot, a rig camera or a name of the splits is unknown, or there is no frame.
        OSError: something cannot be read or written.
    """
    folder = Path(folder).resolve()
    rig_names = {camera.name for camera in scene.rig}
    written: list[Frame] = []
    names: dict[str, str] = {}  # as given -> as written
    left_out = 0
    for given in frames:
        frame = _readable_by_all(given)
        _check_name(frame.name, set(names.values()))
        names[given.name] = frame.name
        if frame.rig_camera is not None and frame.rig_frame is None and frame.rig_camera not in rig_names:
            raise ValueError(f"frame {frame.name}: its rig_camera {frame.rig_camera!r} is not in the rig")
        files, beyond = _write_files(folder, frame, scene.depth_unit, link)
        written.append(files)
        left_out += beyond
    _check_completeness(written)
    written = _with_empty_depths(folder, written)
    far = local_origin(np.stack([frame.posed.center for frame in written]))
    ply_path, _ = (
        _write_cloud(folder / name, cloud, far, scene.comments)
        for name, cloud in (("points.ply", scene.points), ("dense.ply", scene.dense))
    )
    transforms = Transforms(
        root=folder,
        frames=tuple(frame.moved(-far) for frame in written),
        ply_path=ply_path,
        splits=_image_splits(scene.splits, names),
        applied_transform=compose(np.eye(3), -far) @ scene.applied_transform,
        applied_scale=scene.applied_scale,
        depth_unit=scene.depth_unit,
        rig=scene.rig,
        origin=as_triple(far + np.array(scene.origin)),
        georeference=scene.georeference,
    )
    write_transforms(folder / "transforms.json", transforms)
    return WrittenDataset(transforms, left_out)


def _write_cloud(
    path: Path, cloud: PointCloud | None, origin: NDArray[np.float64], comments: tuple[str, ...]
) -> Path | None:
    """A cloud by coordinates from `origin` [3]; returns where it is, if there is one."""
    if cloud is None:
        return None
    points = cloud.points - origin if origin.any() else cloud.points
    write_point_cloud(path, replace(cloud, points=points), comments=comments)
    return path


def _readable_by_all(frame: CapturedFrame) -> CapturedFrame:
    """The same frame, its photograph as a JPEG where it is of a kind that nerfstudio and others do not read."""
    if not isinstance(frame.image, Path) or not (is_heif(frame.image) or is_raw(frame.image)):
        return frame
    is_named_so = frame.name.lower().endswith((".jpg", ".jpeg"))
    name = frame.name if is_named_so else f"{frame.name}.jpg"
    return replace(frame, posed=replace(frame.posed, name=name), image=read_image(frame.image)[..., :3])


def _check_name(name: str, taken: set[str]) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.suffix or str(path) != name:
        raise ValueError(f"frame {name!r}: expected a file name with a suffix, relative and without ..")
    if name in taken:
        raise ValueError(f"frame {name}: this name comes twice")


def _write_files(folder: Path, frame: CapturedFrame, depth_unit: float, link: bool) -> tuple[Frame, int]:
    """Photograph, mask and maps; returns their paths, and how many depths were left out."""
    image_path = folder / "images" / frame.name
    mask_path, normal_path, background_path = (
        folder / kind / f"{frame.name}.png" for kind in ("masks", "normals", "background")
    )
    _write_photograph(image_path, frame, link)
    if frame.mask is not None:
        _write_mask(mask_path, frame, frame.mask)
    if frame.normals is not None:
        _check_size(f"normal map of {frame.name}", frame.normals.shape[1::-1], frame.posed.camera)
        write_normal_map(normal_path, frame.normals)
    if frame.background is not None:
        _check_size(f"background map of {frame.name}", frame.background.shape[::-1], frame.posed.camera)
        write_background_map(background_path, frame.background)
    depth_path, sigma_path, left_out = _write_depths(folder, frame, depth_unit)
    described = Frame(
        posed=replace(frame.posed, name=f"images/{frame.name}"),
        image_path=image_path,
        mask_path=mask_path if frame.mask is not None else None,
        depth_path=depth_path,
        depth_sigma_path=sigma_path,
        normal_path=normal_path if frame.normals is not None else None,
        background_path=background_path if frame.background is not None else None,
        rig_camera=frame.rig_camera,
        rig_frame=frame.rig_frame,
        time=frame.time,
    )
    return described, left_out


def _write_depths(folder: Path, frame: CapturedFrame, unit: float) -> tuple[Path | None, Path | None, int]:
    """Depths, and deviations where they are known; returns both paths, and how many depths were left out."""
    if frame.depth is None:
        return None, None, 0
    depth_path = _depth_path(folder, frame.name)
    _check_size(f"depth map of {frame.name}", frame.depth.depths.shape[::-1], frame.posed.camera)
    left_out = write_depth_map(depth_path, frame.depth.depths, unit)
    if not frame.depth.sigmas.any():
        return depth_path, None, left_out
    sigma_path = depth_path.with_suffix(".sigma.png")
    write_depth_sigmas(sigma_path, frame.depth.sigmas, unit)
    return depth_path, sigma_path, left_out


def _depth_path(folder: Path, name: str) -> Path:
    return folder / "depth" / f"{name}.png"


def _with_empty_depths(folder: Path, frames: list[Frame]) -> list[Frame]:
    """nerfstudio takes depth maps for all frames or for none: where some have none, theirs is empty."""
    if all(frame.depth_path is None for frame in frames):
        return frames
    return [frame if frame.depth_path is not None else _with_empty_depth(folder, frame) for frame in frames]


def _with_empty_depth(folder: Path, frame: Frame) -> Frame:
    path = _depth_path(folder, name_below_images(frame.file_path))
    write_depth_map(path, np.zeros((frame.camera.height, frame.camera.width), dtype=np.float32))
    return replace(frame, depth_path=path)


def _write_photograph(path: Path, frame: CapturedFrame, link: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(frame.image, Path):
        _check_size(str(frame.image), image_size(frame.image), frame.posed.camera)
        _take_file(frame.image, path, link)
    else:
        _check_size(f"image of {frame.name}", frame.image.shape[1::-1], frame.posed.camera)
        write_image(path, frame.image)


def _write_mask(path: Path, frame: CapturedFrame, mask: Path | NDArray[np.bool_]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(mask, Path):
        _check_size(str(mask), image_size(mask), frame.posed.camera)
        _take_file(mask, path, link=False)
    else:
        _check_size(f"mask of {frame.name}", mask.shape[::-1], frame.posed.camera)
        write_image(path, np.where(mask, 255, 0).astype(np.uint8))


def _check_size(what: str, size: tuple[int, ...], camera: Camera) -> None:
    stated = (camera.width, camera.height)
    if tuple(size) != stated:
        raise DatasetError(f"{what}: has {size[0]}x{size[1]} px, the intrinsics are of {stated[0]}x{stated[1]} px")


def _take_file(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
            return
        except OSError:  # another disk, or one without links
            pass
    shutil.copyfile(source, target)


def _check_completeness(frames: list[Frame]) -> None:
    """nerfstudio takes masks for all frames or for none, and an empty one would be a statement."""
    if not frames:
        raise ValueError("frames: expected at least one")
    have = [frame.mask_path is not None for frame in frames]
    if any(have) and not all(have):
        lacking = frames[have.index(False)].file_path
        raise ValueError(f"frames: {sum(have)} of {len(have)} have a mask, {lacking} has none; give all or none")


def _image_splits(splits: Mapping[str, tuple[str, ...]], names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    for split, listed in splits.items():
        if unknown := sorted(set(listed) - set(names)):
            raise ValueError(f"splits: {split} names {unknown[0]}, which is no frame")
    return {split: tuple(f"images/{names[name]}" for name in listed) for split, listed in splits.items()}
