"""`splatkit capture lidar` and `static`, as one types them: what they print, and one clear line for bad input."""

import json

import pytest

from splatkit.cli import main
from splatkit.io.transforms_json import read_transforms


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """Twelve moments of two cameras, and scans all the way."""
    folder = tmp_path_factory.mktemp("walk") / "walk"
    sizes = ["--width", "160", "--height", "120", "--views", "24", "--scans", "24"]
    assert main(["scene", "courtyard", "--out", str(folder), *sizes]) == 0
    return folder


def arguments(walk, *more):
    return [
        "capture",
        "lidar",
        "--scans",
        str(walk / "lidar"),
        "--calibration",
        str(walk / "truth/rig.json"),
        "--stereo",
        "off",
        *more,
    ]


def timed(walk):
    return ["--image-times", str(walk / "images.csv"), "--trajectory", str(walk / "trajectory.txt")]


def test_what_came_of_it_is_printed_and_shown_on_a_page(walk, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(walk, "--dataset", str(walk), *timed(walk), "--out", str(out))) == 0
    assert f"{out}: 24 photographs, " in capsys.readouterr().out
    assert "LiDAR points on photographs" in (out / "report.html").read_text()
    record = json.loads((out / "capture.json").read_text())
    assert record["command"] == "splatkit capture lidar"
    assert len(read_transforms(out).frames) == 24


def test_bad_input_is_one_line(walk, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    dataset = ["--dataset", str(walk)]
    empty = tmp_path / "empty"
    empty.mkdir()
    half = tmp_path / "half.csv"
    half.write_text("file,time_s\nleft_0000.png,1.0\n")
    rig = ["--calibration", str(walk / "truth/rig.json")]
    static = ["capture", "static", "--scan", str(walk / "lidar/scan_0000.ply"), *rig]
    still = tmp_path / "far.txt"
    still.write_text("1000 0 0 0 0 0 0 1\n1001 0 0 0 0 0 0 1\n")
    for line, code, message in [
        (arguments(walk), 2, "give either --dataset"),
        (arguments(walk, *dataset, "--images", str(walk)), 2, "give either --dataset"),
        (arguments(walk, *dataset), 2, "no time of this image is known (24 such images)"),
        (arguments(walk, *dataset, "--image-times", str(half)), 2, "has no line for"),
        (arguments(walk, *dataset, "--voxel", "0"), 2, "--voxel: expected a positive number"),
        (arguments(walk, "--images", str(walk / "images"), *timed(walk)), 2, "gives no intrinsics of left"),
        (["capture", "lidar", "--scans", str(empty), *rig, *dataset], 2, "no point cloud in this folder"),
        (["capture", "lidar", "--scans", str(walk / "none"), *rig, *dataset], 2, "none"),
        (arguments(walk, *dataset, *timed(walk)[:2], "--trajectory", str(still)), 3, "0 of 24 images"),
        (static, 2, "give either --images"),
        (
            ["capture", "static", "--scan", str(walk / "lidar/scan_0000.ply"), *rig, *dataset, "--anchor", "x.png"],
            2,
            "x.png is not an image",
        ),
        ([*static, *dataset], 2, "belong together"),
    ]:
        assert main([*line, *out]) == code, line
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.strip().count("\n") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "half.csv", "far.txt"}
