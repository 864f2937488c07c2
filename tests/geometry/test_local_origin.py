import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatkit.geometry.local_origin import local_origin


def places(center, extent):
    return np.array(center) + extent * np.array([[-0.5, -0.2, 0.0], [0.5, 0.1, 0.3], [0.1, 0.2, -0.1]])


@pytest.mark.parametrize("center", [(0, 0, 0), (30, -20, 5), (900, 0, 0)])
def test_what_float32_can_hold_stays_where_it_is(center):
    np.testing.assert_array_equal(local_origin(places(center, 1.0)), 0)


@given(
    st.tuples(*[st.floats(-1e7, 1e7, width=32)] * 3).filter(lambda c: max(map(abs, c)) > 1e5),
    st.floats(0.05, 50.0),
)
def test_far_places_come_near_their_origin_and_back_exactly(center, extent):
    far = places(center, extent)
    origin = local_origin(far)
    local = far - origin
    assert np.abs(local).max() <= 2 * extent
    np.testing.assert_allclose(local.astype(np.float32) + origin, far, rtol=0, atol=1e-6 * extent + 1e-8)


def test_one_far_place_has_an_origin_too():
    survey = np.array([[500000.3, 5400000.1, 120.0]])
    assert np.abs(survey - local_origin(survey)).max() <= 0.5
    np.testing.assert_array_equal(local_origin(np.array([[0.3, 0.1, 0.0]])), 0)
