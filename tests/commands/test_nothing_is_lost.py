"""Every file that is offered to a command is used, or its record names it as left out. Source: RapidRAW #66."""

import json
import shutil
from pathlib import Path

import pytest

from splatkit.cli import main
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene

STRAY = ("notes.txt", "IMG_0001.AVIF")


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk") / "walk"
    make_scene(SceneSettings("courtyard", folder, width=160, height=120, views=12, scans=8))
    return folder


def offer(folder: Path) -> list[str]:
    """Put strays into a folder; returns the names of all that is in it and not hidden."""
    (folder / "notes.txt").write_text("taken on Monday")
    (folder / "IMG_0001.AVIF").write_bytes(b"avif")
    (folder / ".DS_Store").write_bytes(b"hidden")
    (folder / "._a.png").write_bytes(b"AppleDouble")
    return [path.name for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]


def check(record: Path, offered: list[str]) -> None:
    content = json.loads(record.read_text())
    inputs = content.pop("sources", None) or content.pop("inputs")
    used, told = json.dumps(inputs), json.dumps(content)
    assert [name for name in STRAY if name not in told] == []
    assert [name for name in offered if name not in used and name not in told] == []
    assert ".DS_Store" not in used + told


def test_capture_images(tmp_path, capsys):
    generate_scene(read_scene(find_scene("studio")), tmp_path / "in", 96, 72, views=9)
    (tmp_path / "in/images/gone.png").symlink_to("nowhere.png")
    offered = offer(tmp_path / "in/images")
    shutil.copy(tmp_path / "in/images/frame_0000.png", tmp_path / "in/images/without_pose.png")
    known = ["--poses", str(tmp_path / "in"), "--stereo", "off"]
    assert main(["capture", "images", *known, "--out", str(tmp_path / "out")]) == 0
    check(tmp_path / "out/capture.json", [*offered, "without_pose.png"])
    said = capsys.readouterr().err
    assert "IMG_0001.AVIF" in said
    assert "without_pose.png" in said


def test_capture_stereo(tmp_path, capsys):
    generate_scene(read_scene(find_scene("pebbles")), tmp_path / "in", 96, 72, views=9)
    offered = offer(tmp_path / "in/images")
    shutil.copy(tmp_path / "in/images/frame_0000.png", tmp_path / "in/images/without_pose.png")
    assert main(["capture", "stereo", "--dataset", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    check(tmp_path / "out/capture.json", [*offered, "without_pose.png", "points.ply"])
    said = capsys.readouterr().err
    assert "IMG_0001.AVIF" in said
    assert "without_pose.png" in said


@pytest.mark.slow
def test_capture_lidar(walk, tmp_path, capsys):
    scans = shutil.copytree(walk / "lidar", tmp_path / "scans")
    offered = offer(scans)
    known = ["--calibration", str(walk / "rig.json"), "--trajectory", str(walk / "trajectory.txt")]
    images = ["--dataset", str(walk), "--image-times", str(walk / "images.csv")]
    out = tmp_path / "out"
    assert main(["capture", "lidar", "--scans", str(scans), *known, *images, "--stereo", "off", "--out", str(out)]) == 0
    check(out / "capture.json", offered)
    assert "notes.txt" in capsys.readouterr().err


@pytest.mark.slow
def test_calibrate(tmp_path, capsys):
    scene = tmp_path / "scene"
    assert main(["calibrate", "scene", "--out", str(scene), "--poses", "7", "--width", "900", "--seed", "1"]) == 0
    offered = [*offer(scene / "images"), *offer(scene / "clouds")]
    places = ["--images", str(scene / "images"), "--clouds", str(scene / "clouds")]
    board = ["--board", "7x5:0.095", "--board-size", "0.85x0.61", "--intrinsics", str(scene / "camera.yaml")]
    assert main(["calibrate", "run", *places, *board, "--out", str(tmp_path / "out")]) == 0
    check(tmp_path / "out/calibration.json", offered)
    assert "IMG_0001.AVIF" in capsys.readouterr().err
