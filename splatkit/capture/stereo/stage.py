"""The stage `capture stereo`: a dataset with poses to the same with depths, normals and a dense cloud."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from splatkit.capture.dataset import CapturedFrame, CapturedScene, name_below_images, write_dataset
from splatkit.capture.left_out import EXPECTED, LeftOut, left_out_of
from splatkit.capture.provenance import CaptureRecord, write_record
from splatkit.capture.stereo.findings import StereoFindings, stereo_findings
from splatkit.capture.stereo.found_stereo import (
    FoundStereo,
    PosedPhotographs,
    complete_cloud,
    find_stereo,
    with_stereo,
)
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.capture.stereo.summaries import ViewSummary
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.atomic import atomic_directory
from splatkit.io.json_files import read_json
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.maps.normal_maps import read_normal_map
from splatkit.io.point_cloud import PointCloud
from splatkit.io.provenance import hash_files
from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import Frame, Transforms, read_seed_cloud, read_transforms
from splatkit.progress import Progress, no_progress, track

_NAMED = 5  # files that a warning names


@dataclass(frozen=True, eq=False)
class CapturedStereo:
    """What stereo of a dataset found."""

    out: Path  # folder of the new dataset
    transforms: Transforms  # as written, below a folder that has its name when all is complete
    seed: PointCloud
    stereo: StereoFindings
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        return f"{self.stereo.verdict()}; {len(self.seed.points)} points"


def capture_stereo(
    settings: CaptureStereoSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CapturedStereo], None] = lambda folder, captured: None,
) -> CapturedStereo:
    """Compare photographs view by view, write all into a temporary folder, then rename it.

    What was found before an interruption is kept beside the output, and the same call resumes there.

    Args:
        settings: see there.
        progress: shows how far it is.
        report: may add files to the folder before it gets its name.

    Raises:
        SettingsError, DatasetError, OSError: something is missing or damaged, or no two photographs overlap.
        FileExistsError: `out` exists and may not be overwritten.
    """
    if settings.points < 1:
        raise SettingsError(f"--points: expected a positive number, got {settings.points}")
    transforms = _named_below_images(read_transforms(settings.dataset))
    known = _known_record(transforms.root)
    cloud = read_seed_cloud(transforms)
    photographs = PosedPhotographs(transforms, None if cloud is None else cloud.points)
    work = WorkFolder(settings.out)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        level = None if settings.stereo == "auto" else settings.stereo
        found = find_stereo(photographs, level, settings.points, work, progress)
        seed = _seed(transforms, cloud, found, settings.points)
        beside = _beside(transforms)
        captured = _write(folder, settings.out, transforms, found, seed, beside, progress)
        report(folder, captured)
        write_record(folder / "capture.json", _record(settings, transforms, captured, beside, known))
    work.remove()
    return captured


def _named_below_images(transforms: Transforms) -> Transforms:
    """The dataset with the names that its copy will have, and with the split that training would choose."""
    frames = tuple(
        replace(frame, posed=replace(frame.posed, name=name_below_images(frame.file_path)))
        for frame in transforms.frames
    )
    splits = {
        split: tuple(name_below_images(frame.file_path) for frame in chosen)
        for split, chosen in split_frames(transforms).items()
    }
    return replace(transforms, frames=frames, splits=splits)


def _known_record(root: Path) -> dict[str, Any]:
    """The dataset's capture.json, if it has one; refuses depths that would be taken for measured ones."""
    path = root / "capture.json"
    record = read_json(path) if path.is_file() else {}
    if "stereo" in record.get("figures", {}):
        raise DatasetError(
            f"{root}: has depths of stereo already; give the dataset that it was made from, or make it again with "
            "--stereo off"
        )
    return record


def _seed(transforms: Transforms, cloud: PointCloud | None, found: FoundStereo, most_points: int) -> PointCloud:
    """The cloud of stereo; beside measured depths it only completes a cloud that was measured too."""
    has_depth = any(frame.depth_path is not None for frame in transforms.frames)
    if not has_depth or cloud is None or cloud.normals is None or cloud.colors is None:
        return found.cloud.seed
    return complete_cloud(cloud, found.cloud.dense, most_points)


def _write(
    folder: Path,
    out: Path,
    transforms: Transforms,
    found: FoundStereo,
    seed: PointCloud,
    beside: Sequence[LeftOut],
    progress: Progress,
) -> CapturedStereo:
    summaries: list[ViewSummary] = []
    has_depth = any(frame.depth_path is not None for frame in transforms.frames)
    unit = transforms.depth_unit if has_depth else found.depth_unit
    applied = transforms.applied_transform
    scene = CapturedScene(
        points=seed,
        dense=found.cloud.dense,
        applied_transform=np.eye(4) if applied is None else applied,
        applied_scale=transforms.applied_scale,
        rig=transforms.rig,
        splits=found.splits,
        depth_unit=unit,
        origin=transforms.origin,
        georeference=transforms.georeference,
    )
    frames = track(_frames(transforms), "writing photographs", progress, len(transforms.frames))
    written = write_dataset(folder, with_stereo(frames, found, summaries.append), scene)
    findings = stereo_findings(found, summaries, unit, written.depths_left_out)
    news = (str(group) for group in beside if group.reason not in EXPECTED)
    warnings = (*_left_out(transforms), *news, *findings.warnings())
    return CapturedStereo(out, written.transforms, seed, findings, warnings)


def _frames(transforms: Transforms) -> Iterator[CapturedFrame]:
    """The dataset's photographs and what lies beside them."""
    has_masks = any(frame.mask_path is not None for frame in transforms.frames)
    for frame in transforms.frames:
        yield CapturedFrame(
            posed=frame.posed,
            image=frame.image_path,
            mask=_whole(frame) if has_masks and frame.mask_path is None else frame.mask_path,
            depth=None
            if frame.depth_path is None
            else read_depth_map(frame.depth_path, frame.depth_sigma_path, transforms.depth_unit),
            normals=None if frame.normal_path is None else read_normal_map(frame.normal_path),
            background=None if frame.background_path is None else read_background_map(frame.background_path),
            rig_camera=frame.rig_camera if transforms.rig or frame.rig_frame is not None else None,
            rig_frame=frame.rig_frame,
            time=frame.time,
        )


def _whole(frame: Frame) -> np.ndarray:
    """A mask that excludes nothing."""
    return np.ones((frame.camera.height, frame.camera.width), bool)


def _beside(transforms: Transforms) -> list[LeftOut]:
    """Files in the folders of photographs that transforms.json does not list."""
    used = [path for frame in transforms.frames for path in frame.files]
    folders = {frame.image_path.parent for frame in transforms.frames}
    outer = sorted(folder for folder in folders if not folders & set(folder.parents))
    return [group for folder in outer for group in left_out_of(folder, used, "are photographs without a pose")]


def _left_out(transforms: Transforms) -> Iterator[str]:
    """Sentences on what the dataset names and does not have."""
    for names, what in (
        (transforms.missing, "listed images do not exist and are left out"),
        (transforms.missing_files, "masks and maps do not exist; their photographs do without"),
    ):
        if names:
            yield f"{len(names)} {what}: {', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
    of_no_rig = (frame for frame in transforms.frames if frame.rig_camera is not None and frame.rig_frame is None)
    if not transforms.rig and any(of_no_rig):
        yield "frames name cameras of a rig and the dataset does not say what rig that is: their names are left out"


def _record(
    settings: CaptureStereoSettings,
    transforms: Transforms,
    captured: CapturedStereo,
    beside: Sequence[LeftOut],
    known: dict[str, Any],
) -> CaptureRecord:
    scale: Literal["metric", "arbitrary"] = "metric" if known.get("scale") == "metric" else "arbitrary"
    files = [path for frame in transforms.frames for path in frame.files]
    return CaptureRecord(
        command="splatkit capture stereo",
        settings=asdict(settings),
        sources=hash_files(files if transforms.ply_path is None else [*files, transforms.ply_path]),
        scale=scale,
        frame=str(known.get("frame", "of the dataset")),
        figures={
            "photographs": len(transforms.frames),
            "points": len(captured.seed.points),
            "left_out": [asdict(group) for group in beside],
            "stereo": captured.stereo.figures(),
        },
        warnings=captured.warnings,
    )
