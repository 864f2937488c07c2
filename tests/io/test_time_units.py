"""The unit of times is told by their size or by what they span, whatever type they have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.io.time_units import UNITS_S, seconds_of_points, seconds_since_1970, unit_of_points, unit_since_1970

TYPES = [np.uint32, np.int32, np.uint64, np.int64, np.float32, np.float64]


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_numbers_tell_their_unit_by_their_size(unit):
    assert seconds_since_1970(1.7e9 * unit) == pytest.approx(1.7e9)
    np.testing.assert_allclose(seconds_of_points(np.array([1.7e9, 1.7e9 + 1]) * unit), [1.7e9, 1.7e9 + 1])


def test_numbers_of_other_sizes_are_no_times_since_1970():
    assert unit_since_1970(7.0) is None
    assert unit_since_1970(5e10) is None
    assert unit_since_1970(20_231_124_153_000) is None or unit_since_1970(1.7e12) == 1e-3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    unit=st.sampled_from(list(UNITS_S)),
    kind=st.sampled_from(TYPES),
    turn_s=st.floats(0.05, 0.2),
    share=st.floats(0.4, 1.0),
    start_s=st.sampled_from([0.0, -0.2, 1.5, 1800.0, 1.7e9]),
    count=st.integers(20, 3000),
    seed=st.integers(0, 99),
)
def test_times_of_a_turn_come_back_whatever_counts_them(unit, kind, turn_s, share, start_s, count, seed):
    """Source: FAST_LIO #55, #132, #431: times of points in s, ms, us and ns, as integers and as floats."""
    offsets = np.random.default_rng(seed).uniform(0, turn_s * share, count)
    offsets[:2] = 0, turn_s * share
    counted = (start_s + offsets) / UNITS_S[unit]
    whole = np.issubdtype(kind, np.integer)
    if whole and (unit in ("s", "ms") or counted.max() > np.iinfo(kind).max or counted.min() < np.iinfo(kind).min):
        return  # no program writes such
    if kind == np.float32 and start_s > 2:
        return  # 32-bit floats do not hold them
    written = np.round(counted).astype(kind) if whole else counted.astype(kind)
    np.testing.assert_allclose(seconds_of_points(written), start_s + offsets, rtol=0, atol=2e-6)


def test_milliseconds_as_integers_are_told_too():
    np.testing.assert_allclose(seconds_of_points(np.arange(101, dtype=np.uint16)), np.arange(101) / 1000)


def test_many_turns_in_one_cloud_are_no_turn_in_a_finer_unit():
    minute = np.linspace(0, 60, 5_000_000)
    assert unit_of_points(minute).seconds == 1.0
    assert unit_of_points(minute[::5000]).seconds == 1e-3  # of so few points it may well be one turn


def test_what_32_bit_floats_cannot_hold_is_told():
    assert unit_of_points(np.array([1.7e9, 1.7e9], np.float32)).step_s == 128.0
    assert unit_of_points(np.array([0, 1e5], np.float32)).step_s < 1e-8
