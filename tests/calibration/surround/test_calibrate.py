"""From photographs of a street to the poses of the cameras, without a truth in between."""

import numpy as np
import pytest

from splatkit.calibration.surround.bundle import Priors
from splatkit.calibration.surround.calibrate import calibrate_moments
from splatkit.calibration.surround.judge import (
    PairScore,
    common_places,
    expected_gaps,
    neighbors,
    refuse_untrustworthy,
    score_pairs,
    weak_directions,
)
from splatkit.errors import CalibrationRefusedError
from tests.calibration.surround.street import disturbed, make_moments, off_by

PRIORS = Priors(rotation_deg=2.0, translation_m=0.03, lean_deg=0.3, lift_m=0.005, fixed=(0,))


@pytest.fixture(scope="module")
def found(rig, street):
    return calibrate_moments(disturbed(rig, 2.0, 0.03, 1), street[0], PRIORS)


def test_two_moments_of_a_street_are_enough(rig, street, found):
    """Five seeds: 0.009 to 0.046 degrees, 4 to 33 mm (the size of the rig is known by one camera's height)."""
    degrees, meters = off_by(found.rig, rig)
    assert degrees.max() < 0.15
    assert meters.max() < 0.08
    np.testing.assert_allclose(np.degrees(found.leans[:, :2] - street[1][:, :2]), 0, atol=0.05)
    refuse_untrustworthy(found)


def test_scores_are_of_places_kept_to_judge_by(found):
    pairs = score_pairs(found)
    neighbors = {(pair.first, pair.second) for pair in pairs}
    assert {("front", "left"), ("front", "right"), ("left", "back"), ("back", "right")} <= neighbors
    for pair in pairs:
        assert pair.share > 0.8
        assert pair.gap_px < 0.5  # four streets: 0.04 to 0.14
    kept, used = (sum(len(one.matches.places) for one in some) for some in (found.held_out, found.used))
    assert used / 5 < kept < used / 3


def test_a_pair_of_which_nothing_held_out_fits_does_not_count():
    known = PairScore("front", "left", 40, 0.9, 0.002, 0.1)
    unknown = PairScore("left", "back", 40, 0.9, float("nan"), float("nan"))
    assert neighbors((known, unknown)) == [known]


def test_gaps_to_expect_grow_with_distance(found):
    gaps = [expected_gaps(found, distance) for distance in (2.0, 5.0, 10.0)]
    assert 0 < gaps[0] < gaps[1] < gaps[2] < 0.2
    assert {(first, second) for first, second, _ in common_places(found.rig, 5.0)} >= {(0, 1), (0, 3), (1, 2), (2, 3)}


def test_words_for_what_the_ground_left_open(rig, street, found):
    """Rotations are told by the ground; the size of the rig by heights alone, and which way it points by nothing."""
    assert not any("about" in words for words in weak_directions(found))
    free = calibrate_moments(rig, street[0][:1], Priors(0.1, 0.03, 0.3, 0.005))
    assert any(words.startswith("left: about") for words in weak_directions(free))


@pytest.mark.slow
def test_a_camera_that_is_far_off_is_found(rig, street):
    """9.4 degrees: nearly two deviations about all axes at once."""
    nominal, priors = disturbed(rig, 5.0, 0.08, 5), Priors(5.0, 0.08, 0.3, 0.005, fixed=(0,))
    assert off_by(nominal, rig)[0].max() > 9
    found = calibrate_moments(nominal, street[0], priors)
    refuse_untrustworthy(found)
    assert off_by(found.rig, rig)[0].max() < 0.15  # four disturbances of 7 to 16 degrees: 0.012 to 0.037


def test_ground_without_texture_is_refused(rig):
    moments, _ = make_moments(rig, 1, seed=2, contrast=0.5)
    found = calibrate_moments(disturbed(rig, 1.0, 0.01, 0), moments, PRIORS)
    with pytest.raises(CalibrationRefusedError, match="no neighbor agrees on enough of the ground"):
        refuse_untrustworthy(found)


def test_a_stated_pose_that_is_far_off_is_named(rig, street, found):
    """What is stated is trusted by too much: the calibration contradicts it."""
    sure = Priors(0.2, 0.03, 0.3, 0.005, fixed=(0,))
    wrong = calibrate_moments(disturbed(rig, 2.0, 0.0, 1), street[0], sure)
    with pytest.raises(
        CalibrationRefusedError, match=r"standard deviations from where it is stated to be.*--prior-deg"
    ):
        refuse_untrustworthy(wrong)
