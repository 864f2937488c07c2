"""Photographs with cameras and points as a dataset on disk: turned upright, with their own lenses or undistorted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import CapturedFrame, CapturedScene, WrittenDataset, write_dataset
from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.gps import GpsAlignment, GpsRefused, align_to_gps
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.poses.given import GivenCamera
from splatkit.capture.images.rigs.rig import Mount
from splatkit.capture.images.solved_scene import SolvedScene, SolvedView
from splatkit.capture.images.upright import rotation_to_z, up_direction
from splatkit.capture.stereo.findings import StereoFindings, stereo_findings
from splatkit.capture.stereo.found_stereo import FoundStereo, PosedPhotographs, with_stereo
from splatkit.capture.stereo.summaries import ViewSummary
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN
from splatkit.io.images import read_image, read_mask
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, DepthMap
from splatkit.io.point_cloud import PointCloud
from splatkit.io.rectification import rectify
from splatkit.io.transforms_json import Frame, Transforms
from splatkit.progress import Progress, track

_Y_UP = np.array([0.0, 1.0, 0.0])
_WRITABLE = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class UprightScene:
    """A scene in the frame that is written."""

    scene: SolvedScene
    applied_transform: NDArray[np.float64]  # [4, 4] T_written_original
    frame: str  # in words
    gps: GpsAlignment | GpsRefused | None = None  # what came of the photographs' positions, where there are any

    def scale(self, gathered: GatheredImages) -> Literal["metric", "arbitrary"]:
        """Whether lengths are meters, of a scene with photographs of `gathered`."""
        has_scale = gathered.given is None and gathered.rig is not None and gathered.rig.has_scale
        if isinstance(self.gps, GpsAlignment) or has_scale:
            return "metric"
        return "arbitrary" if gathered.given is None else gathered.given.scale


@dataclass(frozen=True)
class WrittenImages:
    """What came of writing it."""

    dataset: WrittenDataset
    stereo: StereoFindings | None


def turn_upright(scene: SolvedScene, gathered: GatheredImages, keep_world: bool) -> UprightScene:
    """Turn the world so that z is up, where it is not known to be already; into meters on Earth, where GPS tells it.

    Args:
        scene: with photographs of `gathered`.
        gathered: tells where poses are from and which way photographs were held.
        keep_world: turn nothing.
    """
    given = gathered.given
    original = np.eye(4) if given is None or given.applied_transform is None else given.applied_transform
    place = "of structure from motion, origin and scale arbitrary" if given is None else given.frame
    up = "unknown" if given is None else given.up
    gps = _gps(scene, gathered, keep_world) if given is None else None
    if isinstance(gps, GpsAlignment):
        moved = scene.moved(gps.scale, gps.rotation, gps.translation)
        return UprightScene(moved, gps.matrix(), f"{gps.words}; x east, y north, z up", gps)
    if up == "z" or keep_world:
        return UprightScene(scene, original, f"{place}; not turned", gps)
    ups = {file.name: file.up for file in gathered.files}
    direction = _Y_UP
    if up == "unknown":
        poses = np.stack([view.posed.T_world_camera for view in scene.views])
        found = up_direction(poses, [ups[view.name] for view in scene.views])
        if found is None:
            return UprightScene(scene, original, f"{place}; not turned: cameras were held in all ways", gps)
        direction = found
    rotation = np.eye(4)
    rotation[:3, :3] = rotation_to_z(direction)
    how = "z up as cameras were held" if up == "unknown" else "turned from y up to z up"
    return UprightScene(scene.turned(rotation[:3, :3]), rotation @ original, f"{place}; {how}", gps)


def _gps(scene: SolvedScene, gathered: GatheredImages, keep_world: bool) -> GpsAlignment | GpsRefused | None:
    """What the positions of the photographs say of the world that structure from motion found."""
    files = {file.name: file for file in gathered.files}
    fixes = [(view, fix) for view in scene.views if (fix := files[view.name].gps) is not None]
    if not fixes:
        return None
    if keep_world:
        return GpsRefused(len(fixes), "--keep-world leaves the world as it is")
    if gathered.rig is not None and gathered.rig.has_scale:
        return GpsRefused(len(fixes), "--calibration gives the scale, and better")
    poses = np.stack([view.posed.T_world_camera for view in scene.views])
    up = up_direction(poses, [files[view.name].up for view in scene.views])
    return align_to_gps(np.stack([view.posed.center for view, _ in fixes]), [fix for _, fix in fixes], up)


def write_image_dataset(
    folder: Path,
    upright: UprightScene,
    gathered: GatheredImages,
    stereo: FoundStereo | None,
    undistort: bool,
    progress: Progress,
) -> WrittenImages:
    """Write the photographs that have a place, with masks and depth maps where there are any, and the points.

    Args:
        folder: exists and is empty.
        upright: cameras and points.
        gathered: photographs and what came with them.
        stereo: of the photographs, by their names; its points replace the scene's.
        undistort: write pinhole images.
        progress: shows how far it is.

    Raises:
        DatasetError, ValueError, OSError: see `write_dataset`.
    """
    scene = upright.scene
    files = {file.name: file for file in gathered.files}
    given = {} if gathered.given is None else {camera.name: camera for camera in gathered.given.cameras}
    mounts = _mounts(gathered)

    summaries: list[ViewSummary] = []

    def natives() -> Iterator[CapturedFrame]:
        for view in track(scene.views, "writing photographs", progress, len(scene.views)):
            depth = _depth(given.get(view.name))
            time = given[view.name].time if given else files[view.name].time
            native = _native(view, files[view.name], gathered.masks, depth, time)
            mount = mounts.get(view.name)
            yield native if mount is None else replace(native, rig_camera=mount.camera, rig_frame=mount.frame)

    frames = with_stereo(natives(), stereo, summaries.append)
    kept = {view.name: _written_name(view.name, undistort and not view.posed.camera.is_pinhole) for view in scene.views}
    splits = _splits(gathered)
    if stereo is not None:
        splits = stereo.splits
    elif mounts:  # programs that choose a split themselves would hold out one camera beside its siblings
        splits = posed_photographs(upright, gathered).splits
    points = PointCloud(scene.points, scene.colors) if len(scene.points) else None
    has_depth = any(camera.read_depth is not None for camera in given.values())
    captured = CapturedScene(
        points=points if stereo is None else stereo.cloud.seed,
        dense=None if stereo is None else stereo.cloud.dense,
        applied_transform=upright.applied_transform,
        splits={split: tuple(kept[name] for name in names if name in kept) for split, names in splits.items()},
        depth_unit=DEPTH_UNIT_M if stereo is None or has_depth else stereo.depth_unit,
        comments=(f"frame: {upright.frame}",),
        origin=AT_ORIGIN if gathered.given is None else gathered.given.origin,
        georeference=_georeference(upright, gathered),
    )
    written = write_dataset(
        folder, map(_undistorted, frames) if undistort else frames, captured, link=gathered.are_made
    )
    if stereo is None:
        return WrittenImages(written, None)
    return WrittenImages(written, stereo_findings(stereo, summaries, captured.depth_unit, written.depths_left_out))


def _georeference(upright: UprightScene, gathered: GatheredImages) -> Mapping[str, Any] | None:
    if isinstance(upright.gps, GpsAlignment):
        return upright.gps.georeference()
    return None if gathered.given is None else gathered.given.georeference


def posed_photographs(upright: UprightScene, gathered: GatheredImages) -> PosedPhotographs:
    """What stereo starts from: photographs by their own lenses, in the frame that is written."""
    scene = upright.scene
    files = {file.name: file.path for file in gathered.files}
    mounts = _mounts(gathered)
    frames = tuple(
        Frame(
            view.posed,
            files[view.name],
            gathered.masks.get(view.name),
            rig_frame=mounts[view.name].frame if view.name in mounts else None,
        )
        for view in scene.views
    )
    is_observed = any(len(view.points) for view in scene.views)
    return PosedPhotographs(
        Transforms(Path(), frames, splits=_splits(gathered)),
        scene.points if len(scene.points) else None,
        {view.name: view.points for view in scene.views} if is_observed else {},
    )


def _mounts(gathered: GatheredImages) -> Mapping[str, Mount]:
    """Which camera of a rig took which photograph, and when."""
    return {} if gathered.rig is None else gathered.rig.mounts


def _splits(gathered: GatheredImages) -> Mapping[str, tuple[str, ...]]:
    return {} if gathered.given is None else gathered.given.splits


def _native(
    view: SolvedView, file: ImageFile, masks: dict[str, Path], depth: DepthMap | None, time: float | None
) -> CapturedFrame:
    mask: Path | NDArray[np.bool_] | None = None
    if masks:
        mask = masks.get(view.name, np.ones((file.height, file.width), dtype=bool))
    return CapturedFrame(
        posed=view.posed,
        image=file.path,
        mask=mask,
        depth=depth,
        time=time,
    )


def _written_name(name: str, resampled: bool) -> str:
    """What an image is called: as before, unless it is written anew and is of a kind that is not written."""
    path = PurePosixPath(name)
    return name if not resampled or path.suffix.lower() in _WRITABLE else path.with_suffix(".png").as_posix()


def _depth(camera: GivenCamera | None) -> DepthMap | None:
    return None if camera is None or camera.read_depth is None else camera.read_depth()


def _undistorted(frame: CapturedFrame) -> CapturedFrame:
    """The same frame by a pinhole camera; depths take the nearest pixel, for between two surfaces there is none."""
    camera = frame.posed.camera
    new = camera.rectified()
    if camera.is_pinhole:
        return replace(frame, posed=replace(frame.posed, camera=new))
    assert isinstance(frame.image, Path)
    depth, normals, background = frame.depth, frame.normals, frame.background
    if depth is not None:
        depths, sigmas = (rectify(values, camera, new, cv2.INTER_NEAREST) for values in (depth.depths, depth.sigmas))
        depth = DepthMap(depths.astype(np.float32), sigmas.astype(np.float32))
    if normals is not None:
        normals = rectify(normals, camera, new, cv2.INTER_NEAREST).astype(np.float32)
    if background is not None:
        background = rectify(background, camera, new, cv2.INTER_LINEAR).astype(np.float32)
    mask = read_mask(frame.mask) if isinstance(frame.mask, Path) else frame.mask
    return CapturedFrame(
        posed=PosedCamera(_written_name(frame.name, True), new, frame.posed.T_world_camera),
        image=rectify(read_image(frame.image), camera, new, cv2.INTER_LINEAR).astype(np.uint8),
        mask=None if mask is None else rectify(mask.astype(np.uint8), camera, new, cv2.INTER_NEAREST) > 0,
        depth=depth,
        normals=normals,
        background=background,
        rig_camera=frame.rig_camera,
        rig_frame=frame.rig_frame,
        time=frame.time,
    )
