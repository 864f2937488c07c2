"""Native code that ends its process, and disks that are full, become one line."""

import os
import shutil
import signal
from typing import NamedTuple

import numpy as np
import pytest

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import capture_images
from splatkit.capture.images.structure.apart import run_apart
from splatkit.errors import CaptureRefusedError, SplatkitError
from splatkit.io.images import write_image
from splatkit.progress import Progress, no_progress


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def count_up(count: int, progress: Progress) -> int:
    with progress("counting", count) as advance:
        for _ in range(count):
            advance(1)
    return count


def refuse(progress: Progress) -> None:
    raise CaptureRefusedError("too few")


def end(number: int, progress: Progress) -> None:
    with progress("ending", 1):
        os.write(2, b"F1129 database.cc: Check failed")
        os.kill(os.getpid(), number)


def leave(progress: Progress) -> None:
    os._exit(7)


def test_results_progress_and_refusals_come_back(tmp_path):
    told: list[object] = []

    class Shown:
        def __init__(self, label: str, total: int) -> None:
            told.append((label, total))

        def __enter__(self):
            return told.append

        def __exit__(self, *error) -> None:
            told.append("end")

    assert run_apart(count_up, (3,), tmp_path, Shown) == 3
    assert told == [("counting", 3), 1, 1, 1, "end"]
    with pytest.raises(CaptureRefusedError, match="too few"):
        run_apart(refuse, (), tmp_path, no_progress)


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [
        (end, (signal.SIGABRT,), r"ended by signal SIGABRT while it worked in .*Check failed.*; the same call resumes"),
        (end, (signal.SIGKILL,), "memory ran out: take fewer --workers"),
        (leave, (), "ended with exit code 7"),
    ],
)
def test_an_end_is_one_line(tmp_path, work, arguments, message):
    with pytest.raises(SplatkitError, match=message) as refused:
        run_apart(work, arguments, tmp_path, no_progress)
    assert "\n" not in str(refused.value)


def test_an_abort_on_a_full_disk_is_the_disks(tmp_path, monkeypatch):
    """Source: COLMAP #1613, #2661."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 1000))
    with pytest.raises(OSError, match=r"the disk is full .* free some space"):
        run_apart(end, (signal.SIGABRT,), tmp_path, no_progress)


def test_an_exception_of_progress_ends_the_child(tmp_path):
    def interrupted(label: str, total: int):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_apart(count_up, (3,), tmp_path, interrupted)


def test_a_capture_without_room_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(3):
        write_image(tmp_path / f"photos/{index}.png", rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10**6))
    with pytest.raises(OSError, match=r"out: needs about [\d.]+ MB of disk, 1 MB are free there; free some space"):
        capture_images(CaptureImagesSettings(tmp_path / "photos", tmp_path / "out", workers=1, stereo="off"))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
