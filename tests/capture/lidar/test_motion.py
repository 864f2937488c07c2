"""Points of a moving LiDAR come to where the world is; what the trajectory does not reach is said."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.motion import near_moments, place_scan, place_scans, without_ring_bias
from splatkit.capture.lidar.scans import Scan
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import invert
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut


def path():
    times = np.linspace(0, 2, 41)
    poses = np.tile(np.eye(4), (41, 1, 1))
    poses[:, :3, :3] = Rotation.from_rotvec(np.outer(times, (0.1, -0.2, 0.9))).as_matrix()
    poses[:, :3, 3] = np.outer(times, (1.5, 0.2, -0.1))
    return Trajectory(times, poses)


def scan_of(world, times, trajectory):
    local = np.einsum("nij,nj->ni", invert(trajectory.at(times)), np.column_stack([world, np.ones(len(world))]))[:, :3]
    return Scan("scan", PointCloud(local, ring=np.arange(len(world)) % 3), times)


def test_every_point_comes_to_its_place():
    rng = np.random.default_rng(0)
    world, times = rng.normal(size=(500, 3)) * 10, np.sort(rng.uniform(0.3, 0.4, 500))
    placed = place_scan(scan_of(world, times, path()), path())
    assert placed is not None
    np.testing.assert_allclose(placed.cloud.points, world, atol=1e-5)
    np.testing.assert_allclose(placed.origins, path().at(times)[:, :3, 3], atol=1e-6)
    assert placed.untimed == 0


def test_points_beyond_the_trajectory_are_left_out_and_counted():
    world = np.ones((10, 3))
    times = np.linspace(1.91, 2.0, 10)
    short = Trajectory(path().times[:40], path().poses[:40])  # ends at 1.95 s
    placed = place_scan(scan_of(world, times, path()), short)
    assert placed is not None
    assert (len(placed.times), placed.untimed) == (5, 5)
    assert place_scan(scan_of(world, times, path()), Trajectory(path().times[:5], path().poses[:5])) is None


def test_scans_that_the_trajectory_never_reaches_are_an_error():
    scan = Scan("a.ply", PointCloud(np.ones((3, 3))), np.full(3, 1e9))
    with pytest.raises(DatasetError, match=r"a\.ply was taken at 1000000000\.000 s, the trajectory covers 0\.000 to 2"):
        list(place_scans([scan], path()))
    with pytest.raises(DatasetError, match=r"a\.ply: neither its points nor its name have a time"):
        list(place_scans([Scan("a.ply", PointCloud(np.ones((3, 3))), None)], path()))


def test_scans_that_are_not_placed_are_told_with_the_reason():
    late = Scan("late.ply", PointCloud(np.ones((3, 3))), np.full(3, 1e9))
    near = Scan("near.ply", PointCloud(np.ones((0, 3))), np.zeros(0))
    there = Scan("there.ply", PointCloud(np.ones((3, 3))), np.full(3, 1.0))
    told: list[LeftOut] = []
    assert [scan.name for scan in place_scans([late, near, there], path(), told.append)] == ["there.ply"]
    assert told == [
        LeftOut("late.ply", "the trajectory does not reach it"),
        LeftOut("near.ply", "none of its points is within the range that is used"),
    ]


def test_ranges_are_corrected_laser_by_laser():
    cloud = PointCloud(np.array([[2.0, 0, 0], [0, 4, 0], [0, 0, 5]]), ring=np.array([0, 1, 7], np.int32))
    corrected = without_ring_bias(Scan("a", cloud, None), {1: 0.1, 7: -0.05}).cloud.points
    np.testing.assert_allclose(corrected, [[2.0, 0, 0], [0, 3.9, 0], [0, 0, 5.05]])


def test_only_what_was_measured_near_photographs_is_taken():
    times = np.linspace(0, 1, 11)
    scan = Scan("a", PointCloud(np.ones((11, 3))), times)
    near = near_moments(scan, np.array([0.32, 0.9]), 0.1)
    assert near is not None
    assert near.times is not None
    np.testing.assert_allclose(near.times, [0.3, 0.4, 0.8, 0.9, 1.0])
    assert near_moments(scan, np.array([5.0, 6.0]), 0.1) is None
