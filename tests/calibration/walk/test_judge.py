"""What is refused, and in which words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from splatkit.calibration.walk.calibrate import calibrate_recording
from splatkit.calibration.walk.judge import advice, observe, refuse_untrustworthy, weak_directions, weakness
from splatkit.calibration.walk.recording import Prior
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import exp_se3
from splatkit.io.formats.trajectories import Trajectory
from tests.calibration.walk.walks import OFFSET_S, extrinsics, make_recording


def refused(recording, message, prior=None):
    with pytest.raises(CalibrationRefusedError, match=message):
        refuse_untrustworthy(calibrate_recording(recording, prior))


def test_a_good_walk_is_accepted_and_what_it_saw_is_told():
    found = calibrate_recording(make_recording())
    refuse_untrustworthy(found)
    assert weak_directions(found) == ()
    observed = observe(found)
    assert abs(observed.axis[2]) > 0.99
    assert observed.ahead[0] > 0.95
    assert observed.turns_deg[0] > 10 > observed.turns_deg[1] > 1
    assert observed.facing.sum() == pytest.approx(1.0)


def test_straight_ahead_tells_no_rotation():
    refused(
        make_recording(straight=True, sway_deg=0.0), "leaves the rotation .* open .*: the rig hardly turned: go round"
    )


def test_a_floor_alone_is_one_plane():
    refused(make_recording(faces=(4,)), "the surfaces that both saw are one plane: go where there are walls and ground")


def test_a_cart_without_points_does_not_know_the_height():
    recording = make_recording(sway_deg=0.0, points=0)
    found = calibrate_recording(recording, None, OFFSET_S)
    weak = weakness(found, 0)
    assert weak.along == "the place along the axis that the rig turned about"
    assert weak.translation_m > 0.5
    assert "the rig turned about one axis alone" in advice(found)
    assert "no triangulated points" in advice(found)
    refused(recording, r"left: the place along the axis that the rig turned about is known to \d+ cm only")


def test_a_clock_that_is_seconds_off_does_not_fit():
    recording = make_recording()
    times = recording.trajectory.times + 5.0
    refused(
        replace(recording, trajectory=Trajectory(times, recording.trajectory.poses)),
        "photographs and trajectory do not (fit: typically|move alike)|of the photographs move as the trajectory does",
    )


def test_cameras_under_one_name_do_not_move_alike():
    recording = make_recording()
    refused(
        replace(recording, which=np.zeros_like(recording.which), names=("camera",)),
        "photographs and trajectory do not fit: typically|of the photographs move as the trajectory does",
    )


def test_a_map_of_another_place_is_told():
    recording = make_recording()
    planes = recording.planes * [3.0, 3.0, 1.0] + [0.0, 0.0, 1.0]
    refused(replace(recording, planes=planes), "of the photographs' points lie near surfaces|contradict each other")


def test_a_map_in_other_units_contradicts_the_motion():
    recording = make_recording()
    squeezed = replace(recording, planes=recording.planes * 1.04)
    refused(squeezed, r"motion and surfaces contradict each other \(chi-square \d+ of 6\)")


def test_a_prior_that_is_farther_off_than_stated_is_told():
    prior = Prior(exp_se3(np.array([0, 0, 0.2, 0, 0, 0])) @ extrinsics(), np.deg2rad(1.0), 0.05)
    refused(make_recording(), r"left came out \d+\.\d standard deviations from what --init states: correct it", prior)


def test_weak_directions_name_what_would_help():
    recording = make_recording(sway_deg=0.0, faces=(0, 1, 2, 3), points=300, noise=2.0)
    (left, right) = weak_directions(calibrate_recording(recording, None, OFFSET_S))
    assert re.match(r"left: .*the place along the axis that the rig turned about to \d+ mm are known only", left)
    assert right.startswith("right: ")
    assert "tilt it too" in left
