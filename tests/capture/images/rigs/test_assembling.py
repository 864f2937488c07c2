"""Which camera took what, and when: from folders, names, timestamps and calibrations."""

import json
from pathlib import Path

import numpy as np
import pytest

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.rigs.assembling import check_rig_settings, with_rig
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.errors import DatasetError, SettingsError


def photographs(*names: str) -> GatheredImages:
    blank = np.zeros((8, 8), np.float32)
    return GatheredImages(tuple(ImageFile(name, Path("/photographs") / name, 64, 48, 1.0, blank) for name in names), ())


def rig_of(gathered: GatheredImages, *calibrations: Path, times: Path | None = None) -> CameraRig:
    found = with_rig(gathered, calibrations, times).rig
    assert found is not None
    return found


def mounts(rig: CameraRig) -> dict[str, tuple[str, str]]:
    return {name: (mount.camera, mount.frame) for name, mount in rig.mounts.items()}


def test_folders_are_cameras_and_names_are_timestamps():
    rig = rig_of(photographs("a/1.jpg", "a/2.jpg", "b/2.png", "b/2x.png", "b/3.png"))
    expected = {"a/1.jpg": ("a", "1"), "a/2.jpg": ("a", "2"), "b/2.png": ("b", "2"), "b/2x.png": ("b", "2x")}
    assert mounts(rig) == {**expected, "b/3.png": ("b", "3")}
    assert [camera.name for camera in rig.cameras] == ["b", "a"]  # the one with most photographs is the reference
    assert not rig.is_known
    assert rig.frames(rig.mounts) == [["a/1.jpg"], ["a/2.jpg", "b/2.png"], ["b/2x.png"], ["b/3.png"]]


def test_the_name_of_a_camera_in_that_of_a_photograph_is_no_timestamp():
    rig = rig_of(photographs("left/left_01.png", "right/right_01.png"))
    assert {mount.frame for mount in rig.mounts.values()} == {"01"}


def test_timestamps_group_what_was_taken_within_5_ms(tmp_path):
    times = tmp_path / "images.csv"
    times.write_text("file,time_s\na/x.jpg,10.000\nb/y.jpg,10.004\na/z.jpg,10.1\nb/w.jpg,10.2\n")
    rig = rig_of(photographs("a/x.jpg", "a/z.jpg", "b/w.jpg", "b/y.jpg"), times=times)
    assert mounts(rig)["a/x.jpg"][1] == mounts(rig)["b/y.jpg"][1]
    assert len({mount.frame for mount in rig.mounts.values()}) == 3


def test_calibrations_tell_cameras_by_words_of_names_and_how_they_lie(tmp_path):
    poses = {}
    for name, x in (("left", 0.1), ("right", -0.3)):
        poses[name] = np.eye(4)
        poses[name][0, 3] = x
    path = tmp_path / "rig.json"
    path.write_text(
        json.dumps({"cameras": [{"name": name, "T_camera_lidar": T.tolist()} for name, T in poses.items()]})
    )
    rig = rig_of(photographs("left_1.png", "left_2.png", "right_1.png", "right_2.png"), path)
    assert mounts(rig)["left_2.png"] == ("left", "2")
    first, second = rig.cameras
    assert (first.name, second.name) == ("left", "right")
    assert first.T_camera_rig is not None
    assert second.T_camera_rig is not None
    np.testing.assert_array_equal(first.T_camera_rig, np.eye(4))
    assert second.T_camera_rig[0, 3] == pytest.approx(-0.4)  # from the left one's frame to the right one's
    assert rig.has_scale


def test_what_is_no_rig_is_one_line(tmp_path):
    with pytest.raises(DatasetError, match=r"--rig: 1 cameras \(a\) and no two photographs taken together"):
        rig_of(photographs("a/1.jpg", "a/2.jpg"))
    with pytest.raises(DatasetError, match=r"--rig: 2 cameras \(a, b\) and no two photographs taken together"):
        rig_of(photographs("a/1.jpg", "b/2.jpg"))
    with pytest.raises(DatasetError, match=r"one camera took 2 photographs that count as taken together"):
        rig_of(photographs("a/1.jpg", "a/1.png", "b/1.jpg"))
    times = tmp_path / "images.csv"
    times.write_text("file,time_s\na/1.jpg,0\n")
    with pytest.raises(DatasetError, match=r"b/2\.jpg: the table of image times has no line for 2\.jpg"):
        rig_of(photographs("a/1.jpg", "b/2.jpg"), times=times)
    calibration = tmp_path / "rig.json"
    entries = [{"name": name, "T_camera_lidar": np.eye(4).tolist()} for name in ("left", "right")]
    calibration.write_text(json.dumps({"cameras": entries}))
    with pytest.raises(DatasetError, match=r"middle_1\.png: belongs to no camera of the rig"):
        rig_of(photographs("left_1.png", "middle_1.png"), calibration)


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"--calibration: .* give --rig with it"):
        check_rig_settings(False, (tmp_path,), None, tmp_path, None)
    with pytest.raises(SettingsError, match="--rig: with --poses"):
        check_rig_settings(True, (), tmp_path, tmp_path, None)
    with pytest.raises(SettingsError, match="--rig: takes a folder of photographs"):
        check_rig_settings(True, (), None, tmp_path / "video.mp4", None)
    with pytest.raises(SettingsError, match="--frames: chooses photographs one by one"):
        check_rig_settings(True, (), None, tmp_path, 8)
