"""Photographs and scans of the same moments, from folders."""

import hashlib
import multiprocessing
import re
from collections.abc import Callable, Hashable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2

from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.frames import Frame, examine_frame
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import DatasetError
from splatkit.io.images import read_image
from splatkit.io.listing import beside_photographs, find_path, list_photographs, other_files, same_letters
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.scans.readers import list_scan_files, scan_stem, series_suffixes
from splatkit.progress import Progress, no_progress, track

_LEAST_SHARED = 3  # names of many files that are no coincidence
_LOOKING = "looking for the board"


@dataclass(frozen=True)
class FrameFiles:
    """Of one moment."""

    name: str
    images: tuple[Path, ...]
    cloud: Path


def list_images(folder: Path) -> list[Path]:
    """Images in a folder, in natural order.

    Raises:
        FileNotFoundError: no such folder, or none in it.
    """
    folder = find_path(Path(folder))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of images")
    found = list_photographs(folder)
    if not found:
        raise FileNotFoundError(f"{folder}: no image in this folder")
    return found


def pair_files(image_folders: list[Path], cloud_folder: Path) -> list[FrameFiles]:
    """Put together what belongs to one moment: files of the same name; else of the same number, as image10 and
    cloud10; else of the same place in the order.

    Raises:
        FileNotFoundError: a folder is missing or empty.
        DatasetError: names and numbers differ, and so do counts.
    """
    clouds = list_scan_files(cloud_folder)
    images = [list_images(folder) for folder in image_folders]
    for key in (same_letters, _numbers, _last_number):
        frames = _paired_by(key, images, clouds)
        if frames is not None:
            return frames
    for folder, found in zip(image_folders, images, strict=True):
        if len(found) != len(clouds):
            raise DatasetError(
                f"{folder}: {len(found)} images and {len(clouds)} scans in {cloud_folder} differ in names and "
                "number; give files of one timestamp the same name"
            )
    rows = zip(clouds, zip(*images, strict=True), strict=True)
    return [FrameFiles(scan_stem(cloud), tuple(row), cloud) for cloud, row in rows]


def _paired_by(key: Callable[[str], Hashable], images: list[list[Path]], clouds: list[Path]) -> list[FrameFiles] | None:
    """Files whose names have the same key, in the order of the scans; None where it does not tell what belongs to what.

    It does not where two files of a folder have the same, or where fewer than three of many find a partner.
    """
    cloud_of = {key(scan_stem(path)): path for path in clouds}
    image_of = [{key(path.stem): path for path in found} for found in images]
    counts = [len(clouds), *map(len, images)]
    shared = [name for name in cloud_of if all(name in found for found in image_of)]
    ambiguous = [len(cloud_of), *map(len, image_of)] != counts and key is not same_letters
    few = len(shared) < _LEAST_SHARED and any(len(shared) != count for count in counts)
    if ambiguous or few or None in shared:
        return None
    return [
        FrameFiles(scan_stem(cloud_of[name]), tuple(found[name] for found in image_of), cloud_of[name])
        for name in shared
    ]


def _numbers(stem: str) -> tuple[int, ...] | None:
    return tuple(int(digits) for digits in re.findall(r"\d+", stem)) or None


def _last_number(stem: str) -> int | None:
    numbers = _numbers(stem)
    return None if numbers is None else numbers[-1]


def left_out_files(files: list[FrameFiles], image_folders: list[Path], cloud_folder: Path) -> dict[Path, str]:
    """What the folders hold and `pair_files` left out, hidden files apart, and why."""
    paired = {path for frame in files for path in (*frame.images, frame.cloud)}
    every = [path for folder in image_folders for path in list_images(folder)] + list_scan_files(cloud_folder)
    found = {path: "it has no partner of the same name or number" for path in every if path not in paired}
    kind = "it is of a kind that is not read here"
    for folder in image_folders:
        found |= beside_photographs(find_path(Path(folder)), kind)
    return found | dict.fromkeys(other_files(find_path(Path(cloud_folder)), series_suffixes()), kind)


def camera_names(image_folders: list[Path]) -> list[str]:
    """Names of cameras by the folders of their images, made different."""
    names = [folder.resolve().name for folder in image_folders]
    return names if len(set(names)) == len(names) else [f"{name}_{index}" for index, name in enumerate(names)]


def read_scan(path: Path) -> LidarScan:
    """A scan with what the calibration uses of it."""
    cloud = read_point_cloud(path)
    return LidarScan(
        points=cloud.points.astype("float64"),
        ring=None if cloud.ring is None else cloud.ring.astype("int64"),
        intensity=None if cloud.intensity is None else cloud.intensity.astype("float64"),
    )


def examine_files(
    files: list[FrameFiles],
    target: BoardTarget,
    workers: int,
    progress: Progress = no_progress,
) -> list[Frame]:
    """Look for the board in all frames, several at a time.

    Args:
        files: of each frame.
        target: the board.
        workers: processes.
        progress: shows how many frames are done.

    Raises:
        DatasetError, FileNotFoundError: a file cannot be read; names it.
    """
    jobs = [(frame, target) for frame in files]
    if workers <= 1 or len(files) < 3:
        return list(track(map(_examine, jobs), _LOOKING, progress, len(jobs)))
    # Spawned, not forked: threads of libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_single_thread) as pool:
        try:
            return list(track(pool.map(_examine, jobs), _LOOKING, progress, len(jobs)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _single_thread() -> None:
    cv2.setNumThreads(1)


def _examine(job: tuple[FrameFiles, BoardTarget]) -> Frame:
    files, target = job
    images = [read_image(path)[..., :3] for path in files.images]
    try:
        return examine_frame(files.name, images, read_scan(files.cloud), target)
    except DatasetError as error:
        message = str(error)
        raise DatasetError(message if str(files.cloud) in message else f"{files.cloud}: {message}") from None


def file_hashes(files: list[FrameFiles]) -> dict[str, str]:
    """SHA-256 of every input, by its path as it was given."""
    paths = [path for frame in files for path in (*frame.images, frame.cloud)]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
