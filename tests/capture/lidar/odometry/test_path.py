"""The path of a LiDAR from its scans alone, on a synthetic walk whose path is exactly known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from splatkit.capture.lidar.odometry.drift import Drift, drift_between
from splatkit.capture.lidar.odometry.path import estimate_path
from splatkit.capture.lidar.odometry.slices import follow_each_other, slices_of
from splatkit.capture.lidar.scans import Scan
from splatkit.errors import CaptureRefusedError, DatasetError
from splatkit.geometry.se3 import exp_se3, invert
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.point_cloud import PointCloud
from splatkit.progress import no_progress
from splatkit.synthetic.defects import LidarFaults
from splatkit.synthetic.description import SpinningLidar, find_scene, read_scene
from splatkit.synthetic.lidar import scan_turn
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion

LIDAR = SpinningLidar(24, (-25.0, 15.0), 300, 10.0, 0.5, 80.0)
SCANS = 16


def in_memory(scans) -> Any:
    """As a ScanSource has them."""
    return SimpleNamespace(count=lambda: len(scans), read=lambda *note: iter(scans))


@pytest.fixture(scope="module")
def walk():
    """A second and a half of the courtyard's walk: 1.8 m with one and a half sways of 2.5 degrees a second."""
    description = read_scene(find_scene("courtyard"))
    assert description.walk is not None
    tracer, motion = Tracer(description, 0), RigMotion(description.walk, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    clouds = [scan_turn(tracer, motion, LIDAR, 0.1 * k, LidarFaults(divergence_rad=0.0), rng) for k in range(SCANS)]
    return motion, [Scan(f"scan {k}", cloud, cloud.time) for k, cloud in enumerate(clouds)]


@pytest.mark.slow
def test_a_swaying_walk_is_followed(walk):
    """Five seeds came to 1 to 7 cm at the end and 0.08 to 0.29 degrees in the median: bounds are twice that.

    The first pose is among what is wrong: the longer walk of docs/results/lidar.md errs by less for its length.
    """
    motion, scans = walk
    found = estimate_path(in_memory(scans), no_progress)
    path = found.trajectory
    true = motion.poses(path.times)
    moved = [invert(poses[0]) @ poses for poses in (path.poses, true)]
    apart = invert(moved[1]) @ moved[0]
    angles = np.degrees(np.arccos(np.clip((np.trace(apart[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert path.times[-1] - path.times[0] == pytest.approx(0.1 * SCANS, abs=0.01)
    assert np.linalg.norm(apart[-1, :3, 3]) < 0.14
    assert np.median(angles) < 0.6
    assert found.drift.way_m == pytest.approx(1.1 * 0.1 * SCANS, rel=0.1)
    assert 0.001 < found.drift.end_m < 0.2
    assert found.matched > 0.5


def test_drift_is_the_random_walk_that_two_runs_differ_by():
    """Two paths that are a straight way with random steps of known deviations: the variances come out again."""
    rng, count, step = np.random.default_rng(0), 4000, 0.05
    turn_sd, shift_sd = 1e-3, 2e-3  # a root of a meter
    paths = []
    for _ in range(2):
        twists = rng.normal(size=(count, 6)) * np.sqrt(step) * np.repeat([turn_sd, shift_sd], 3)
        twists[:, 3] += step
        poses = [np.eye(4)]
        for change in exp_se3(twists):
            poses.append(poses[-1] @ change)
        paths.append(Trajectory(np.arange(count + 1) * 0.1, np.stack(poses)))
    found = drift_between(*paths)
    assert found.way_m == pytest.approx(count * step, rel=0.01)
    # Of 12 stretches with 3 axes each: a fourth. Shifts hold what turns make of 17 m: a third of their square.
    assert found.rotation_rad2 == pytest.approx(turn_sd**2, rel=0.5)
    stretch = found.way_m / 12
    assert found.translation_m2 == pytest.approx(shift_sd**2 + 2 / 3 * turn_sd**2 * stretch**2 / 3, rel=0.6)


def test_samples_of_a_drift_spread_as_it_says():
    path = Trajectory(np.linspace(0, 10, 101), np.tile(np.eye(4), (101, 1, 1)))
    path.poses[:, 0, 3] = np.linspace(0, 20, 101)
    turns, shifts = Drift(1e-6, 4e-6, 20.0).errors(path, path.times)
    assert turns[:, -1].std() == pytest.approx(np.sqrt(20e-6), rel=0.15)
    assert shifts[:, -1, 0].std() == pytest.approx(np.sqrt(80e-6), rel=0.2)  # along the way turns do nothing
    assert (turns[:, 0] == 0).all()


def test_scans_that_leave_gaps_are_not_followed():
    def scan(start):
        times = np.linspace(start, start + 0.1, 200)
        return Scan(f"scan at {start}", PointCloud(np.random.default_rng(0).normal(size=(200, 3))), times)

    assert follow_each_other([scan(0.0), scan(0.1), scan(0.2)])
    assert not follow_each_other([scan(0.0), scan(0.7)])
    assert not follow_each_other([scan(0.0)])
    with pytest.raises(DatasetError, match=r"scan at 0\.7: begins 0\.60 s after the scan before ends"):
        list(slices_of([scan(0.0), scan(0.7)]))
    with pytest.raises(DatasetError, match="neither its points nor its name have a time"):
        list(slices_of([Scan("a", PointCloud(np.ones((3, 3))), None)]))
    with pytest.raises(CaptureRefusedError, match=r"odometry: the scans last 0\.20 s"):
        estimate_path(in_memory([scan(0.0), scan(0.1)]), no_progress)


def test_slices_hold_all_points_that_thinning_leaves_at_their_times():
    rng = np.random.default_rng(0)
    scans = []
    for k in range(5):
        times = np.sort(rng.uniform(0.1 * k, 0.1 * k + 0.1, 500))
        scans.append(Scan(f"{k}", PointCloud(np.column_stack([1000 * times, rng.normal(size=(500, 2))])), times))
    slices = list(slices_of(scans))
    assert [piece.end_s for piece in slices[:-1]] == [piece.start_s for piece in slices[1:]]
    for piece in slices:
        times = piece.start_s + piece.shares * (piece.end_s - piece.start_s)
        np.testing.assert_allclose(piece.points[:, 0], 1000 * times, atol=1e-2)  # float32
