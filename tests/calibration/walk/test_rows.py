"""Residuals of motion and of surfaces, and their derivatives against finite differences."""

import numpy as np
import pytest

from splatkit.calibration.walk.motion_rows import FIRST_TWIST, OFFSET, motion_rows, unknowns
from splatkit.calibration.walk.recording import Estimate
from splatkit.calibration.walk.surface_rows import Surfaces
from splatkit.capture.lidar.registration.alignment import Similarity, changed
from splatkit.geometry.se3 import exp_se3
from tests.calibration.walk.walks import OFFSET_S, extrinsics, make_recording

CENTER = np.array([0.5, -0.2, 0.1])


@pytest.fixture(scope="module")
def recording():
    return make_recording(noise=0.0)


def true_estimate(recording):
    """The answer, of a recording without noise."""
    first = recording.lidar_poses(OFFSET_S) @ np.linalg.inv(extrinsics())[recording.which]
    R = first[0, :3, :3] @ recording.poses[0, :3, :3].T
    scale = 1 / 0.31
    return Estimate(
        Similarity(scale, R, first[0, :3, 3] - scale * R @ recording.poses[0, :3, 3]), extrinsics(), OFFSET_S
    )


def moved(estimate, change):
    twists = change[FIRST_TWIST:].reshape(-1, 6)
    return Estimate(
        changed(estimate.similarity, change[:7], CENTER),
        exp_se3(twists) @ estimate.T_camera_lidar,
        estimate.offset_s + change[OFFSET],
    )


def test_the_truth_leaves_hardly_any_residual(recording):
    rows = motion_rows(recording, true_estimate(recording), CENTER)
    assert np.abs(rows.turns).max() < 2e-3  # poses lie 50 ms apart, and between them are straight lines
    assert np.abs(rows.shifts).max() < 5e-3


def test_derivatives_of_motion_are_those_of_finite_differences(recording):
    estimate, step = true_estimate(recording), 1e-5
    rows = motion_rows(recording, estimate, CENTER)
    for index in range(unknowns(recording)):
        if index == OFFSET:
            continue  # its velocity is taken over 20 ms on purpose
        change = np.zeros(unknowns(recording))
        change[index] = step
        ahead, behind = (motion_rows(recording, moved(estimate, sign * change), CENTER) for sign in (1, -1))
        np.testing.assert_allclose((ahead.turns - behind.turns) / (2 * step), rows.J_turns[..., index], atol=5e-3)
        np.testing.assert_allclose((ahead.shifts - behind.shifts) / (2 * step), rows.J_shifts[..., index], atol=5e-3)


def test_the_clock_moves_cameras_along_their_way(recording):
    estimate = true_estimate(recording)
    rows = motion_rows(recording, estimate, CENTER)
    later = motion_rows(recording, Estimate(estimate.similarity, estimate.T_camera_lidar, OFFSET_S + 0.01), CENTER)
    np.testing.assert_allclose(later.shifts - rows.shifts, 0.01 * rows.J_shifts[..., OFFSET], atol=2e-3)
    np.testing.assert_allclose(later.turns - rows.turns, 0.01 * rows.J_turns[..., OFFSET], atol=2e-3)


def test_points_on_planes_leave_nothing_and_derivatives_hold(recording):
    surfaces, estimate, step = Surfaces(recording), true_estimate(recording), 1e-6
    rows = surfaces.rows(estimate.similarity, CENTER, 0.1)
    assert len(rows.distances) > 0.9 * len(recording.points)
    assert np.median(np.abs(rows.distances)) < 2e-3
    for index in range(7):
        change = np.zeros(7)
        change[index] = step
        ahead, behind = (
            surfaces.rows(changed(estimate.similarity, sign * change, CENTER), CENTER, 0.1) for sign in (1, -1)
        )
        np.testing.assert_array_equal(ahead.chosen, rows.chosen)
        np.testing.assert_allclose((ahead.distances - behind.distances) / (2 * step), rows.J[:, index], atol=1e-4)


def test_points_beyond_reach_and_walks_without_points_give_no_rows(recording):
    far = Similarity(1.0, np.eye(3), np.array([100.0, 0, 0]))
    assert len(Surfaces(recording).rows(far, CENTER, 0.1).distances) == 0
    without = Surfaces(make_recording(noise=0.0, points=0))
    assert len(without.rows(far, CENTER, 0.1).distances) == 0
