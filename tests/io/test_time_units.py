"""One guess of the unit of times, whoever states them."""

import numpy as np
import pytest

from splatkit.io.time_units import seconds_of_points, seconds_since_1970


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_numbers_tell_their_unit_by_their_size(unit):
    assert seconds_since_1970(1.7e9 * unit) == pytest.approx(1.7e9)
    np.testing.assert_allclose(seconds_of_points(np.array([1.7e9, 1.7e9 + 1]) * unit), [1.7e9, 1.7e9 + 1])


def test_small_integers_of_points_are_nanoseconds_within_a_scan():
    np.testing.assert_allclose(seconds_of_points(np.array([0, 50_000_000], np.uint32)), [0, 0.05])
    np.testing.assert_allclose(seconds_of_points(np.array([0.0, 0.05], np.float32)), [0, 0.05])
