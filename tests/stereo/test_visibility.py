"""Who sees which point: behind, beside, hidden, observed, and for want of points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatkit.stereo.visibility import visibility_from_cloud, visibility_from_poses, visibility_from_tracks
from tests.stereo.scenes import ball, look, ring, wall


def test_points_are_seen_in_front_and_in_the_image():
    camera = look((0, 0, 0), (0, 1, 0))
    points = np.array([[0, 2.0, 0], [0, -2.0, 0], [5.0, 2.0, 0], [0.9, 2.0, 0], [0, 0, 0]])
    found = visibility_from_cloud(points, [camera])
    np.testing.assert_array_equal(found.seen, [[True, False, False, True, False]])
    np.testing.assert_allclose(found.depths, [[2, -2, 2, 2, 0]], atol=1e-6)
    np.testing.assert_array_equal(found.points, points)


@given(st.floats(1e-4, 1e4))
def test_the_unit_of_the_world_does_not_matter(unit: float):
    points = np.array([[0, 2.0, 0], [0, -2.0, 0], [5.0, 2.0, 0]]) * unit
    assert visibility_from_cloud(points, [look((0, 0, 0), (0, 1, 0))]).seen.tolist() == [[True, False, False]]


def test_a_ball_hides_its_back():
    cameras = ring(8)
    found = visibility_from_cloud(ball(20_000), cameras)
    for row, posed in zip(found.seen, cameras, strict=True):
        facing = found.points @ posed.center > 1  # the ball's horizon
        back = found.points @ posed.center < -3  # at 1.4 times the depth of the front
        assert row[facing].mean() > 0.99
        assert row[back].mean() < 0.02


def test_large_clouds_are_thinned_out_always_alike():
    points = wall(50_000)
    found, again = (visibility_from_cloud(points.astype(np.float32), ring(2)) for _ in range(2))
    assert found.points.shape == (20_000, 3)
    assert found.points.dtype == np.float64
    np.testing.assert_array_equal(found.points, again.points)
    quarters = np.histogram(np.flatnonzero(np.isin(points[:, 0].astype(np.float32), found.points[:, 0])), 4)[0]
    assert np.abs(quarters - 5000).max() < 300  # drawn evenly; five standard deviations


def test_tracks_say_who_sees_what():
    cameras = [look((x, 0, 0), (x, 5, 0)) for x in (-1, 0, 1)]
    points = np.array([[0, 5.0, 0], [0.5, 5.0, 0], [-0.5, 5.0, 0], [0, 5.0, 40]])
    observed = [np.array([0, 2, 3, 3]), np.array([0, 1, 3]), np.array([0, 1])]
    found = visibility_from_tracks(points, observed, cameras)
    np.testing.assert_array_equal(found.points, points[[0, 1, 3]])  # one view alone observed the third
    np.testing.assert_array_equal(found.seen, [[True, False, False], [True, True, False], [True, True, False]])


def test_tracks_of_other_views_are_refused():
    with pytest.raises(ValueError, match="zip"):
        visibility_from_tracks(wall(10), [np.arange(10)], ring(2))


def test_views_share_points_along_their_rays():
    found = visibility_from_poses(ring(12))
    assert found.points.shape == (12 * 30 * 7, 3)
    assert found.seen.any(0).all()
    assert (found.seen.sum(0) > 1).mean() > 0.3


@given(st.lists(st.tuples(*[st.floats(-1, 1)] * 2, st.floats(-0.9, 0.9)), max_size=5))
def test_views_in_one_place_have_no_points_along_their_rays(directions: list[tuple[float, float, float]]):
    cameras = [look((3, 2, 1), (3 + x, 5 + y, 1 + z)) for x, y, z in directions]
    found = visibility_from_poses(cameras)
    assert found.points.shape == (0, 3)
    assert found.seen.shape == (len(cameras), 0)


def test_many_views_share_a_bounded_number_of_points():
    assert len(visibility_from_poses(ring(120)).points) == 20_000
