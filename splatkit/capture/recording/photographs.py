"""Photographs of a recording's topics: the sharpest of each stretch of time, written as files with their times."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.frame_selection import Candidate, keep_best
from splatkit.capture.images.sharpness import blur_width, reduced_gray, thumbnail
from splatkit.capture.recording.topics import CameraTopic
from splatkit.io.recordings.images import UnreadableImageError, read_picture
from splatkit.io.recordings.recording import Recording


@dataclass(frozen=True)
class WrittenPhotographs:
    """What came of one topic."""

    times: dict[str, float]  # s, by the name of the file in its folder
    size: tuple[int, int]  # width and height of the first one, px; (0, 0) where there is none
    frame: str  # that the first one names
    examined: int
    unreadable: dict[str, int]  # reasons and how many
    repeated: int  # stretches that show what the one before shows


def write_photographs(
    recording: Recording,
    camera: CameraTopic,
    folder: Path,
    windows: tuple[float, float],
    shift_s: float,
    advance: Callable[[int], None],
) -> WrittenPhotographs:
    """Write the photographs to keep of a camera.

    Args:
        recording: open.
        camera: which.
        folder: to fill; exists.
        windows: where stretches begin, s by the recorder's clock, and how long each is, s.
        shift_s: added to stamps of photographs, s.
        advance: is told of each message.
    """
    times, unreadable, examined = dict[str, float](), Counter[str](), 0
    size, frame = (0, 0), ""
    start_s, length_s = windows

    def candidates() -> Iterator[Candidate]:
        nonlocal examined, size, frame
        for message in recording.messages([camera.topic.name]):
            advance(1)
            examined += 1
            content = message.content()
            try:
                picture = read_picture(message.kind, content)
            except UnreadableImageError as error:
                unreadable[str(error)] += 1
                continue
            height, width = picture.gray.shape
            if size == (0, 0):
                size, frame = (width, height), str(content.header.frame_id)
            if size != (width, height):
                unreadable[f"has {width}x{height} px, others {size[0]}x{size[1]} px"] += 1
                continue
            gray = reduced_gray(picture.gray)
            time = message.stamp_s(content.header) + shift_s
            shot = ImageFile(
                f"{time:.6f}{picture.suffix}", folder, width, height, blur_width(gray), thumbnail(gray), time=time
            )
            yield Candidate(shot, int((message.received_s - start_s) / length_s), file=picture.file)

    def keep(candidate: Candidate) -> None:
        shot = candidate.photograph
        assert candidate.file is not None
        assert shot.time is not None
        if shot.name in times:
            unreadable["repeats a timestamp"] += 1
            return
        (folder / shot.name).write_bytes(candidate.file)
        times[shot.name] = shot.time

    repeated = keep_best(candidates(), keep)
    return WrittenPhotographs(times, size, frame, examined, dict(unreadable), repeated)
