"""Neighbors: by angle, shared points and scale; on all sides; none where there are none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.view_selection import ranked_neighbors, select_sources
from splatkit.stereo.visibility import Visibility, visibility_from_cloud, visibility_from_poses
from tests.stereo.scenes import PINHOLE, ball, look, ring, wall


def row(*places: float, depth: float = 5.0) -> list[PosedCamera]:
    """Cameras along x that look at the wall's middle."""
    return [look((x, 0, 0), (0, depth, 0)) for x in places]


def at_degrees(*angles: float) -> list[PosedCamera]:
    """Cameras at the same distance from the wall's middle, from the angles at which that sees them."""
    return [look((5 * np.sin(a), 5 - 5 * np.cos(a), 0), (0, 5, 0)) for a in np.radians(angles)]


def test_neighbors_on_a_ring_are_those_beside():
    cameras = ring(45)  # 8 degrees from one to the next about the middle, but 10 to 12 at the ball's front
    visibility = visibility_from_cloud(ball(), cameras)
    for view, sources in enumerate(select_sources(visibility, cameras, 4)):
        assert {(source - view) % 45 for source in sources} == {1, 2, 43, 44}
    for view, neighbors in enumerate(ranked_neighbors(visibility, cameras, 2)):
        assert {(neighbor - view) % 45 for neighbor in neighbors} == {1, 44}


def test_an_angle_of_eight_degrees_is_best():
    cameras = at_degrees(0, 2, 4, 8, 16, 32)
    ranked = ranked_neighbors(visibility_from_cloud(wall(half=0.1), cameras), cameras)[0]
    assert ranked == [3, 4, 2, 1, 5]


def test_angles_below_one_degree_do_not_count():
    cameras = at_degrees(0, 0.9, 1.2)
    visibility = visibility_from_cloud(wall(half=0.01), cameras)
    assert ranked_neighbors(visibility, cameras) == [[2], [], [0]]


def test_sources_lie_on_all_sides():
    cameras = at_degrees(0, 7, 8, 9, -13)
    visibility = visibility_from_cloud(wall(half=0.1), cameras)
    assert ranked_neighbors(visibility, cameras)[0] == [2, 3, 1, 4]
    assert select_sources(visibility, cameras)[0] == [2, 4, 3, 1]


def test_like_scale_is_better():
    angle = np.radians(8)
    near, like, far = (look((d * np.sin(angle), 5 - d * np.cos(angle), 0), (0, 5, 0)) for d in (2.5, 4.5, 12.0))
    cameras = [look((0, 0, 0), (0, 5, 0)), near, far, like]
    visibility = visibility_from_cloud(wall(half=0.1), cameras)
    assert ranked_neighbors(visibility, cameras)[0] == [3, 1, 2]


def test_longer_focal_lengths_make_up_for_distance():
    angle = np.radians(8)
    places = np.array([[10 * np.sin(s * angle), 5 - 10 * np.cos(angle), 0] for s in (-1, 1)])
    long = replace(PINHOLE, fx=600.0, fy=600.0)
    cameras = [look((0, 0, 0), (0, 5, 0)), look(places[0], (0, 5, 0)), look(places[1], (0, 5, 0), long)]
    visibility = visibility_from_cloud(wall(half=0.1), cameras)
    assert ranked_neighbors(visibility, cameras)[0] == [2, 1]


def test_more_shared_points_are_better():
    cameras = at_degrees(0, -8, 8)
    points = wall(half=0.1)
    seen = np.ones((3, len(points)), bool)
    seen[1, :600] = False
    seen[2, :300] = False
    visibility = Visibility(points, seen, np.ones((3, len(points)), np.float32))
    assert ranked_neighbors(visibility, cameras)[0] == [2, 1]
    seen[2, 4:] = False  # fewer than five shared
    assert ranked_neighbors(visibility, cameras)[0] == [1]


def test_views_in_one_place_do_not_push_others_out():
    cameras = [*row(*[0.0] * 40), *row(1.0)]
    visibility = visibility_from_cloud(wall(), cameras)
    assert select_sources(visibility, cameras)[:40] == [[40]] * 40


@given(st.lists(st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)), min_size=1, max_size=6))
def test_views_in_one_place_are_no_neighbors(turns: list[tuple[float, float]]):
    cameras = [look((0, 0, 0), (x, 5, z)) for x, z in turns]
    visibility = visibility_from_cloud(wall(200), cameras)
    assert select_sources(visibility, cameras) == ranked_neighbors(visibility, cameras) == [[]] * len(cameras)
    assert select_sources(visibility_from_poses(cameras), cameras) == [[]] * len(cameras)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.array([[0, -5.0, 0]] * 20)], ids=["none", "behind"])
def test_without_points_in_view_there_are_no_neighbors(points: np.ndarray):
    cameras = row(-1, 0, 1)
    assert select_sources(visibility_from_cloud(points, cameras), cameras) == [[], [], []]


def test_a_ring_needs_no_points():
    cameras = ring(24)
    sources = select_sources(visibility_from_poses(cameras), cameras)
    for view, chosen in enumerate(sources):
        assert len(chosen) == 5
        away = [min((source - view) % 24, (view - source) % 24) for source in chosen]
        assert max(away) <= 3
        assert away.count(1) == 2


def test_cameras_that_look_away_from_each_other_are_no_neighbors():
    cameras = [look((x, y, 0), (2 * x, 2 * y, 0)) for x, y in ((1, 0), (-0.5, 0.9), (-0.5, -0.9))]
    assert select_sources(visibility_from_poses(cameras), cameras) == [[], [], []]
