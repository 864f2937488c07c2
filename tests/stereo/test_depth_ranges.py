"""Depth ranges hold the points, reach nearer as far as disparity allows, and borrow where a view has none."""

import numpy as np
import pytest

from splatkit.stereo.depth_ranges import depth_ranges
from splatkit.stereo.view_selection import select_sources
from splatkit.stereo.visibility import Visibility, visibility_from_cloud, visibility_from_poses
from tests.stereo.scenes import PINHOLE, ball, look, ring, wall

SIDE_BY_SIDE = [look((x, 0, 0), (x, 5, 0)) for x in (0.0, 0.5, 1.0)]


def test_ranges_hold_what_is_seen():
    cameras = ring(12)
    visibility = visibility_from_cloud(ball(), cameras)
    ranges = depth_ranges(visibility, cameras, select_sources(visibility, cameras))
    for (nearest, farthest), seen, depths in zip(ranges, visibility.seen, visibility.depths, strict=True):
        assert 0 < nearest < depths[seen].min()
        assert depths[seen].max() < farthest < 2 * depths[seen].max()


def test_what_is_nearer_than_all_points_is_looked_for_by_disparity():
    visibility = visibility_from_cloud(wall(), SIDE_BY_SIDE)
    found = depth_ranges(visibility, SIDE_BY_SIDE, [[1], [], [0]])
    by_disparity = [PINHOLE.fx * baseline / (PINHOLE.width / 2) for baseline in (0.5, 1.0)]
    np.testing.assert_allclose(found, [[5 / 4, 8], [5 / 1.25, 8], [by_disparity[1], 8]])
    assert by_disparity[0] < 5 / 4


def test_stray_points_do_not_count():
    points = np.concatenate([wall(1000), [[0, 0.01, 0], [0, 900.0, 0]]])
    visibility = Visibility(points, np.ones((1, 1002), bool), points[None, :, 1].astype(np.float32))
    np.testing.assert_allclose(depth_ranges(visibility, SIDE_BY_SIDE[:1], [[]]), [[4, 8]])


@pytest.mark.parametrize("sources", [[1], []], ids=["source", "any view"])
def test_views_with_few_points_borrow(sources: list[int]):
    cameras = [*SIDE_BY_SIDE, look((0, 0, 0), (0, -5, 0))]
    points = np.concatenate([wall(100), wall(100, y=-7)])  # the second is behind all but the last view
    visibility = visibility_from_cloud(points, cameras)
    visibility.seen[0] = False
    visibility.seen[0, 3] = True
    nearest, farthest = depth_ranges(visibility, cameras, [sources, [], [], []])[0]
    assert nearest <= 4
    assert farthest == pytest.approx(8)


def test_nothing_is_known_of_views_that_look_away_from_all_points():
    cameras = [SIDE_BY_SIDE[0], look((0, 0, 0), (0, -5, 0))]
    found = depth_ranges(visibility_from_cloud(wall(), cameras), cameras, [[], []])
    np.testing.assert_allclose(found[0], [4, 8])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("count", [8, 12, 40])
def test_a_ring_needs_no_points(count: int):
    cameras = ring(count)
    visibility = visibility_from_poses(cameras)
    ranges = depth_ranges(visibility, cameras, select_sources(visibility, cameras))
    assert (ranges[:, 0] < 3).all()  # a ball of radius 1, seen from a distance of 4
    assert (ranges[:, 0] > 0.1).all()
    assert (ranges[:, 1] > 5).all()
