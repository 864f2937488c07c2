"""`splatkit calibrate walk`: files in, files out, and one line for what is wrong."""

import json

import numpy as np
import pytest

from splatkit.capture.rig import read_rig
from splatkit.cli import main
from splatkit.io.formats.calibration_json import read_calibration
from splatkit.io.json_files import write_json
from tests.calibration.walk.walks import off_by


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The generated courtyard, photographed and scanned; the LiDAR's clock is ahead by 50 ms."""
    out = tmp_path_factory.mktemp("walk") / "courtyard"
    size = ["--width", "64", "--height", "48", "--views", "48", "--scans", "16", "--time-offset-s", "0.05"]
    assert main(["scene", "courtyard", "--out", str(out), *size, "--divergence-rad", "0"]) == 0
    return out


def command(walk, out, *options):
    files = ["--dataset", walk, "--scans", walk / "lidar", "--trajectory", walk / "trajectory.txt"]
    return main(["calibrate", "walk", *map(str, files), "--out", str(out), *map(str, options)])


def true_extrinsics(walk):
    cameras = json.loads((walk / "truth/rig.json").read_text())["cameras"]
    return np.array([camera["T_camera_lidar"] for camera in cameras])


def test_extrinsics_come_out_of_nothing_with_exports_and_a_report(walk, tmp_path, capsys):
    out = tmp_path / "calibration"
    assert command(walk, out, "--image-times", walk / "images.csv", "--cameras", "left", "right") == 0
    assert "48 of 48 photographs and" in capsys.readouterr().out
    stored = read_calibration(out / "calibration.json")
    assert stored.names == ("left", "right")
    degrees, meters = off_by(stored.T_camera_lidar, true_extrinsics(walk))
    assert degrees.max() < 0.05
    assert meters.max() < 0.01
    rig = read_rig([out / "calibration.json"])  # as `capture lidar` does
    assert [camera.name for camera in rig.cameras] == ["left", "right"]
    assert rig.range_noise_m == 0.03
    record = json.loads((out / "calibration.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name}"))
    assert record["walk"]["time_offset_s"] == pytest.approx(0.05, abs=1e-3)
    assert (out / "exports/left_kitti.txt").is_file()
    assert "LiDAR points on photographs" in (out / "report.html").read_text()


def test_a_prior_names_the_cameras_and_a_calibration_without_a_board_is_told_apart(walk, tmp_path, capsys):
    out = tmp_path / "calibration"
    options = ["--image-times", walk / "images.csv", "--init", walk / "rig.json", "--time-offset", "0.05"]
    assert command(walk, out, *options) == 0
    assert "as stated before" in (out / "report.html").read_text()
    capsys.readouterr()
    assert main(["calibrate", "advise", "--calibration", str(out / "calibration.json")]) == 2
    assert "was made without a board, which `calibrate check` and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prior-deg", "0"], "--prior-deg: expected a number above 0, got 0.0"),
        (["--cameras", "left", "left"], "--cameras: expected different names, got left, left"),
        (["--cameras", "left", "top"], "belongs to no camera of the rig"),
        ([], "no time of this image is known (48 such images)"),
    ],
)
def test_options_that_make_no_sense_are_named(walk, tmp_path, capsys, options, message):
    assert command(walk, tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cameras_that_differ_from_the_prior_are_named(walk, tmp_path, capsys):
    options = ["--init", walk / "rig.json", "--cameras", "left", "--image-times", walk / "images.csv"]
    assert command(walk, tmp_path / "out", *options) == 2
    assert "--cameras: --init has the cameras left, right; give the same ones, or none" in capsys.readouterr().err


def test_a_camera_without_photographs_is_named(walk, tmp_path, capsys):
    rig = json.loads((walk / "rig.json").read_text())
    rig["cameras"].append({**rig["cameras"][0], "name": "rear"})
    write_json(tmp_path / "rig.json", rig)
    assert command(walk, tmp_path / "out", "--init", tmp_path / "rig.json", "--image-times", walk / "images.csv") == 2
    assert "no photograph is of the camera rear" in capsys.readouterr().err


def test_two_cameras_taken_for_one_are_refused(walk, tmp_path, capsys):
    assert command(walk, tmp_path / "out", "--image-times", walk / "images.csv") == 3
    assert "name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
