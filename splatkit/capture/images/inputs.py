"""What a capture is made from: photographs, the frames of a video, given poses, masks; all of it looked at once."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from splatkit.capture.images.files import ImageFile, list_images, read_image_files
from splatkit.capture.images.frame_selection import VIDEO_SUFFIXES, extract_frames, select_photographs
from splatkit.capture.images.poses.archives import is_archive, unpack
from splatkit.capture.images.poses.given import GivenCameras
from splatkit.capture.images.poses.reading import PoseFormat, read_poses
from splatkit.capture.images.poses.stray import VIDEO, is_stray
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.left_out import NOT_CHOSEN, LeftOut, left_out_of
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.atomic import atomic_directory
from splatkit.io.dataset_paths import NamesOnDisk
from splatkit.io.images import image_size
from splatkit.io.provenance import Source, hash_files
from splatkit.progress import Progress

_FEWEST = 2  # one photograph has no depth
_STAMP = re.compile(r"\d+\.\d{3,}")  # seconds, as recordings name photographs


@dataclass(frozen=True)
class ImageInputs:
    """What the user gives."""

    images: Path | None = None  # folder, or a video
    poses: Path | None = None  # file or folder of a program that found them
    pose_format: PoseFormat = "auto"
    image_times: Path | None = None  # CSV, for trajectories
    intrinsics: Path | None = None  # YAML or JSON, for trajectories
    masks: Path | None = None  # folder
    frames: int | None = None  # to choose from a video, or from photographs
    interval_s: float | None = None  # between the frames of a video


@dataclass(frozen=True)
class GatheredImages:
    """All that was found."""

    files: tuple[ImageFile, ...]  # that are used, in order
    sources: tuple[Source, ...]
    given: GivenCameras | None = None
    masks: dict[str, Path] = field(default_factory=dict)  # by name of the image
    is_video: bool = False
    are_made: bool = False  # files that the capture wrote itself: frames of a video, or cuts of panoramas
    rig: CameraRig | None = None  # that some of the photographs are of
    notes: tuple[str, ...] = ()  # what the user should know
    left_out: tuple[LeftOut, ...] = ()  # files beside those that are used

    @property
    def is_in_order(self) -> bool:
        """Whether the order of files is that of time, in each folder: of a video, or named by times."""
        return self.is_video or all(_STAMP.fullmatch(PurePosixPath(file.name).stem) for file in self.files)

    def content(self) -> list[str]:
        """Hashes of all sources and what was chosen of them, that results depend on."""
        chosen = [f"{file.name} {file.blur_px:.9g}" for file in self.files]
        rig = [] if self.rig is None else self.rig.content()
        return [*(source.sha256 for source in self.sources), *chosen, *rig]


def gather_images(inputs: ImageInputs, work: WorkFolder, workers: int, progress: Progress) -> GatheredImages:
    """Find, decode and hash everything.

    Raises:
        FileNotFoundError, DatasetError: something is missing or damaged; names it.
        SettingsError: inputs contradict each other.
    """
    if inputs.images is None and inputs.poses is None:
        raise SettingsError("give --images (a folder or a video), or --poses")
    if inputs.poses is not None:
        gathered = _posed(inputs, inputs.poses, work, workers, progress)
    elif inputs.images is not None and inputs.images.suffix.lower() in VIDEO_SUFFIXES and not inputs.images.is_dir():
        gathered = _video(inputs, inputs.images, work, workers, progress)
    else:
        assert inputs.images is not None
        gathered = _folder(inputs, inputs.images, workers, progress)
    if len(gathered.files) < _FEWEST:
        raise DatasetError(
            f"{inputs.images or inputs.poses}: only {len(gathered.files)} photograph; depth needs at least {_FEWEST}, "
            "from places apart"
        )
    if inputs.masks is None:
        return gathered
    masks = _find_masks(inputs.masks, gathered.files)
    lacking = len(gathered.files) - len(masks)
    notes = (f"{lacking} of {len(gathered.files)} photographs have no mask: all of them counts",) if lacking else ()
    sources = (*gathered.sources, *hash_files(masks.values()))
    unused = left_out_of(inputs.masks, sorted(masks.values()), "are masks of no photograph")
    return replace(
        gathered,
        masks={**gathered.masks, **masks},
        sources=sources,
        notes=(*gathered.notes, *notes),
        left_out=(*gathered.left_out, *unused),
    )


def _posed(inputs: ImageInputs, poses: Path, work: WorkFolder, workers: int, progress: Progress) -> GatheredImages:
    if inputs.interval_s is not None:
        raise SettingsError("--interval is for videos without poses; with --poses give --frames")
    brought = poses
    if is_archive(brought):
        poses = unpack(brought, work.stage("unpacked", [hash_files([brought])[0].sha256]) / "content")
    images, notes = inputs.images, list[str]()
    is_video = images is None and is_stray(poses)
    if is_video:
        images, notes = _recorded_frames(poses / VIDEO, inputs.frames, work, progress)
    given = read_poses(poses, inputs.pose_format, images, inputs.image_times, inputs.intrinsics)
    files = read_image_files([(camera.name, camera.image) for camera in given.cameras], workers, progress)
    left_out = given.unused
    if inputs.frames is not None and not is_video:
        given, files, note, unchosen = _chosen_of(given, files, inputs.frames)
        notes.append(note)
        left_out += (unchosen,)
    masks = {camera.name: camera.mask for camera in given.cameras if camera.mask is not None}
    photographs = [poses / VIDEO] if is_video else [file.path for file in files]
    read = [brought] if is_archive(brought) else [*given.files, *photographs, *masks.values()]
    sources = hash_files(read)
    notes += given.left_out
    return GatheredImages(files, sources, given, masks, rig=given.rig, notes=tuple(notes), left_out=left_out)


def _recorded_frames(video: Path, count: int | None, work: WorkFolder, progress: Progress) -> tuple[Path, list[str]]:
    """A folder with the sharpest frames of a recording's video, named by their numbers, and what to say of them."""
    stage = work.stage("frames", [hash_files([video])[0].sha256, count, "by number"])
    folder, record = stage / "frames", stage / "frames" / "selection.json"
    if not record.is_file():
        with atomic_directory(folder, overwrite=True) as partial:
            chosen = extract_frames(video, partial, count, None, progress, by_number=True)
            notes = _video_notes(video, len(chosen.kept), chosen.examined, chosen.stated, chosen.repeated)
            (partial / record.name).write_text(json.dumps({"notes": notes}), encoding="utf-8")
    return folder, list(json.loads(record.read_text(encoding="utf-8"))["notes"])


def _chosen_of(
    given: GivenCameras, files: tuple[ImageFile, ...], count: int
) -> tuple[GivenCameras, tuple[ImageFile, ...], str, LeftOut]:
    """The sharpest photographs of each stretch, with their cameras."""
    kept = select_photographs(files, count).kept
    names = {file.name for file in kept}
    chosen = replace(
        given,
        cameras=tuple(camera for camera in given.cameras if camera.name in names),
        splits={split: tuple(name for name in listed if name in names) for split, listed in given.splits.items()},
    )
    note = f"{len(kept)} of {len(files)} photographs were chosen, the sharpest of each stretch"
    return chosen, kept, note, LeftOut(NOT_CHOSEN, tuple(file.name for file in files if file.name not in names))


def _folder(inputs: ImageInputs, folder: Path, workers: int, progress: Progress) -> GatheredImages:
    if inputs.interval_s is not None:
        raise SettingsError("--interval is for videos; photographs are chosen by --frames")
    if folder.is_file():
        raise DatasetError(f"{folder}: neither a folder nor a video; expected {', '.join(VIDEO_SUFFIXES)}")
    listed = list_images(folder)
    left_out = left_out_of(folder, [path for _, path in listed])
    files = read_image_files(listed, workers, progress)
    notes: tuple[str, ...] = ()
    if inputs.frames is not None:
        chosen = select_photographs(files, inputs.frames)
        notes = (f"{len(chosen.kept)} of {len(files)} photographs were chosen, the sharpest of each stretch",)
        kept = {file.name for file in chosen.kept}
        left_out += (LeftOut(NOT_CHOSEN, tuple(file.name for file in files if file.name not in kept)),)
        files = chosen.kept
    return GatheredImages(files, hash_files(file.path for file in files), notes=notes, left_out=left_out)


def _video(inputs: ImageInputs, video: Path, work: WorkFolder, workers: int, progress: Progress) -> GatheredImages:
    if not video.is_file():
        raise FileNotFoundError(f"{video}: no such video")
    sources = hash_files([video])
    stage = work.stage("frames", [sources[0].sha256, inputs.frames, inputs.interval_s])
    folder, record = stage / "frames", stage / "frames" / "selection.json"
    if not record.is_file():
        with atomic_directory(folder, overwrite=True) as partial:
            chosen = extract_frames(video, partial, inputs.frames, inputs.interval_s, progress)
            content = {
                "times": {shot.name: shot.time for shot in chosen.kept},
                "notes": _video_notes(video, len(chosen.kept), chosen.examined, chosen.stated, chosen.repeated),
            }
            (partial / record.name).write_text(json.dumps(content), encoding="utf-8")
    known = json.loads(record.read_text(encoding="utf-8"))
    files = read_image_files(list_images(folder), workers, progress)
    timed = tuple(replace(file, time=known["times"][file.name]) for file in files)
    return GatheredImages(timed, sources, is_video=True, are_made=True, notes=tuple(known["notes"]))


def _video_notes(video: Path, kept: int, examined: int, stated: int, repeated: int) -> list[str]:
    notes = [f"{kept} of {examined} frames of {video.name} were chosen, the sharpest of each stretch"]
    if repeated:
        notes.append(f"the camera stood still: {repeated} stretches show what the one before shows and were left out")
    if examined < 0.95 * stated:
        notes.append(f"{video.name} should have {stated} frames, only {examined} could be decoded: is it cut short?")
    return notes


def _find_masks(folder: Path, files: Sequence[ImageFile]) -> dict[str, Path]:
    """Masks by name of the image: NAME.png, as COLMAP has it, or the same name, or the same with .png."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of masks")
    found, names = {}, NamesOnDisk(folder)
    for file in files:
        spellings = (f"{file.name}.png", file.name, str(PurePosixPath(file.name).with_suffix(".png")))
        places = [folder / names.spelled(name) for name in spellings]
        mask = next((place for place in places if place.is_file()), None)
        if mask is None:
            continue
        if (size := image_size(mask)) != (file.width, file.height):
            raise DatasetError(f"{mask}: has {size[0]}x{size[1]} px, its photograph {file.width}x{file.height} px")
        found[file.name] = mask
    if not found:
        raise DatasetError(f"{folder}: no mask of any photograph, e.g. {files[0].name}.png")
    return found
