"""`splatkit calibrate`, as one types it."""

import json
import re
from html import unescape

import numpy as np
import pytest

from splatkit.cli import main
from splatkit.geometry.se3 import twist_between
from splatkit.io.formats.calibration_json import read_calibration
from tests.report.test_turnable import scene_of

BOARD = ["--board", "7x5:0.095", "--board-size", "0.85x0.61"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hall") / "scene"
    assert main(["calibrate", "scene", "--out", str(folder), "--poses", "7", "--width", "900", "--seed", "1"]) == 0
    return folder


def inputs(scene):
    return ["--images", str(scene / "images"), "--clouds", str(scene / "clouds")]


def check_the_view_to_turn(page):
    """It has the returns of the boards that are used, and one camera, and fetches nothing."""
    text = unescape(page)
    assert re.findall(r"""(?:src|href) *= *["']?https?:""", text) == []
    (shown,) = scene_of(text).geometry.values()
    returns = [int(count) for count in re.findall(r"<td>used</td><td>(\d+)</td>", page)]
    edges, dots = 8, 24  # of the pyramid, and points on each
    assert len(shown.vertices) == sum(returns) + edges * dots
    of_camera = (np.asarray(shown.colors)[:, :3] == (228, 87, 46)).all(1)
    assert of_camera.sum() == edges * dots


@pytest.mark.slow
def test_from_photographs_and_scans_to_report_and_check(scene, tmp_path, capsys):
    out = tmp_path / "calibration"
    camera = ["--intrinsics", str(scene / "camera.yaml")]
    assert main(["calibrate", "run", *inputs(scene), *BOARD, *camera, "--out", str(out), "--workers", "2"]) == 0
    assert re.search(r"[4-7] of 7 frames used; a LiDAR point 5 m away", capsys.readouterr().out)
    truth = np.array(json.loads((scene / "truth.json").read_text())["T_camera_lidar"])
    twist = twist_between(read_calibration(out / "calibration.json").T_camera_lidar[0], truth)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.3
    assert np.linalg.norm(twist[3:]) < 0.02
    page = (out / "report.html").read_text()
    assert "What to add" in page
    check_the_view_to_turn(page)
    assert {path.name for path in (out / "exports").iterdir()} >= {"colmap_rig.yaml", "images_kitti.txt"}
    record = json.loads((out / "calibration.json").read_text())
    assert len(record["inputs"]) == 14
    stored = ["--calibration", str(out / "calibration.json")]
    assert main(["calibrate", "check", *stored, *inputs(scene), "--workers", "1"]) == 0
    assert main(["calibrate", "advise", *stored, "--count", "2"]) == 0
    assert capsys.readouterr().out.count("of the image") == 2
    assert main(["calibrate", "run", *inputs(scene), *BOARD, *camera, "--out", str(out)]) == 2  # would be overwritten
    record["cameras"][0]["T_camera_lidar"][0][3] += 0.3
    (out / "calibration.json").write_text(json.dumps(record))
    assert main(["calibrate", "check", *stored, *inputs(scene), "--workers", "1"]) == 3
    assert "the frames contradict it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "7by5"], "--board: expected COLUMNSxROWS:SQUARE"),
        (["--board", "7x5:0.095", "--board-size", "big"], "--board-size: expected WIDTHxHEIGHT"),
        (["--board", "1x5:0.095"], "at least 2 x 2 inner corners"),
        (["--board", "7x5:0.095", "--board-size", "0.1x0.1"], "measure both again"),
        (["--board", "5x7:0.095", "--board-size", "0.85x0.61"], "columns and rows are swapped; give 7 x 5"),
    ],
)
def test_bad_boards_are_refused_in_one_line(tmp_path, capsys, arguments, message):
    paths = ["--images", str(tmp_path), "--clouds", str(tmp_path)]
    assert main(["calibrate", "run", *paths, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_missing_folders_are_named(tmp_path, capsys):
    assert main(["calibrate", "run", "--images", "none", "--clouds", str(tmp_path), *BOARD]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_simulation_says_how_well_a_rig_would_be_calibrated(capsys):
    assert main(["calibrate", "simulate", "--lidar", "16", "--poses", "5", "--trials", "3"]) == 0
    assert re.search(r"of 3 trials, root mean square: 0\.\d+ degrees, \d+\.\d mm", capsys.readouterr().out)


def test_the_board_is_printed(tmp_path):
    assert main(["calibrate", "board", "--board", "7x5:0.095", "--out", str(tmp_path / "board.pdf")]) == 0
    assert (tmp_path / "board.pdf").stat().st_size > 1000
