"""The first guess: from motion, without any prior."""

from dataclasses import replace

import numpy as np
import pytest

from splatkit.calibration.walk.hand_eye import first_guesses, turns_of
from splatkit.errors import CalibrationRefusedError
from splatkit.io.formats.trajectories import Trajectory
from tests.calibration.walk.walks import OFFSET_S, lidar_path, make_recording, off_by


def test_exact_motion_gives_extrinsics_scale_and_clock_at_once():
    guess = first_guesses(make_recording(noise=0.0), None)[0]
    degrees, meters = off_by(guess.T_camera_lidar)
    assert degrees.max() < 0.5  # the clock is searched in steps of 20 ms, interpolation adds a little
    assert meters.max() < 0.05
    assert abs(guess.offset_s - OFFSET_S) <= 0.011
    assert guess.similarity.scale == pytest.approx(1 / 0.31, rel=0.01)


def test_a_known_clock_is_kept():
    guess = first_guesses(make_recording(noise=0.0), OFFSET_S)[0]
    assert guess.offset_s == OFFSET_S
    assert off_by(guess.T_camera_lidar)[0].max() < 0.05


def test_what_turns_about_one_axis_alone_gives_guesses_all_around_it():
    guesses = first_guesses(make_recording(noise=0.0, sway_deg=0.0), OFFSET_S)
    errors = [off_by(guess.T_camera_lidar)[0].max() for guess in guesses]
    assert len(guesses) > 3  # in the others the images' world would be mirrored
    assert min(errors) < 16  # every 30 degrees one is tried
    assert max(errors) > 30


def test_turns_are_those_from_one_pose_to_the_next_ones():
    poses = lidar_path(np.arange(4) * 0.1)
    turns = turns_of(poses)
    assert turns.shape == (3 + 2 + 1, 3)  # strides of 1, 2 and 3
    np.testing.assert_allclose(turns[3], turns[0] + turns[1], atol=2e-3)


def test_photographs_beyond_the_trajectory_are_refused_with_its_times():
    recording = make_recording()
    late = Trajectory(recording.trajectory.times + 1000, recording.trajectory.poses)
    with pytest.raises(
        CalibrationRefusedError, match=r"photographs of left within the trajectory \(998.*: 0, at least 6"
    ):
        first_guesses(replace(recording, trajectory=late), None)
