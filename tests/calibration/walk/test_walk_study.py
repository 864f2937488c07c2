"""The study of walks: its simulation, its errors, and its table."""

import numpy as np
import pytest

from splatkit.geometry.se3 import invert
from studies.walks.simulation import Noise, simulate, structure_from_motion
from studies.walks.study import WalkCase, measure_case, off_prior, place_truth, walk_cases, write_summary
from tests.calibration.walk.walks import off_by


@pytest.fixture(scope="module")
def truth():
    return place_truth("round", 24, 8)


def test_bundle_adjustment_errs_by_millimeters_and_not_at_all_without_noise(truth):
    true = np.stack([camera.T_world_camera for camera in truth.cameras])
    poses, points = structure_from_motion(truth, 1e-9, np.random.default_rng(0))
    np.testing.assert_allclose(poses, true, atol=1e-6)
    np.testing.assert_allclose(points, truth.points, atol=1e-5)
    poses, _ = structure_from_motion(truth, 0.5, np.random.default_rng(0))
    assert 1e-4 < np.abs(poses[:, :3, 3] - true[:, :3, 3]).mean() < 0.05


def test_a_simulated_walk_is_calibrated_and_comes_into_the_table(truth, tmp_path):
    case = WalkCase("round", "nothing", 0)
    values = measure_case(case, truth)
    assert not values["refused"]
    assert values["walk_deg"] < 0.5
    assert values["walk_mm"] < 60
    write_summary(tmp_path, [(case, values), (WalkCase("straight", "nothing", 0), {"cpu_s": 1.0, "refused": 1.0})])
    text = (tmp_path / "summary.md").read_text()
    assert "| round | nothing | 0, 1 |" in text
    assert "| straight | nothing | 1, 1 | - | - | - | - | 1.0 |" in text


def test_priors_are_off_by_what_is_said(truth):
    prior = off_prior(truth, 1)
    degrees, meters = off_by(prior.T_camera_lidar, truth.T_camera_lidar)
    np.testing.assert_allclose(degrees, 10.0)
    np.testing.assert_allclose(np.linalg.norm((prior.T_camera_lidar - truth.T_camera_lidar)[:, :3, 3], axis=1), 0.3)
    assert meters.max() < 0.5


def test_noise_moves_the_map_and_the_clock(truth):
    recording = simulate(truth, Noise(), 0)
    assert recording.trajectory.times[0] - truth.trajectory.times[0] == pytest.approx(Noise().offset_s)
    off = invert(truth.trajectory.poses) @ recording.trajectory.poses
    assert 0.005 < np.abs(off[:, :3, 3]).mean() < 0.015
    assert len(recording.planes) > 500


def test_places_where_walks_say_nothing_are_tried_from_nothing_alone():
    cases = list(walk_cases(quick=False))
    assert len(cases) == 16 * 6
    assert {case.place for case in cases if case.start == "prior"} == {"round"}
