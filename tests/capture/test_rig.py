"""Rigs from calibrations and from plain files; images find their cameras by name."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.capture.rig import DEFAULT_RANGE_NOISE_M, read_rig
from splatkit.errors import DatasetError, SettingsError

POSE = np.eye(4)
POSE[:3, 3] = 0.1, 0.2, -0.3


def plain(path, **changes):
    entry = {"name": "left", "T_camera_lidar": POSE.tolist()} | changes
    path.write_text(json.dumps({"cameras": [entry, {"name": "left_wide", "T_camera_lidar": np.eye(4).tolist()}]}))
    return path


def calibration(path, names=("images",)):
    """A calibration.json with the fields that are read."""
    camera = {
        "K": [[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]],
        "distortion": [0.1, 0, 0, 0],
        "width": 640,
        "height": 480,
        "model": "pinhole",
        "T_camera_lidar": POSE.tolist(),
        "covariance_with_intrinsics": (1e-6 * np.eye(10)).tolist(),
    }
    record = {
        "format": "splatkit calibration 1",
        "cameras": [{"name": name, **camera} for name in names],
        "lidar": {"ring_bias_m": {"3": 0.01}, "intensity_bias": {"knots": [], "values_m": []}},
        "board": {"columns": 7, "rows": 5, "square": 0.1, "width": 0.9, "height": 0.7},
        "noise": {"corner_px": 0.2, "range_m": 0.017, "outline_m": 0.001},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def test_a_plain_file_gives_extrinsics_and_assumed_deviations(tmp_path):
    rig = read_rig([plain(tmp_path / "rig.json", K=[400, 0, 100, 0, 400, 80, 0, 0, 1], width=200, height=160)])
    left, wide = rig.cameras
    np.testing.assert_array_equal(left.T_camera_lidar, POSE)
    assert left.camera is not None
    assert (left.camera.width, left.camera.fx, wide.camera) == (200, 400, None)
    assert not left.is_covariance_stated
    np.testing.assert_allclose(np.degrees(np.sqrt(left.covariance[0, 0])), 1.0)
    assert rig.range_noise_m == DEFAULT_RANGE_NOISE_M


def test_calibrations_of_single_cameras_make_one_rig(tmp_path):
    rig = read_rig([calibration(tmp_path / name / "calibration.json") for name in ("front", "rear")])
    assert [camera.name for camera in rig.cameras] == ["front", "rear"]
    assert rig.cameras[0].covariance.shape == (6, 6)
    assert rig.cameras[0].is_covariance_stated
    assert (rig.range_noise_m, rig.ring_bias) == (0.017, {3: 0.01})


def test_images_belong_to_the_longest_name_that_is_a_word_of_theirs(tmp_path):
    rig = read_rig([plain(tmp_path / "rig.json")])

    def name(path):
        found = rig.camera_of(path)
        return found and found.name

    assert name("images/left_0001.png") == "left"
    assert name("images/left/0001.png") == "left"
    assert name("2018__left_wide__15.jpg") == "left_wide"
    assert name("images/right_0001.png") is None
    assert name("images/lefty.png") is None
    alone = read_rig([calibration(tmp_path / "a" / "calibration.json")])
    assert alone.camera_of("anything.png") is alone.cameras[0]


def test_what_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "rig.json"
    path.write_text("{")
    with pytest.raises(DatasetError, match=r"rig\.json: not valid JSON"):
        read_rig([path])
    path.write_text("{}")
    with pytest.raises(DatasetError, match=r"rig\.json: expected a calibration\.json"):
        read_rig([path])
    for changes, message in [
        ({"T_camera_lidar": np.diag([2.0, 2, 2, 1]).tolist()}, "not a rigid 4 x 4 transform"),
        ({"T_camera_lidar": [[1, 2], [3]]}, "camera 0: expected name"),
        ({"covariance": np.eye(5).tolist()}, "covariance of 6 x 6"),
        ({"T_camera_lidar": (np.eye(4) * np.nan).tolist()}, "rig"),
        ({"K": [1, 2]}, "camera 0"),
        ({"name": "left_wide"}, "two cameras are called left_wide"),
    ]:
        with pytest.raises((DatasetError, SettingsError), match=message):
            read_rig([plain(path, **changes)])
    calibration(tmp_path / "a" / "calibration.json")
    shutil.copytree(tmp_path / "a", tmp_path / "b" / "a")
    with pytest.raises(SettingsError, match="two cameras are called a"):
        read_rig([tmp_path / "a/calibration.json", tmp_path / "b/a/calibration.json"])


_NAMES = st.sampled_from(["name", "K", "width"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)
_FIELDS = st.sampled_from(["name", "T_camera_lidar", "covariance", "K", "distortion", "width", "model"])


def refusal(path):
    """What reading a file says against it; empty if it is read."""
    try:
        read_rig([path])
    except (DatasetError, SettingsError) as error:
        return str(error)
    return ""


@settings(max_examples=150, deadline=None, derandomize=True)
@given(field=_FIELDS, value=_JSON)
def test_whatever_stands_in_a_file_is_used_or_named(tmp_path_factory, field, value):
    path = tmp_path_factory.mktemp("fuzz") / "rig.json"
    intrinsics = {"K": np.eye(3).tolist(), "width": 4, "height": 4}
    assert "rig.json" in (refusal(plain(path, **(intrinsics | {field: value}))) or "rig.json")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(where=st.sampled_from(["lidar", "board", "noise", "cameras"]), value=_JSON)
def test_damaged_calibrations_are_named(tmp_path_factory, where, value):
    path = calibration(tmp_path_factory.mktemp("fuzz") / "a" / "calibration.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {where: value}))
    assert "calibration.json" in refusal(path)
