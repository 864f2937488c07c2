"""Places on Earth against published ones and against each other."""

import numpy as np
import pytest

from splatkit.geometry.geodesy import east_north_up, geocentric


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, 0, 0), (6378137.0, 0, 0)),
        ((90, 0, 0), (0, 0, 6356752.3142)),  # the semi-minor axis of WGS 84
        ((0, 90, 100), (0, 6378237.0, 0)),
        ((0, 180, 0), (-6378137.0, 0, 0)),
    ],
)
def test_known_places(place, expected):
    np.testing.assert_allclose(geocentric(*map(np.array, place)), expected, atol=1e-3)


@pytest.mark.parametrize(("latitude", "longitude"), [(48.1, 11.6), (-33.9, 151.2), (0.0, -78.5), (64.1, -21.9)])
def test_east_north_and_up_are_the_ways_that_degrees_and_heights_grow(latitude, longitude):
    step = 1e-6
    here = geocentric(np.array(latitude), np.array(longitude), np.array(0.0))
    for column, moved in enumerate(
        [(latitude, longitude + step, 0.0), (latitude + step, longitude, 0.0), (latitude, longitude, 0.1)]
    ):
        there = geocentric(*map(np.array, moved)) - here
        direction = there / np.linalg.norm(there)
        np.testing.assert_allclose(direction, east_north_up(latitude, longitude)[:, column], atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(east_north_up(latitude, longitude)), 1)
