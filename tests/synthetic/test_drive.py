"""A drive with fisheyes: the files, the truth beside them, and rays like those of the cameras."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from splatkit import Defects, LidarFaults, SceneSettings, make_scene
from splatkit.calibration.surround.rig import read_rig
from splatkit.errors import SettingsError
from splatkit.geometry.camera import PosedCamera
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.images import read_image
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.drive.motion import VehicleMotion, fisheye, take_shot
from splatkit.synthetic.walk import lidar_from_camera

SIZE: Any = {"width": 48, "height": 36, "views": 8}


@pytest.fixture(scope="module")
def scene():
    return read_scene(find_scene("parking"))


@pytest.fixture(scope="module")
def parking(tmp_path_factory):
    out = tmp_path_factory.mktemp("drive") / "parking"
    make_scene(SceneSettings("parking", out, **SIZE, seed=3, defects=Defects(pose_noise_deg=2.0, pose_noise_m=0.03)))
    return out


def test_a_folder_for_each_camera_and_the_rig_as_stated_beside_the_truth(parking, scene):
    names = [mount.name for mount in scene.drive.cameras]
    for name in names:
        assert sorted(path.name for path in (parking / "images" / name).iterdir()) == ["0000.png", "0001.png"]
        image = read_image(parking / f"images/{name}/0000.png")
        assert image.shape == (36, 48, 3)
        assert image[0, 0].max() == 0  # beyond the lens's circle
        assert image[20:34, 16:32].std() > 3  # the ground
    stated, true = read_rig(parking / "rig.json"), read_rig(parking / "truth/rig.json")
    assert stated.names == true.names == tuple(names)
    np.testing.assert_allclose(true.centers, [mount.position for mount in scene.drive.cameras])
    off = np.linalg.norm(stated.centers - true.centers, axis=1)
    assert (off > 0.005).all()
    assert (off < 0.15).all()
    assert len(read_trajectory(parking / "truth/trajectory.txt").times) == 2


def test_the_same_seed_gives_the_same_bytes_and_a_defect_changes_nothing_beside_itself(parking, tmp_path):
    make_scene(SceneSettings("parking", tmp_path / "again", **SIZE, seed=3))
    for path in sorted((parking / "images").rglob("*.png")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(parking)).read_bytes()
    truth = "truth/rig.json"
    assert (tmp_path / "again" / truth).read_bytes() == (parking / truth).read_bytes()
    assert (tmp_path / "again/rig.json").read_bytes() == (parking / truth).read_bytes()


def test_rays_are_those_of_the_camera_where_it_is(scene):
    drive = scene.drive
    motion, mount = VehicleMotion(drive, np.random.default_rng(0)), drive.cameras[1]
    camera = fisheye(mount, drive, 480, 360)
    pixels = np.random.default_rng(1).uniform((120, 60), (360, 300), (100, 2))
    T = motion.poses(np.array([3.0]))[0] @ lidar_from_camera(mount)
    origins, ways = take_shot(mount, camera, motion, 3.0, 0.0).rays(pixels)
    expected = PosedCamera("left", camera, T).rays(pixels)[1]
    np.testing.assert_allclose(origins, np.broadcast_to(T[:3, 3], origins.shape), atol=1e-12)
    np.testing.assert_allclose(ways, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-9)
    edge = camera.image(np.array([[np.sin(np.deg2rad(95)), 0, np.cos(np.deg2rad(95))]]))
    np.testing.assert_allclose(edge, [[480, 180]], atol=1e-9)  # 190 degrees across


def test_rows_of_a_rolling_shutter_are_taken_one_after_the_other(scene):
    drive = scene.drive
    motion, mount = VehicleMotion(drive, np.random.default_rng(0)), drive.cameras[0]
    camera = fisheye(mount, drive, 64, 48)
    pixels = np.array([[32.0, 0.0], [32.0, 24.0], [32.0, 48.0]])
    origins, _ = take_shot(mount, camera, motion, 3.0, 0.1).rays(pixels)
    way = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    np.testing.assert_allclose(way, 0.05 * drive.speed, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 7}, "expected a multiple of 4"),
        ({"defects": Defects(extrinsic_deg=1.0)}, "--extrinsic-deg: parking has no LiDAR"),
        ({"faults": LidarFaults(range_noise_m=0.1)}, "faults and defects need a walk"),
    ],
)
def test_what_a_drive_does_not_have_is_refused(tmp_path, change, message):
    settings = replace(SceneSettings("parking", tmp_path / "out", **SIZE), **change)
    with pytest.raises((SettingsError, ValueError), match=message):
        make_scene(settings)
    assert not (tmp_path / "out").exists()
