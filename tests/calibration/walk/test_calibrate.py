"""From a recording to extrinsics, and how sure: from nothing, from priors, and over many noises."""

import numpy as np
import pytest

from splatkit.calibration.walk.calibrate import calibrate_recording
from splatkit.calibration.walk.judge import refuse_untrustworthy
from splatkit.calibration.walk.recording import Prior
from splatkit.geometry.se3 import exp_se3, twist_between
from tests.calibration.walk.walks import OFFSET_S, extrinsics, make_recording, off_by


def off_prior():
    """Off by 10 degrees and 0.3 m."""
    twists = np.deg2rad(10) * np.array([[0.6, -0.8, 0, 0, 0, 0], [0, 0.6, 0.8, 0, 0, 0]])
    twists[:, 3:] = [[0.1, 0.2, -0.2], [-0.2, 0.2, 0.1]]
    return Prior(exp_se3(twists) @ extrinsics(), np.deg2rad(10), 0.3)


@pytest.mark.parametrize("start", ["nothing", "prior"])
def test_both_cameras_are_found(start):
    found = calibrate_recording(make_recording(3), off_prior() if start == "prior" else None)
    degrees, meters = off_by(found.solved.estimate.T_camera_lidar)
    assert degrees.max() < 0.05  # ten seeds, either start: 0.010 to 0.024
    assert meters.max() < 0.006  # 0.0011 to 0.0033
    assert abs(found.solved.estimate.offset_s - OFFSET_S) < 0.002  # up to 0.0009
    assert found.solved.fitting.all()
    assert not found.rivals


def test_a_cart_that_never_leans_needs_surfaces_for_the_height():
    recording = make_recording(1, sway_deg=0.0)
    found = calibrate_recording(recording, None, OFFSET_S)
    alone = off_by(found.motion.estimate.T_camera_lidar)[1].max()
    degrees, meters = off_by(found.solved.estimate.T_camera_lidar)
    assert found.motion.twist_covariance(0)[3:, 3:].max() > 0.1  # m^2: it says so; ten seeds: from 0.28
    assert degrees.max() < 0.05  # 0.007 to 0.023
    assert meters.max() < 0.01 < alone  # up to 0.0033, and from 0.06
    assert found.solved.estimate.offset_s == pytest.approx(OFFSET_S, abs=1e-5)


def test_straight_ahead_a_good_prior_and_surfaces_do():
    twists = np.array([[0.01, 0.0, 0.005, 0.02, 0, 0.01], [0, 0.01, 0, 0, 0.02, 0]])
    prior = Prior(exp_se3(twists) @ extrinsics(), np.deg2rad(1.0), 0.03)
    found = calibrate_recording(make_recording(4, straight=True, sway_deg=0.0), prior, OFFSET_S)
    refuse_untrustworthy(found)
    degrees, meters = off_by(found.solved.estimate.T_camera_lidar)
    assert degrees.max() < 0.1  # ten seeds: 0.013 to 0.030
    assert meters.max() < 0.03  # up to 0.0035


def test_points_that_are_elsewhere_hardly_matter():
    recording = make_recording(2)
    rng = np.random.default_rng(0)
    wild = rng.permutation(len(recording.points))[: len(recording.points) // 4]
    recording.points[wild] += rng.normal(size=(len(wild), 3))
    found = calibrate_recording(recording)
    degrees, meters = off_by(found.solved.estimate.T_camera_lidar)
    assert degrees.max() < 0.05  # ten seeds: 0.007 to 0.024
    assert meters.max() < 0.006  # up to 0.0033
    assert len(found.solved.surfaces.distances) < 0.85 * len(recording.points)  # 0.74


def test_photographs_that_are_elsewhere_are_told_apart():
    recording = make_recording(2)
    wrong = np.arange(0, len(recording.times), 8)
    recording.poses[wrong, :3, 3] += 0.3
    found = calibrate_recording(recording)
    assert off_by(found.solved.estimate.T_camera_lidar)[0].max() < 0.05
    assert not found.solved.fitting[wrong].any()
    assert found.solved.fitting.sum() == len(recording.times) - len(wrong)


@pytest.mark.slow
def test_errors_are_as_large_as_stated():
    chis = []
    for seed in range(24):
        found = calibrate_recording(make_recording(seed))
        for camera, true in enumerate(extrinsics()):
            twist = twist_between(true, found.solved.estimate.T_camera_lidar[camera])
            chis.append(twist @ np.linalg.solve(found.solved.twist_covariance(camera), twist))
    # 6 is right; the floor under all deviations makes it less, eight stretches of a walk make it scatter
    assert 1.5 < np.mean(chis) < 8.0
    assert np.max(chis) < 45
