"""Where nothing is: seen by carving and by the open sky, and no white wall is taken for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.background import SeenView, find_background, sky_confidence, up_of
from splatkit.stereo.pixel_grid import pixel_centers
from splatkit.stereo.working_views import WorkingImage
from tests.stereo.scenes import PINHOLE, look

CAMERA = PINHOLE.scaled(160, 120)
UP, UNKNOWN = np.array([0.0, 0.0, 1.0]), np.zeros(3)
NOTHING, TEXTURED, WALL = 0, 1, 2
SKY = 0.8  # confidence


@dataclass(frozen=True)
class Scene:
    """A round floor at z = 0 and what stands in its middle, in units of the world; 0: it is not there."""

    radius: float  # of the floor
    ball: float = 0.0  # radius of one with texture
    wall: float = 0.0  # height of a white one at y = 0, twice as wide


MEADOW, TABLE, COURT = Scene(1000.0), Scene(1.0, ball=0.5), Scene(10.0, wall=0.8)


def look_around(count: int, radius: float, height: float, target: Sequence[float] = (0, 0, 0)) -> list[PosedCamera]:
    angles = np.arange(count) * 2 * np.pi / count
    places = [(radius * np.cos(angle), radius * np.sin(angle) - 0.01, height) for angle in angles]
    return [look(place, target, CAMERA) for place in places]


def cast(posed: PosedCamera, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """What each pixel [h, w] sees, and z-depths [h, w], 0 where nothing is."""
    camera = posed.camera
    origins, directions = posed.rays(pixel_centers(camera, slice(0, camera.height)))
    with np.errstate(divide="ignore", invalid="ignore"):
        floor, wall = -origins[:, 2] / directions[:, 2], -origins[:, 1] / directions[:, 1]
        places = origins + floor[:, None] * directions
        floor[~((floor > 0) & (np.linalg.norm(places[:, :2], axis=1) < scene.radius))] = np.inf
        x, _, z = (origins + wall[:, None] * directions).T
        wall[~((wall > 0) & (np.abs(x) < scene.wall) & (z > 0) & (z < scene.wall))] = np.inf
    depths = np.min([floor, wall, ball_depths(origins, directions, scene.ball)], axis=0)
    seen = np.where(np.isinf(depths), NOTHING, np.where(np.isfinite(wall) & (depths == wall), WALL, TEXTURED))
    size = (camera.height, camera.width)
    return seen.reshape(size), np.where(np.isinf(depths), 0, depths).reshape(size)


def ball_depths(origins: np.ndarray, directions: np.ndarray, radius: float) -> np.ndarray:
    """z-depths [N] of a ball that lies on the floor; infinite where a ray misses it."""
    starts = origins - (0, 0, radius)
    square, half = (directions**2).sum(-1), (directions * starts).sum(-1)
    root = half**2 - square * ((starts**2).sum(-1) - radius**2)
    return np.where(root > 0, (-half - np.sqrt(np.maximum(root, 0))) / square, np.inf)


def image_of(seen: np.ndarray) -> WorkingImage:
    """Many colors where there is texture; all else is white."""
    colors = np.random.default_rng(0).integers(0, 200, (*seen.shape, 3)).astype(np.uint8)
    colors[seen != TEXTURED] = 240
    everywhere = np.ones(seen.shape, bool)
    return WorkingImage(colors, colors[..., 1], everywhere, ~everywhere)


def measured(posed: PosedCamera, scene: Scene) -> SeenView:
    """Stereo sees what has texture."""
    seen, depths = cast(posed, scene)
    return SeenView(posed, np.where(seen == TEXTURED, depths, 0).astype(np.float32))


def backgrounds(
    cameras: list[PosedCamera], up: np.ndarray, scene: Scene, step: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What [h, w] every so many views see, and their background [h, w]."""
    views = [measured(posed, scene) for posed in cameras]
    for view in views[::step]:
        seen = cast(view.posed, scene)[0]
        others = [other.reduced(4) for other in views if other is not view]
        found = find_background(image_of(seen), view, others, np.ones(seen.shape, np.float32), up, SKY)
        assert found.dtype == np.float32
        assert found.shape == seen.shape
        assert found.min() >= 0
        assert found.max() <= 1
        yield seen, found


@pytest.mark.parametrize("up", [UP, UNKNOWN], ids=["up", "unknown"])
def test_a_white_wall_on_a_floor_is_no_background(up: np.ndarray):
    for seen, found in backgrounds(look_around(12, 2.2, 2.4), up, COURT):
        assert (seen != NOTHING).all()
        assert not found.any()
    assert (seen == WALL).sum() > 500


def test_a_plain_backdrop_behind_a_table_is_background_from_all_around():
    middle = (0, 0, 0.4)
    rings = [*look_around(12, 2.2, 0.4, middle), *look_around(12, 2.0, 1.2, middle), *look_around(12, 1.4, 2.0, middle)]
    for seen, found in backgrounds(rings, UNKNOWN, TABLE, step=6):
        assert (seen == NOTHING).mean() > 0.4
        assert (found[seen == NOTHING] > 0.5).all()
        assert not found[seen == TEXTURED].any()


def test_a_plain_backdrop_that_no_other_view_sees_through_is_not_judged():
    for _, found in backgrounds(look_around(12, 2.2, 0.4)[:1], UNKNOWN, TABLE):
        assert not found.any()


def test_an_open_sky_is_background_if_one_knows_where_up_is():
    camera = [look((0, -4, 1.5), (0, 0, 1.4), CAMERA)]
    for seen, found in backgrounds(camera, UP, MEADOW):
        assert 0.3 < (seen == NOTHING).mean() < 0.6
        assert (found[seen == NOTHING] > 0.5).all()
        assert not found[seen == TEXTURED].any()
    for _, found in backgrounds(camera, UNKNOWN, MEADOW):
        assert not found.any()


def test_the_sky_is_as_sure_as_the_whole_scene_is_open():
    """A plain ceiling looks like sky, but in a room all is about equally far away."""
    outdoors = [measured(look((0, -4, 1.5), (0, 0, 1.4), CAMERA), MEADOW)]
    indoors = [measured(posed, TABLE) for posed in look_around(4, 2.2, 1.2)]
    nothing = [SeenView(outdoors[0].posed, np.zeros_like(outdoors[0].depths))]
    room = sky_confidence(indoors)
    assert 0 < room < 0.5 < sky_confidence(outdoors) < 1
    assert sky_confidence([*indoors, *nothing]) == room
    assert sky_confidence(nothing) == sky_confidence([]) == room


def test_clouds_without_parallax_are_sky_and_what_is_measured_is_not():
    view = measured(look((0, -4, 1.5), (0, 0, 1.4), CAMERA), MEADOW)
    image = image_of(np.full(view.depths.shape, TEXTURED))  # texture everywhere
    for cost, is_sky in ((0.1, True), (1.0, False)):
        found = find_background(image, view, [], np.full(view.depths.shape, cost, np.float32), UP, SKY)
        np.testing.assert_array_equal(found > 0.5, (view.depths == 0) & is_sky)


def test_clear_pixels_are_background_and_excluded_ones_are_not():
    view = measured(look((0, -4, 1.5), (0, 0, 1.4), CAMERA), MEADOW)
    image = image_of(cast(view.posed, MEADOW)[0])
    clear, usable = np.zeros_like(image.usable), image.usable.copy()
    clear[:20, :80] = True
    usable[:20] = False
    found = find_background(
        replace(image, clear=clear, usable=usable), view, [], np.ones(view.depths.shape, np.float32), UP, SKY
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
        found = find_background(image_of(nothing), SeenView(posed, nothing), others, nothing + 1, up, SKY)
        assert found.shape == nothing.shape
        assert bool((found > 0.5).all()) == bool((found > 0.5).any()) == (is_sky and bool(up.any()))


def test_up_is_how_cameras_are_held_and_unknown_where_they_are_held_in_all_ways():
    np.testing.assert_allclose(up_of(look_around(8, 3, 0.0)), UP, atol=1e-6)
    upside_down = np.diag([-1.0, -1.0, 1.0, 1.0])
    cameras = look_around(8, 3, 0.0)
    turned = [replace(posed, T_world_camera=posed.T_world_camera @ upside_down) for posed in cameras]
    assert not up_of([*cameras, *turned]).any()


def test_reduced_views_have_the_depths_of_their_pixels_middles():
    view = measured(look((0, -4, 1.5), (0, 0, 1.0), CAMERA), MEADOW)
    reduced = view.reduced(4)
    assert reduced.depths.shape == (reduced.posed.camera.height, reduced.posed.camera.width) == (30, 40)
    np.testing.assert_array_equal(reduced.depths, view.depths[2::4, 2::4])


def test_views_of_a_few_pixels_are_reduced_no_further_than_to_one():
    view = SeenView(look((0, 0, 2), (0, 0.5, 0), PINHOLE.scaled(3, 2)), np.full((2, 3), 2.0, np.float32))
    reduced = view.reduced(4)
    assert reduced.depths.shape == (reduced.posed.camera.height, reduced.posed.camera.width) == (1, 1)
