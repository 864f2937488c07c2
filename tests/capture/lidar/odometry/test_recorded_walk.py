"""From one recording to a metric dataset without a trajectory, against the exact truth of the walk."""

import json

import numpy as np
import open3d as o3d
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.settings import CaptureLidarSettings
from splatkit.capture.lidar.stage import capture_lidar
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.recording.stage import capture_recording
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.se3 import compose, transform_points
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.meshes import read_mesh
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import read_transforms
from splatkit.pages.capture_lidar import write_lidar_report
from splatkit.synthetic.description import find_scene
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene
from studies.recordings.write import EPOCH_S, write_recording

SWEEPS = 38  # ten a second: as long as the way around takes


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The courtyard, with a way of 4 m around one spot and a LiDAR of fewer beams."""
    folder = tmp_path_factory.mktemp("walk")
    lines = find_scene("courtyard").read_text(encoding="utf-8").splitlines()
    ring = [[round(2.5 + 0.65 * np.cos(a), 3), round(-2 + 0.65 * np.sin(a), 3)] for a in np.arange(6) * np.pi / 3]
    changes = {
        "waypoints": f"waypoints = {ring}",
        "lidar": "lidar = { rings = 24, elevation_deg = [-25.0, 15.0], columns = 300, turns_per_s = 10.0, "
        "nearest_m = 0.5, farthest_m = 80.0 }",
    }
    text = "\n".join(changes.get(line.split(" = ")[0], line) for line in lines)
    (folder / "spot.toml").write_text(text, encoding="utf-8")
    make_scene(SceneSettings(str(folder / "spot.toml"), folder / "walk", width=96, height=72, views=8, scans=SWEEPS))
    return folder / "walk"


@pytest.mark.slow
def test_a_recording_becomes_a_metric_dataset_without_a_trajectory(walk, tmp_path):
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    recording = write_recording(walk, tmp_path / "bag")
    capture_recording(CaptureRecordingSettings(recording, tmp_path / "recording"))
    out = tmp_path / "dataset"
    settings = CaptureLidarSettings(recording=tmp_path / "recording", out=out, stereo="off")
    captured = capture_lidar(settings, report=write_lidar_report)
    assert "m from the scans alone, estimated drift" in captured.verdict()
    path, true = read_trajectory(out / "trajectory.txt"), read_trajectory(walk / "truth/trajectory.txt")
    a, b = path.poses[:, :3, 3], true.at(path.times - EPOCH_S)[:, :3, 3]
    turn = Rotation.align_vectors(b - b.mean(0), a - a.mean(0))[0].as_matrix()
    T_true_world = compose(turn, b.mean(0) - turn @ a.mean(0))
    assert np.sqrt(((transform_points(T_true_world, a) - b) ** 2).sum(1).mean()) < 0.04
    entries = json.loads((walk / "truth/cameras.json").read_text())["images"]
    frames = read_transforms(out).frames
    assert len(frames) == len(entries)
    for frame in frames:
        time = float(frame.image_path.stem) - EPOCH_S
        mine = [entry for entry in entries if entry["name"].startswith(frame.image_path.parent.name)]
        entry = min(mine, key=lambda entry: abs(entry["time_s"] - time))
        found = T_true_world @ frame.T_world_camera
        assert np.linalg.norm(found[:3, 3] - np.array(entry["T_world_camera"])[:3, 3]) < 0.1
    # Points lie on the true surfaces: to the noise of ranges, 2 cm, and what the path adds.
    scene, mesh = o3d.t.geometry.RaycastingScene(), read_mesh(walk / "truth/mesh.ply")
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    points = transform_points(T_true_world, read_point_cloud(out / "points.ply").points.astype(np.float64))
    near = points[np.linalg.norm(points - b.mean(0), axis=1) < 12].astype(np.float32)
    assert np.median(scene.compute_distance(near).numpy()) < 0.04
    record = json.loads((out / "capture.json").read_text())
    assert record["frame"] == "meters, right-handed, origin where the LiDAR began, the LiDAR's own axes"
    assert record["figures"]["odometry"]["way_m"] == pytest.approx(4.0, abs=0.5)
    with pytest.raises(SettingsError, match="--motion: with a trajectory"):
        capture_lidar(
            CaptureLidarSettings(
                recording=tmp_path / "recording",
                trajectory=walk / "trajectory.txt",
                motion="scans",
                out=tmp_path / "x",
            )
        )
    with pytest.raises(DatasetError, match="images without poses need the LiDAR's own path"):
        capture_lidar(CaptureLidarSettings(recording=tmp_path / "recording", motion="photographs", out=tmp_path / "x"))
