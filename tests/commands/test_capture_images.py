"""`splatkit capture images`, as one types it: what it prints, its exit codes, and that it can be killed."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from splatkit.cli import main
from splatkit.io.images import write_image
from tests.helpers import wait_until
from tests.room import Room, photograph_room


def capture(room: Room, out: Path, *more: str) -> int:
    known = ["--images", str(room.folder), "--workers", "1", "--stereo", "off"]
    return main(["capture", "images", *known, "--out", str(out), *more])


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Room:
    """Eight photographs, 320x240."""
    return photograph_room(tmp_path_factory.mktemp("room") / "images")


def test_what_came_of_it_is_printed_and_shown_on_a_page(room, tmp_path, capsys):
    masks = tmp_path / "masks"
    for name in room.names[1:]:
        write_image(masks / f"{name}.png", np.full((room.size[1], room.size[0]), 255, np.uint8))
    assert capture(room, tmp_path / "out", "--masks", str(masks)) == 0
    printed = capsys.readouterr()
    assert "warning: 1 of 8 photographs have no mask: all of them counts" in printed.err
    assert f"{tmp_path / 'out'}: 8 of 8 photographs placed" in printed.out
    page = (tmp_path / "out/report.html").read_text()
    assert "8 of 8 photographs placed" in page
    assert "Warning: 1 of 8 photographs have no mask" in page


def test_photographs_of_nothing_in_common_are_refused(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for index in range(4):
        noise = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
        write_image(tmp_path / f"in/{index}.png", np.kron(noise, np.ones((4, 4, 1), np.uint8)))
    assert main(["capture", "images", "--images", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 3
    assert "of 4 photographs could be placed: they share too few features" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_capture_that_is_killed_goes_on(room, tmp_path):
    command = [sys.executable, "-m", "splatkit.cli", "capture", "images", "--workers", "1", "--stereo", "off"]
    command += ["--images", str(room.folder), "--out", str(tmp_path / "dataset")]
    rng = np.random.default_rng(1)
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: list(tmp_path.iterdir()))  # it has begun
        time.sleep(float(rng.uniform(0.0, 2.0)))
        process.send_signal(number)
        process.wait()
        shutil.rmtree(tmp_path / "dataset", ignore_errors=True)  # where it was done before the signal
    for out in ("dataset", "at once"):
        assert capture(room, tmp_path / out) == 0
    for name in ("transforms.json", "points.ply"):
        assert (tmp_path / "dataset" / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "at once"}


def test_bad_input_is_one_line(room, tmp_path, capsys):
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(room.folder / room.names[0], one)
    broken = tmp_path / "broken"
    shutil.copytree(room.folder, broken)
    (broken / room.names[2]).write_bytes((room.folder / room.names[2]).read_bytes()[:5000])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file.mp4").write_bytes(b"no video" * 99)
    masks = tmp_path / "masks"
    write_image(masks / f"{room.names[0]}.png", np.ones((5, 5)))
    images = ["--images", str(room.folder)]
    cases = [
        ([], "give --images"),
        (["--images", str(tmp_path / "none")], "no such folder"),
        (["--images", str(one)], "only 1 photograph"),
        (["--images", str(broken)], room.names[2]),
        (["--images", str(tmp_path / "file.mp4")], "not a video that can be decoded"),
        ([*images, "--out", str(tmp_path / "full")], "already exists"),
        ([*images, "--out", "/proc/nowhere/dataset"], "/proc/nowhere"),
        ([*images, "--masks", str(masks)], "has 5x5 px"),
        ([*images, "--masks", str(tmp_path / "nomasks")], "no such folder of masks"),
        ([*images, "--features", "0"], "--features"),
        ([*images, "--interval", "2"], "--interval is for videos"),
        ([*images, "--points", "given"], "--points"),
        (["--poses", str(tmp_path / "none")], "no such file or folder of poses"),
        (["--poses", str(room.folder)], "no poses in this folder"),
    ]
    for arguments, message in cases:
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        assert main(["capture", "images", "-q", *arguments, *out]) == 2, arguments
        error = capsys.readouterr().err
        assert message in error
        assert error.startswith("splatkit: ")
        assert error.count("\n") == 1
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert not (tmp_path / "out").exists()
