"""The stages of `calibrate` from photographs and scans on disk to a calibration on disk."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splatkit.calibration.settings import BoardSceneSettings, CalibrateSettings, CheckSettings
from splatkit.calibration.stage import calibrate, check_calibration, make_board_scene
from splatkit.errors import CalibrationRefusedError, DatasetError, SettingsError
from splatkit.geometry.se3 import twist_between
from splatkit.io.formats.calibration_json import read_calibration


def settings_of(scene: Path, board: str = "7x5:0.095", **more) -> CalibrateSettings:
    return CalibrateSettings((scene / "images",), scene / "clouds", board, board_size="0.85x0.61", workers=2, **more)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hall") / "scene"
    make_board_scene(BoardSceneSettings(folder, poses=7, width=900, seed=1))
    return folder


@pytest.mark.slow
def test_files_without_a_partner_are_warned_of_and_the_first_guess_is_compared(scene, tmp_path):
    (scene / "images/alone.png").write_bytes((scene / "images/pose00.png").read_bytes())
    truth = {"T_camera_lidar": json.loads((scene / "truth.json").read_text())["T_camera_lidar"]}
    (tmp_path / "init.json").write_text(json.dumps(truth))
    shown = []
    settings = settings_of(
        scene, intrinsics=(scene / "camera.yaml",), out=tmp_path / "out", init=tmp_path / "init.json"
    )
    done = calibrate(settings, report=lambda folder, calibrated: shown.append((folder, calibrated)))
    (scene / "images/alone.png").unlink()
    assert "alone.png is left out, it has no partner of the same name or number" in done.warnings[0]
    assert done.against_init is not None
    assert done.against_init.rotation_deg < 0.3
    assert done.against_init.translation_m < 0.02
    ((folder, calibrated),) = shown
    assert calibrated is done
    assert not folder.exists()  # it has its name by now
    assert (done.out / "calibration.json").is_file()


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"intrinsics": ("a.yaml", "b.yaml")}, FileNotFoundError, "a.yaml"),
        ({"board": "7by5"}, SettingsError, "--board: expected COLUMNSxROWS:SQUARE"),
        ({"init": "scene/truth.json"}, DatasetError, "T_camera_lidar"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(tmp_path, monkeypatch, more, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene/truth.json").write_text('{"T_camera_lidar": [1, 2, 3]}')
    paths: dict[str, Any] = {
        name: (*map(Path, value),) if name == "intrinsics" else value for name, value in more.items()
    }
    with pytest.raises(error, match=message):
        calibrate(settings_of(tmp_path / "scene", **paths))
    assert not (tmp_path / "calibration").exists()


def test_a_chain_of_more_cameras_than_folders_is_refused(tmp_path):
    entry = "  camera_model: pinhole\n  distortion_model: none\n  intrinsics: [9, 9, 4, 3]\n  resolution: [8, 6]\n"
    (tmp_path / "chain.yaml").write_text(f"cam0:\n{entry}cam1:\n{entry}")
    with pytest.raises(SettingsError, match="--intrinsics: of 2 cameras for 1 folders of images"):
        calibrate(settings_of(tmp_path, intrinsics=(tmp_path / "chain.yaml",)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "other", "width"),  # small markers need wide images: of 900 px, four of seven show them in some draws
    [
        ("charuco:5x4:0.15:0.12:4x4_50", "charuco:5x4:0.15:0.12:6x6_250", 1280),
        ("aprilgrid:3x2:0.2:0.25", "charuco:4x3:0.2:0.15", 900),
    ],
)
def test_boards_with_markers_from_photographs_and_scans(tmp_path, board, other, width):
    folder, out = tmp_path / "scene", tmp_path / "calibration"
    made = make_board_scene(BoardSceneSettings(folder, board=board, poses=7, width=width, seed=1))
    assert made.poses == 7
    settings = settings_of(folder, board=board, intrinsics=(folder / "camera.yaml",), out=out)
    assert re.match(r"[4-7] of 7 frames used", calibrate(settings).verdict())
    stored = read_calibration(out / "calibration.json")
    truth = np.array(json.loads((folder / "truth.json").read_text())["T_camera_lidar"])
    twist = twist_between(stored.T_camera_lidar[0], truth)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.3
    assert np.linalg.norm(twist[3:]) < 0.02
    check = CheckSettings(out / "calibration.json", settings.images, settings.clouds)
    assert check_calibration(check).holds
    with pytest.raises(CalibrationRefusedError, match="no pattern in the image"):
        calibrate(replace(settings, board=other, board_size=None, out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_intrinsics_are_found_where_none_are_given(scene, tmp_path):
    out = tmp_path / "calibration"
    calibrate(settings_of(scene, camera_model="fisheye", out=out))
    stored = read_calibration(out / "calibration.json")
    truth = json.loads((scene / "truth.json").read_text())
    twist = twist_between(stored.T_camera_lidar[0], np.array(truth["T_camera_lidar"]))
    assert len(stored.joint_covariances[0]) == 14
    covariance = stored.joint_covariances[0][:6, :6]
    assert np.linalg.norm(twist[3:]) < 0.05
    assert twist @ np.linalg.solve(covariance, twist) < 22.5  # chi-square of six, 99.9 %
