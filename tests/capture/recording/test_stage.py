"""The stage `capture recording` on a walk that rosbags wrote with Livox' definitions: all of it is exactly known."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from splatkit.capture.lidar.inputs import with_recording
from splatkit.capture.lidar.settings import CaptureLidarSettings
from splatkit.capture.recorded import read_recorded
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.recording.stage import capture_recording, list_topics
from splatkit.capture.recording.topics import camera_name
from splatkit.capture.rig import read_rig
from splatkit.capture.times import read_times
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.images import read_image
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.recordings import clocks
from splatkit.io.recordings.frames import RigidFrames
from splatkit.io.recordings.poses import read_poses
from splatkit.io.recordings.recording import Recording, Topic
from splatkit.io.scans.readers import read_scans
from splatkit.io.transforms_json import read_transforms
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene
from studies.recordings.write import EPOCH_S, write_recording


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    folder = tmp_path_factory.mktemp("walk") / "walk"
    make_scene(SceneSettings("courtyard", folder, width=64, height=48, views=8, scans=2))
    return folder


@pytest.fixture(scope="module")
def recording(walk):
    return write_recording(walk, walk.parent / "bag")


def settings(recording, out, **more):
    return CaptureRecordingSettings(recording, out, **more)


def test_all_that_a_recording_knows_is_taken_out(walk, recording, tmp_path):
    captured = capture_recording(settings(recording, tmp_path / "out"))
    assert captured.warnings == ()
    assert "4 of left, 4 of right; 2 scans; intrinsics of left, right; extrinsics of left, right" in captured.verdict()
    recorded = read_recorded(tmp_path / "out")
    assert recorded.recording == recording.resolve()
    times, stated = read_times(tmp_path / "out/images.csv"), read_times(walk / "images.csv")
    frames = read_transforms(walk).frames
    for camera in ("left", "right"):
        taken = sorted((tmp_path / "out/images" / camera).iterdir(), key=lambda path: float(path.stem))
        mine = [frame for frame in frames if frame.image_path.name.startswith(camera)]
        mine.sort(key=lambda frame: frame.image_path.name)
        for path, frame in zip(taken, mine, strict=True):
            time = stated.find(frame.image_path)
            assert time is not None
            assert times.find(path) == pytest.approx(EPOCH_S + time, abs=1e-6)
            apart = read_image(path).astype(float) - read_image(frame.image_path)
            assert np.abs(apart).mean() < 6  # of JPEG
    rig, true = read_rig([tmp_path / "out/rig.json"]), json.loads((walk / "truth/rig.json").read_text())["cameras"]
    for found, entry in zip(rig.cameras, true, strict=True):
        np.testing.assert_allclose(found.T_camera_lidar, entry["T_camera_lidar"], atol=1e-9)
        assert found.camera == frames[0].camera
    left_out = json.loads((tmp_path / "out/recording.json").read_text())["left_out"]
    assert list(left_out) == ["/livox/imu"]


def test_scans_stay_in_the_recording_and_are_the_walks(walk, recording):
    found = list(read_scans(recording))
    for scan, path in zip(found, sorted((walk / "lidar").iterdir()), strict=True):
        true = read_point_cloud(path)
        assert scan.stamp_s is not None
        assert scan.cloud.time is not None
        assert true.time is not None
        np.testing.assert_allclose(scan.cloud.points, true.points, atol=1e-5)
        np.testing.assert_allclose(scan.stamp_s - EPOCH_S + scan.cloud.time, true.time, atol=1e-6)


def test_capture_lidar_takes_from_a_recording_what_it_is_not_given(recording, tmp_path):
    capture_recording(settings(recording, tmp_path / "out"))
    filled, lenses = with_recording(CaptureLidarSettings(recording=tmp_path / "out"))
    assert (filled.scans, filled.topic) == (recording.resolve(), "/livox/lidar")
    assert filled.images == (tmp_path / "out/images/left", tmp_path / "out/images/right")
    assert filled.calibration == (tmp_path / "out/rig.json",)
    assert set(lenses) == {"left", "right"}
    mine, _ = with_recording(
        CaptureLidarSettings(recording=tmp_path / "out", dataset=tmp_path, calibration=(tmp_path,))
    )
    assert (mine.images, mine.calibration) == ((), (tmp_path,))
    with pytest.raises(SettingsError, match="give --scans and --calibration, or --recording"):
        with_recording(CaptureLidarSettings())


def test_without_tf_the_extrinsics_are_asked_for(walk, tmp_path):
    path = write_recording(walk, tmp_path / "bag", with_tf=False)
    captured = capture_recording(settings(path, tmp_path / "out", frames=4))
    assert [len(found.times) for found in captured.photographs.values()] == [2, 2]
    assert any("no fixed tf leads from the LiDAR (livox_frame) to left, right" in text for text in captured.warnings)
    with pytest.raises(SettingsError, match="no extrinsics in this recording"):
        with_recording(CaptureLidarSettings(recording=tmp_path / "out"))


def test_topics_are_listed_with_what_they_are_for(recording):
    found = {topic.name: (topic.count, use) for topic, use in list_topics(recording)}
    assert found["/livox/lidar"] == (2, "scans")
    assert found["/left/image_raw/compressed"] == (4, "photographs")
    assert found["/livox/imu"][1].startswith("not read")


def test_what_is_not_there_is_refused_with_what_there_is(recording, tmp_path):
    refused: list[tuple[dict[str, Any], str]] = [
        ({"images": ("/middle",)}, "/middle is no topic of photographs; there are /left/image_raw/compressed, /right"),
        ({"scans": "/velodyne"}, "no point clouds of topic /velodyne; there are /livox/lidar"),
        ({"trajectory": "/odom"}, "/odom is no topic of poses; there are none of them"),
    ]
    for more, message in refused:
        with pytest.raises(DatasetError, match=message):
            capture_recording(settings(recording, tmp_path / "out", **more))
    with pytest.raises(SettingsError, match="give one of them"):
        capture_recording(settings(recording, tmp_path / "out", frames=3, interval=1.0))
    assert not (tmp_path / "out").exists()


def test_clocks_that_are_apart_are_brought_together(recording, tmp_path, monkeypatch):
    """As of a sensor that counts from when it was switched on: photographs come by the scans' clock."""
    true = clocks.lag_s
    lags = {"/livox/lidar": 1_699_999_000.0}
    monkeypatch.setattr("splatkit.capture.recording.stage.lag_s", lambda r, name: lags.get(name, true(r, name)))
    captured = capture_recording(settings(recording, tmp_path / "out"))
    first = min(min(found.times.values()) for found in captured.photographs.values())
    assert 0 < first - 1000 < 10
    assert sum("goes by another clock than /livox/lidar" in text for text in captured.warnings) == 2


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("/front_left/image_raw/compressed", "front_left"),
        ("/camera/color/image_raw", "camera"),
        ("/image_raw", "camera"),
        ("/rig/cam0/image_rect", "rig_cam0"),
        ("/hikrobot_camera/rgb", "hikrobot_camera"),
    ],
)
def test_cameras_are_called_as_their_topics(topic, name):
    assert camera_name(topic) == name


def test_poses_of_another_frame_are_brought_to_the_lidar():
    def odometry(time, x):
        stamp = SimpleNamespace(sec=time, nanosec=0)
        pose = SimpleNamespace(
            position=SimpleNamespace(x=x, y=0.0, z=0.0), orientation=SimpleNamespace(x=0, y=0, z=0, w=1)
        )
        return SimpleNamespace(
            header=SimpleNamespace(stamp=stamp), child_frame_id="base", pose=SimpleNamespace(pose=pose)
        )

    @dataclasses.dataclass
    class Message:
        made: object

        def content(self):
            return self.made

        def stamp_s(self, header):
            return float(header.stamp.sec)

    messages = [Message(odometry(time, float(time))) for time in (1, 2, 2, 3)]
    fake = cast("Recording", SimpleNamespace(path="a.bag", messages=lambda names: messages))
    frames, mounted = RigidFrames(), np.eye(4)
    mounted[:3, 3] = 0, 0, 1.5
    topic = Topic("/odom", "nav_msgs/Odometry", 4)
    with pytest.raises(DatasetError, match="no fixed tf leads from there to the LiDAR's frame lidar"):
        read_poses(fake, topic, frames, "lidar")
    frames.add("base", "lidar", mounted)
    path, lost, body = read_poses(fake, topic, frames, "lidar")
    np.testing.assert_array_equal(path.times, [1, 2, 3])
    np.testing.assert_allclose(path.poses[:, :3, 3], [[1, 0, 1.5], [2, 0, 1.5], [3, 0, 1.5]])
    assert (lost, body) == (1, "base")
