"""The stages `capture lidar` and `capture static`: photographs and scans to a metric dataset on disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import name_below_images
from splatkit.capture.lidar.dataset import PlacedPhotographs, WrittenDepths, posed_photographs, write_lidar_dataset
from splatkit.capture.lidar.findings import (
    beside_warnings,
    lidar_figures,
    lidar_verdict,
    static_figures,
    static_verdict,
)
from splatkit.capture.lidar.inputs import LidarInputs, with_recording
from splatkit.capture.lidar.moving import LidarScene, locate, scan_warnings, scene_depths
from splatkit.capture.lidar.odometry.path import estimate_path
from splatkit.capture.lidar.odometry.slices import follow_each_other
from splatkit.capture.lidar.photographs import Photograph, photographs_of_dataset, photographs_of_folders
from splatkit.capture.lidar.registration.alignment import Alignment
from splatkit.capture.lidar.scans import Scan, ScanSource, points_within
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.lidar.static import StaticInputs, StaticScene, locate_static, static_depths
from splatkit.capture.provenance import CaptureRecord, write_record
from splatkit.capture.recorded import TRAJECTORY
from splatkit.capture.rig import Rig, read_rig
from splatkit.capture.stereo.found_stereo import stereo_if_possible
from splatkit.capture.times import FileTimes, read_times
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.local_origin import as_triple, local_origin
from splatkit.geometry.se3 import compose
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.trajectories import read_trajectory, write_trajectory
from splatkit.io.listing import beside_photographs, find_path
from splatkit.io.provenance import hash_files
from splatkit.io.scans.reader import LeftOut
from splatkit.io.scans.readers import passed_over, read_scans, scan_sources
from splatkit.io.transforms_json import Transforms, read_seed_cloud, read_transforms
from splatkit.progress import Progress, no_progress, track


@dataclass(frozen=True)
class CapturedLidar:
    """What a capture with a LiDAR that moved found."""

    out: Path  # folder of the dataset
    rig: Rig
    scene: LidarScene
    written: WrittenDepths
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        return lidar_verdict(self.scene, self.written)


@dataclass(frozen=True)
class CapturedStatic:
    """What a capture around a LiDAR that stood still found."""

    out: Path  # folder of the dataset
    rig: Rig
    scene: StaticScene
    written: WrittenDepths
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        return static_verdict(self.scene, self.written)


def capture_lidar(
    settings: CaptureLidarSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CapturedLidar], None] = lambda folder, captured: None,
) -> CapturedLidar:
    """Locate, color, project, compare photographs; write into a temporary folder, then rename it.

    What stereo found before an interruption is kept beside the output, and the same call resumes there.

    Args:
        settings: see there.
        progress: shows how far it is.
        report: may add files to the folder before it gets its name.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
        FileExistsError: `out` exists and may not be overwritten.
        CaptureRefusedError: photographs and scans do not fit together.
    """
    settings, lenses = with_recording(settings)
    if (settings.dataset is None) == (not settings.images):
        raise SettingsError("give either --dataset (photographs with poses) or --images (folders of photographs)")
    _check_positive(settings, "voxel", "points", "depth_window", "max_range")
    rig = _rig(settings).with_lenses(lenses)
    inputs, photographed = _lidar_inputs(settings, rig)
    work = WorkFolder(settings.out)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        inputs = _with_path(settings, inputs, progress)
        scene = locate(inputs, progress)
        placed = _placed(scene, photographed, inputs.scans.origin if inputs.trajectory else None)
        stereo, unmatched = stereo_if_possible(
            posed_photographs(placed), settings.stereo, settings.points, work, progress
        )
        depths = scene_depths(scene, inputs, progress)
        written = write_lidar_dataset(folder, placed, depths, rig, stereo, settings.points)
        # Of a recording `capture recording` has said what else is in it, photographs among it.
        others = [] if settings.recording is not None else inputs.scans.passed_over()
        beside = [*others, *_beside_images(settings.images)]
        warnings = (*photographed.warnings, *scene.warnings, *beside_warnings(beside), *unmatched)
        if written.stereo is not None:
            warnings += written.stereo.warnings()
        captured = CapturedLidar(settings.out, rig, scene, written, warnings)
        report(folder, captured)
        if inputs.odometry is not None:
            write_trajectory(folder / TRAJECTORY, scene.trajectory)
        listed = (settings.trajectory, settings.image_times, settings.scan_times)
        files = [*inputs.scans.files(), *settings.calibration, *(path for path in listed if path is not None)]
        sources = [*files, *(photo.path for photo in photographed.photographs)]
        figures = lidar_figures(scene, written) | _passed_over(beside)
        record = _record(settings, "lidar", sources, _frame(settings, inputs), figures, warnings)
        write_record(folder / "capture.json", record)
    work.remove()
    return captured


def capture_static(
    settings: CaptureStaticSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CapturedStatic], None] = lambda folder, captured: None,
) -> CapturedStatic:
    """As `capture_lidar`, of one scan, or several with poses, and the photographs around."""
    if (settings.dataset is None) == (not settings.images):
        raise SettingsError("give either --images (folders of photographs by the rig) or --dataset with --anchor")
    if (settings.dataset is None) != (not settings.anchor):
        raise SettingsError("--anchor and --dataset belong together: anchors are images of the dataset")
    _check_positive(settings, "voxel", "points", "max_range")
    rig = _rig(settings)
    photographed = _photographed(settings, rig, None)
    left_out: list[LeftOut] = []
    beside = [*passed_over(settings.scan), *_beside_images(settings.images)]
    scans, origin = _standing_scans(settings, left_out.append)
    inputs = StaticInputs(
        photographed.photographs,
        scans,
        rig,
        _triangulated(photographed.transforms),
        _anchors(settings.anchor, photographed.photographs),
        voxel=settings.voxel,
        max_points=settings.points,
    )
    with atomic_directory(settings.out, settings.overwrite) as folder:
        scene = locate_static(inputs, progress)
        placed = _placed(scene, photographed, origin)
        depths = track(static_depths(scene, inputs), "making depth maps", progress, len(inputs.photographs))
        written = write_lidar_dataset(folder, placed, depths, rig)
        warnings = (*photographed.warnings, *scan_warnings(left_out), *beside_warnings(beside))
        captured = CapturedStatic(settings.out, rig, scene, written, warnings)
        report(folder, captured)
        sources = [*scan_sources(settings.scan), *settings.calibration, *(photo.path for photo in inputs.photographs)]
        figures = static_figures(scene, written, left_out) | _passed_over(beside)
        posed = inputs.scans[0].T_world_lidar is not None
        frame = "the world of the scans' poses" if posed else "the LiDAR's frame"
        record = _record(settings, "static", sources, frame, figures, captured.warnings)
        write_record(folder / "capture.json", record)
    return captured


def _check_positive(settings: CaptureLidarSettings | CaptureStaticSettings, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) > 0:
            given = getattr(settings, name)
            raise SettingsError(f"--{name.replace('_', '-')}: expected a positive number, got {given}")


def _rig(settings: CaptureLidarSettings | CaptureStaticSettings) -> Rig:
    rig = read_rig(list(settings.calibration))
    if settings.range_noise is None:
        return rig
    _check_positive(settings, "range_noise")
    return replace(rig, range_noise_m=settings.range_noise)


@dataclass(frozen=True)
class _Photographed:
    """The photographs, and the dataset that they come from, if they have poses."""

    photographs: list[Photograph]
    transforms: Transforms | None
    warnings: tuple[str, ...]


def _photographed(
    settings: CaptureLidarSettings | CaptureStaticSettings, rig: Rig, times: FileTimes | None
) -> _Photographed:
    if settings.dataset is None:
        return _Photographed(photographs_of_folders(list(settings.images), rig, times), None, ())
    transforms = read_transforms(settings.dataset)
    missing = transforms.missing
    warnings = (f"{len(missing)} listed images do not exist and are left out, e.g. {missing[0]}",) if missing else ()
    return _Photographed(photographs_of_dataset(transforms, rig, times), transforms, warnings)


def _lidar_inputs(settings: CaptureLidarSettings, rig: Rig) -> tuple[LidarInputs, _Photographed]:
    times = None if settings.image_times is None else read_times(settings.image_times)
    scan_times = None if settings.scan_times is None else read_times(settings.scan_times)
    assert settings.scans is not None  # see `with_recording`
    source = ScanSource(settings.scans, settings.topic, scan_times, (settings.min_range, settings.max_range))
    source.count()  # a wrong folder or topic is told before hours of work
    trajectory = None if settings.trajectory is None else read_trajectory(settings.trajectory)
    if trajectory is not None:
        far = local_origin(trajectory.poses[:, :3, 3])
        trajectory, source = trajectory.moved(-far), replace(source, origin=as_triple(far))
    photographed = _photographed(settings, rig, times)
    inputs = LidarInputs(
        photographed.photographs,
        source,
        rig,
        trajectory,
        _triangulated(photographed.transforms),
        time_offset_s=settings.time_offset,
        voxel=settings.voxel,
        max_points=settings.points,
        depth_window_s=settings.depth_window,
    )
    return inputs, photographed


def _with_path(settings: CaptureLidarSettings, inputs: LidarInputs, progress: Progress) -> LidarInputs:
    """With the LiDAR's path from the scans, where none is given and they tell it."""
    if inputs.trajectory is not None:
        if settings.motion != "auto":
            raise SettingsError("--motion: with a trajectory the LiDAR's path is known; leave one of them out")
        return inputs
    if settings.motion == "photographs" or (settings.motion == "auto" and not follow_each_other(inputs.scans.read())):
        return inputs
    found = estimate_path(inputs.scans, progress)
    return replace(inputs, trajectory=found.trajectory, odometry=found)


def _frame(settings: CaptureLidarSettings, inputs: LidarInputs) -> str:
    if inputs.odometry is not None:
        level = "the LiDAR's own axes" if settings.dataset is None else "z up as the photographs have it"
        return f"origin where the LiDAR began, {level}"
    return "the images' world, scaled to meters" if inputs.trajectory is None else "the LiDAR trajectory's world"


def _beside_images(folders: tuple[Path, ...]) -> list[LeftOut]:
    """Files in folders of photographs that are none, or of a kind that is not read."""
    return [
        LeftOut(f"{folder.name}/{path.name}", reason)
        for folder in map(find_path, folders)
        for path, reason in beside_photographs(folder, "a file of another kind").items()
    ]


def _passed_over(beside: list[LeftOut]) -> dict[str, Any]:
    return {"passed_over": {item.name: item.reason for item in beside}}


def _standing_scans(
    settings: CaptureStaticSettings, note: Callable[[LeftOut], None]
) -> tuple[tuple[Scan, ...], tuple[float, float, float]]:
    """The scans within their ranges, several only where each has its pose, and the origin of the poses.

    `note` is told of those without points.
    """
    path, ranges, scans = settings.scan, (settings.min_range, settings.max_range), list[Scan]()
    for stored in read_scans(path, note=note):
        found = Scan(stored.name, stored.cloud, None, stored.T_world_lidar)
        if scans and (found.T_world_lidar is None or scans[0].T_world_lidar is None):
            raise DatasetError(f"{path}: holds several scans and not the pose of each; expected one scan, or poses")
        used = points_within(found, ranges)
        if len(used.cloud.points) == 0:
            raise DatasetError(f"{path}: no point lies {ranges[0]:g} to {ranges[1]:g} m from the LiDAR")
        scans.append(used)
    if not scans:
        raise DatasetError(f"{path}: no scan in it holds a point")
    places = [scan.T_world_lidar[:3, 3] for scan in scans if scan.T_world_lidar is not None]
    origin = local_origin(np.stack(places)) if places else np.zeros(3)
    return tuple(scan.moved(-origin) for scan in scans), as_triple(origin)


def _placed(
    scene: LidarScene | StaticScene, photographed: _Photographed, origin: tuple[float, float, float] | None
) -> PlacedPhotographs:
    """What is written; its world has the given origin, or comes from that of the images."""
    T_world_images, images = _to_world(scene.alignment), photographed.transforms
    of_images = np.zeros(3) if images is None else np.array(images.origin)
    return PlacedPhotographs(
        scene.photographs,
        scene.T_world_camera,
        scene.seed,
        T_world_images @ compose(np.eye(3), -of_images),
        _splits(images),
        as_triple(T_world_images[:3, :3] @ of_images) if origin is None else origin,
    )


def _to_world(alignment: Alignment | None) -> NDArray[np.float64]:
    return np.eye(4) if alignment is None else alignment.similarity.matrix()


def _triangulated(transforms: Transforms | None) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Points [N, 3] of the photographs' world and their colors [N, 3], where the dataset has any."""
    cloud = None if transforms is None else read_seed_cloud(transforms)
    if cloud is None:
        return None
    colors = np.full(cloud.points.shape, 128, np.uint8) if cloud.colors is None else cloud.colors
    return cloud.points.astype(np.float64), colors


def _splits(transforms: Transforms | None) -> dict[str, tuple[str, ...]]:
    splits = {} if transforms is None else transforms.splits
    return {split: tuple(name_below_images(path) for path in paths) for split, paths in splits.items()}


def _anchors(names: tuple[str, ...], photographs: list[Photograph]) -> tuple[int, ...]:
    known = {photo.name: number for number, photo in enumerate(photographs)}
    known |= {Path(photo.name).name: number for number, photo in enumerate(photographs)}
    if unknown := [name for name in names if name not in known]:
        raise DatasetError(f"--anchor: {unknown[0]} is not an image of the dataset")
    return tuple(known[name] for name in names)


def _record(
    settings: CaptureLidarSettings | CaptureStaticSettings,
    word: str,
    sources: list[Path],
    frame: str,
    figures: dict[str, Any],
    warnings: tuple[str, ...],
) -> CaptureRecord:
    return CaptureRecord(
        command=f"splatkit capture {word}",
        settings=asdict(settings),
        sources=hash_files(sources),
        scale="metric",
        frame=f"meters, right-handed, {frame}",
        figures=figures,
        warnings=warnings,
    )
