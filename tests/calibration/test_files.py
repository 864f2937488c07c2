"""Calibrations as files, and the notations of other tools read back."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.calibration_file import board_of, calibration_record
from splatkit.calibration.exports import write_exports
from splatkit.calibration.quality.advice import advise
from splatkit.calibration.quality.check import check_frames
from splatkit.calibration.targets.board_pdf import write_board
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import CalibrationRefusedError, DatasetError
from splatkit.geometry.se3 import compose, exp_se3, invert
from splatkit.io.formats.calibration_json import read_calibration
from splatkit.io.json_files import write_json
from tests.calibration.halls import TARGET


@pytest.fixture(scope="module")
def few(hall):
    return calibrate_frames(hall.frames[:7], TARGET, (hall.rig.camera,))


@pytest.fixture
def stored(few, tmp_path):
    path = tmp_path / "calibration.json"
    write_json(path, calibration_record(few, ["front"], {"a.png": "00"}, {}))
    return path


def test_a_calibration_is_read_back(few, stored):
    found = read_calibration(stored)
    np.testing.assert_array_equal(found.T_camera_lidar, few.solution.guess.T_camera_lidar)
    np.testing.assert_array_equal(found.joint_covariances[0], few.joint_covariances[0])
    assert found.cameras == few.solution.guess.cameras
    assert board_of(found, stored) == TARGET
    assert len(found.ring_bias) == len(few.solution.basis.rings)
    record = json.loads(stored.read_text())
    w, x, y, z = record["cameras"][0]["quaternion_wxyz"]
    rotation = Rotation.from_quat([x, y, z, w]).as_matrix()
    np.testing.assert_allclose(rotation, few.solution.T_camera_lidar[:3, :3], atol=1e-12)
    assert record["inputs"] == {"a.png": "00"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t[: len(t) // 2],
        lambda t: "[]",
        lambda t: t.replace('"K"', '"k"'),
        lambda t: t.replace("splatkit calibration 1", "other"),
    ],
)
def test_damaged_files_are_named(stored, spoil):
    stored.write_text(spoil(stored.read_text()))
    with pytest.raises(DatasetError, match=r"calibration\.json"):
        read_calibration(stored)


def test_new_frames_hold_a_calibration_or_contradict_it(hall, stored):
    found = read_calibration(stored)
    assert check_frames(found, TARGET, hall.frames[7:]).holds
    moved = np.stack([exp_se3(np.array([0, 0.05, 0, 0.05, 0, 0])) @ found.T_camera_lidar[0]])
    assert not check_frames(replace(found, T_camera_lidar=moved), TARGET, hall.frames[7:]).holds
    with pytest.raises(CalibrationRefusedError, match="no frame can be compared"):
        check_frames(found, TARGET, [type(hall.frames[0])("x", (None,), ((1, 1),), [], hall.frames[0].scan)])


def test_other_notations_hold_the_same_transform(tmp_path, hall):
    T, camera = hall.rig.T_camera_lidar, hall.rig.camera
    second = compose(np.eye(3), np.array([0.5, 0, 0])) @ T
    write_exports(tmp_path, ["left", "right"], (camera, camera), np.stack([T, second]))
    kitti = dict(line.split(": ") for line in (tmp_path / "left_kitti.txt").read_text().splitlines())
    np.testing.assert_allclose(np.array(kitti["Tr"].split(), float).reshape(3, 4), T[:3], atol=1e-10)
    ros = yaml.safe_load((tmp_path / "left_ros_tf.yaml").read_text())["transform"]
    rotation = Rotation.from_quat([ros["rotation"][axis] for axis in "xyzw"]).as_matrix()
    place = np.array([ros["translation"][axis] for axis in "xyz"])
    np.testing.assert_allclose(compose(rotation, place), invert(T), atol=1e-12)
    chain = yaml.safe_load((tmp_path / "right_camchain.yaml").read_text())["cam0"]
    np.testing.assert_allclose(chain["T_cam_lidar"], second)
    assert chain["distortion_model"] == "equidistant"
    first, other = yaml.safe_load((tmp_path / "colmap_rig.yaml").read_text())[0]["cameras"]
    assert first["ref_sensor"]
    assert first["camera_model_name"] == "OPENCV_FISHEYE"
    np.testing.assert_allclose(other["cam_from_rig_translation"], [0.5, 0, 0], atol=1e-12)


def test_advice_lowers_what_is_uncertain(hall, few):
    items = advise(hall.rig, TARGET, few.covariance(), 3)
    deviations = [np.degrees(np.sqrt(np.trace(few.covariance()[:3, :3]))), *(item.rotation_deg for item in items)]
    assert deviations == sorted(deviations, reverse=True)
    assert all("of the image" in item.words for item in items)


def test_the_printed_board_is_true_to_scale(tmp_path):
    path = tmp_path / "board.pdf"
    write_board(path, TARGET)
    points = [float(value) for value in path.read_bytes().split(b"/MediaBox [")[1].split(b"]")[0].split()]
    np.testing.assert_allclose(np.array(points[2:]) / 72 * 0.0254, [0.85, 0.61], atol=1e-3)
    with pytest.raises(ValueError, match="more than PDF allows"):
        write_board(path, BoardTarget(7, 5, 1.0, 8.0, 6.0))
