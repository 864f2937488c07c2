"""Where nothing is: seen by carving and by the open sky, and no white wall is taken for it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.background import SeenView, find_background, up_of
from splatkit.stereo.pixel_grid import pixel_centers
from splatkit.stereo.working_views import WorkingImage
from tests.stereo.scenes import PINHOLE, look

CAMERA = PINHOLE.scaled(160, 120)
UP, UNKNOWN = np.array([0.0, 0.0, 1.0]), np.zeros(3)
FLOOR, WALL, NOTHING = 1, 2, 0


def look_around(count: int, radius: float, height: float, target: Sequence[float] = (0, 0, 0)) -> list[PosedCamera]:
    angles = np.arange(count) * 2 * np.pi / count
    places = [(radius * np.cos(angle), radius * np.sin(angle) - 0.01, height) for angle in angles]
    return [look(place, target, CAMERA) for place in places]


def cast(posed: PosedCamera, radius: float, wall: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """What each pixel sees, and z-depths: a round floor, and a wall at y = 0, 1.6 wide and 0.8 high, on it."""
    camera = posed.camera
    origins, directions = posed.rays(pixel_centers(camera, slice(0, camera.height)))
    with np.errstate(divide="ignore", invalid="ignore"):
        floor, upright = -origins[:, 2] / directions[:, 2], -origins[:, 1] / directions[:, 1]
        places = origins + floor[:, None] * directions
        floor[~((floor > 0) & (np.linalg.norm(places[:, :2], axis=1) < radius))] = np.inf
        places = origins + upright[:, None] * directions
        hit = (upright > 0) & (np.abs(places[:, 0]) < 0.8) & (places[:, 2] > 0) & (places[:, 2] < 0.8) & wall
    upright[~hit] = np.inf
    depths = np.minimum(floor, upright)
    seen = np.where(np.isinf(depths), NOTHING, np.where(upright < floor, WALL, FLOOR))
    size = (camera.height, camera.width)
    return seen.reshape(size), np.where(np.isinf(depths), 0, depths).reshape(size)


def image_of(seen: np.ndarray) -> WorkingImage:
    """A floor of many colors; all else is white."""
    colors = np.random.default_rng(0).integers(0, 200, (*seen.shape, 3)).astype(np.uint8)
    colors[seen != FLOOR] = 240
    everywhere = np.ones(seen.shape, bool)
    return WorkingImage(colors, colors[..., 1], everywhere, ~everywhere)


def measured(posed: PosedCamera, radius: float, wall: bool = False) -> SeenView:
    """Stereo sees the floor alone."""
    seen, depths = cast(posed, radius, wall)
    return SeenView(posed, np.where(seen == FLOOR, depths, 0).astype(np.float32))


def backgrounds(cameras: list[PosedCamera], up: np.ndarray, radius: float, wall: bool = False, far_cost: float = 1.0):
    """What [h, w] each view sees, and its background [h, w]."""
    views = [measured(posed, radius, wall) for posed in cameras]
    for view in views:
        seen = cast(view.posed, radius, wall)[0]
        others = [other.reduced(4) for other in views if other is not view]
        found = find_background(image_of(seen), view, others, np.full(seen.shape, far_cost, np.float32), up)
        assert found.dtype == np.float32
        assert found.shape == seen.shape
        assert 0 <= found.min() <= found.max() <= 1
        yield seen, found


@pytest.mark.parametrize("up", [UP, UNKNOWN], ids=["up", "unknown"])
def test_a_white_wall_on_a_floor_is_no_background(up: np.ndarray):
    for seen, found in backgrounds(look_around(12, 2.2, 2.4), up, 10.0, wall=True):
        assert (seen != NOTHING).all()
        assert not found.any()
    assert (seen == WALL).sum() > 500


def test_a_plain_backdrop_behind_a_table_is_background_from_all_around():
    for seen, found in backgrounds(look_around(12, 2.2, 1.6), UNKNOWN, 1.0):
        assert (seen == NOTHING).mean() > 0.2
        assert (found[seen == NOTHING] > 0.5).all()
        assert not found[seen == FLOOR].any()


def test_a_plain_backdrop_that_no_view_sees_through_is_not_judged():
    for _, found in backgrounds(look_around(12, 2.2, 1.6)[:1], UNKNOWN, 1.0):
        assert not found.any()


def test_an_open_sky_is_background_if_one_knows_where_up_is():
    camera = [look((0, -4, 1.5), (0, 0, 1.4), CAMERA)]
    for seen, found in backgrounds(camera, UP, 1000.0):
        assert 0.3 < (seen == NOTHING).mean() < 0.6
        assert (found[seen == NOTHING] > 0.5).all()
        assert not found[seen == FLOOR].any()
    for _, found in backgrounds(camera, UNKNOWN, 1000.0):
        assert not found.any()


def test_clouds_without_parallax_are_sky_and_what_is_measured_is_not():
    view = measured(look((0, -4, 1.5), (0, 0, 1.4), CAMERA), 1000.0)
    image = image_of(np.full(view.depths.shape, FLOOR))  # texture everywhere
    for cost, is_sky in ((0.1, True), (1.0, False)):
        found = find_background(image, view, [], np.full(view.depths.shape, cost, np.float32), UP)
        np.testing.assert_array_equal(found > 0.5, (view.depths == 0) & is_sky)


def test_clear_pixels_are_background_and_excluded_ones_are_not():
    view = measured(look((0, -4, 1.5), (0, 0, 1.4), CAMERA), 1000.0)
    image = image_of(cast(view.posed, 1000.0)[0])
    clear, usable = np.zeros_like(image.usable), image.usable.copy()
    clear[:20, :80] = True
    usable[:20] = False
    found = find_background(
        replace(image, clear=clear, usable=usable), view, [], np.ones(view.depths.shape, np.float32), UP
    )
    assert (found[clear] == 1).all()
    assert not found[:20, 80:].any()
    assert (found[20:40] > 0.5).all()


@pytest.mark.parametrize("up", [UP, UNKNOWN], ids=["up", "unknown"])
def test_a_view_without_any_depth_shows_at_most_sky(up: np.ndarray):
    """All is white, and looked at from above: there is no horizon."""
    for posed, is_sky in ((look((0, -4, 3), (0, 0, 0), CAMERA), False), (look((0, -4, 0), (0, 0, 3), CAMERA), True)):
        nothing = np.zeros((120, 160), np.float32)
        others = [SeenView(posed, nothing).reduced(4)]
        found = find_background(image_of(nothing), SeenView(posed, nothing), others, nothing + 1, up)
        assert found.shape == nothing.shape
        assert bool((found > 0.5).all()) == bool((found > 0.5).any()) == (is_sky and bool(up.any()))


def test_up_is_how_cameras_are_held_and_unknown_where_they_are_held_in_all_ways():
    np.testing.assert_allclose(up_of(look_around(8, 3, 0.0)), UP, atol=1e-6)
    upside_down = np.diag([-1.0, -1.0, 1.0, 1.0])
    cameras = look_around(8, 3, 0.0)
    turned = [replace(posed, T_world_camera=posed.T_world_camera @ upside_down) for posed in cameras]
    assert not up_of([*cameras, *turned]).any()


def test_reduced_views_have_the_depths_of_their_pixels_middles():
    view = measured(look((0, -4, 1.5), (0, 0, 1.0), CAMERA), 1000.0)
    reduced = view.reduced(4)
    assert reduced.depths.shape == (reduced.posed.camera.height, reduced.posed.camera.width) == (30, 40)
    np.testing.assert_array_equal(reduced.depths, view.depths[2::4, 2::4])
