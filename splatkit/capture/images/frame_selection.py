"""Which frames of a video, or which of very many photographs, to keep: the sharpest of each window, none twice.

A window is a stretch of time (or of the sequence of photographs). Of each the least blurred image is kept (see
sharpness.py), unless it shows what the last kept one shows: a camera that stands still adds nothing but work.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.sharpness import blur_width, difference, reduced_gray, thumbnail
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.images import write_image
from splatkit.progress import Progress, no_progress

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mts", ".mpg", ".mpeg", ".3gp")
DEFAULT_COUNT = 150
# Of thumbnails, see `sharpness.difference`: a shift by a hundredth of the image's width makes 0.2 and more.
_SAME = 0.08
_ROUNDING = 1e-6  # times are whole milliseconds or less exact


@dataclass(frozen=True)
class Selection:
    """What was kept, and what was not."""

    kept: tuple[ImageFile, ...]
    examined: int  # images that were looked at
    stated: int  # images that there should be: a video that is cut short has fewer
    repeated: int  # windows that show what the one before shows


@dataclass(frozen=True)
class Candidate:
    """An image that may be kept, and its pixels or file where it is not on the disk yet."""

    photograph: ImageFile  # path and size of it are those of the final file
    window: int
    pixels: NDArray[np.uint8] | None = None  # [H, W, 3] RGB, of a video
    number: int = 0  # of a video's frame
    file: bytes | None = None  # encoded, of a recording


def select_photographs(photographs: tuple[ImageFile, ...], count: int) -> Selection:
    """About `count` of a sequence of photographs."""
    if count < 1:
        raise SettingsError(f"frames: expected at least 1, got {count}")
    windows = min(count, len(photographs))
    candidates = (
        Candidate(photograph, index * windows // len(photographs)) for index, photograph in enumerate(photographs)
    )
    kept: list[ImageFile] = []
    repeated = keep_best(candidates, lambda candidate: kept.append(candidate.photograph))
    return Selection(tuple(kept), len(photographs), len(photographs), repeated)


def extract_frames(
    video: Path,
    folder: Path,
    count: int | None = None,
    interval_s: float | None = None,
    progress: Progress = no_progress,
    by_number: bool = False,
) -> Selection:
    """Write the frames to keep of a video as frame_00001.jpg and so on.

    Args:
        video: anything that OpenCV's FFmpeg decodes; rotated as the file says.
        folder: to fill; exists.
        count: about how many frames; by default 150, or as many as the video has.
        interval_s: length of a window, instead of a count.
        progress: shows a bar.
        by_number: names are the numbers of the frames in the video, 000123.jpg, and pixels lie as they are stored,
            whatever rotation the file states: for recordings that know each frame's pose.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it does not decode.
        SettingsError: count and interval are both given, or not positive.
    """
    if count is not None and interval_s is not None:
        raise SettingsError("frames, interval: give one of them")
    if (count is not None and count < 1) or (interval_s is not None and not interval_s > 0):
        raise SettingsError("frames, interval: expected a positive number")
    total, duration = _measure(video)
    if interval_s is None:
        interval_s = duration / min(count or DEFAULT_COUNT, total)
    kept: list[ImageFile] = []

    def keep(candidate: Candidate) -> None:
        assert candidate.pixels is not None
        name = f"{candidate.number:06d}.jpg" if by_number else f"frame_{len(kept) + 1:05d}.jpg"
        write_image(folder / name, candidate.pixels)
        shot = candidate.photograph
        kept.append(
            ImageFile(name, folder / name, shot.width, shot.height, shot.blur_px, shot.thumbnail, time=shot.time)
        )

    examined = 0

    def frames(advance: Callable[[int], None]) -> Iterator[Candidate]:
        nonlocal examined
        for time, pixels in _decode(video, as_stored=by_number):
            examined += 1
            advance(1)
            gray = reduced_gray(pixels)
            height, width = pixels.shape[:2]
            shot = ImageFile("", video, width, height, blur_width(gray), thumbnail(gray), time=time)
            yield Candidate(shot, int(time / interval_s + _ROUNDING), pixels, examined - 1)

    with progress("choosing frames", total) as advance:
        repeated = keep_best(frames(advance), keep)
    if not kept:
        raise DatasetError(f"{video}: no frame of this video could be decoded")
    return Selection(tuple(kept), examined, total, repeated)


def keep_best(candidates: Iterable[Candidate], keep: Callable[[Candidate], None]) -> int:
    """Hand the sharpest of each window to `keep`; returns how many repeat the one before and were not."""
    repeated = 0
    best: Candidate | None = None
    last: NDArray[np.float32] | None = None

    def close_window() -> None:
        nonlocal repeated, last
        if best is None:
            return
        seen = best.photograph.thumbnail
        if last is not None and difference(seen, last) < _SAME:
            repeated += 1
        else:
            keep(best)
            last = seen

    for candidate in candidates:
        if best is not None and candidate.window != best.window:
            close_window()
            best = None
        if best is None or candidate.photograph.blur_px < best.photograph.blur_px:
            best = candidate
    close_window()
    return repeated


def _measure(video: Path) -> tuple[int, float]:
    """Number of frames and duration, s, as the file states them, or counted where it does not."""
    if not Path(video).is_file():
        raise FileNotFoundError(f"{video}: no such video")
    capture = _open(video)
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if total <= 0 or not 0 < rate < 1e4:
        times = [time for time, _ in _decode(video)]
        if not times:
            raise DatasetError(f"{video}: no frame of this video could be decoded")
        return len(times), max(times[-1], 1e-3)
    return total, total / rate


def _decode(video: Path, as_stored: bool = False) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Time, s, and pixels [H, W, 3] RGB of all frames; rotated as the file says, or as they are stored."""
    capture = _open(video)
    if as_stored:
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    try:
        while True:
            found, frame = capture.read()
            if not found:
                return
            time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3  # of the frame just read
            yield max(time, 0.0), np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    finally:
        capture.release()


def _open(video: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DatasetError(f"{video}: not a video that can be decoded, or damaged")
    return capture
