"""Which planes are believed: enough witnesses, texture, no speckles; and how sure of them one can be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from splatkit.ops.stereo import Agreement, MatchedPlanes
from splatkit.stereo.judging import JudgedView, fill_from_coarse, judge_view, plane_normals, unless_by_chance
from splatkit.stereo.working_views import WorkingImage
from tests.stereo.scenes import PINHOLE

CAMERA = PINHOLE.scaled(80, 60)
SIZE = (60, 80)
DEPTH, BASELINE = 4.0, 0.5
TOWARD = np.array([0, 0, -1], np.float32)  # the camera
COSTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 2.0)


def textured() -> WorkingImage:
    grays = np.random.default_rng(0).integers(60, 200, SIZE).astype(np.uint8)
    return WorkingImage(np.dstack([grays] * 3), grays, np.ones(SIZE, bool), np.zeros(SIZE, bool))


def agreement(**changed: torch.Tensor) -> Agreement:
    """Four views, half a unit away, agree on a plane across the view."""
    values = {
        "depths": torch.full(SIZE, DEPTH),
        "agreeing": torch.full(SIZE, 4.0),
        "scatter": torch.zeros(SIZE),
        "through": torch.zeros(SIZE),
        **changed,
    }
    information = values["agreeing"] * (CAMERA.fx * BASELINE / DEPTH**2) ** 2
    return Agreement(values["depths"], values["agreeing"], information, values["scatter"], values["through"])


def found(costs: float = 0.1) -> MatchedPlanes:
    planes = torch.zeros(*SIZE, 3)
    planes[..., 2] = 1 / DEPTH
    return MatchedPlanes(planes, torch.full(SIZE, costs), torch.empty(0))


def judged(costs: float = 0.1, image: WorkingImage | None = None, **changed: torch.Tensor) -> JudgedView:
    """What is believed; the three parts of it are there or not together."""
    view = judge_view(image or textured(), CAMERA, found(costs), agreement(**changed))
    kept = view.depths > 0
    np.testing.assert_array_equal(view.sigmas > 0, kept)
    np.testing.assert_array_equal(view.normals.any(-1), kept)
    assert view.depths.dtype == view.sigmas.dtype == view.normals.dtype == np.float32
    return view


def test_what_many_views_agree_on_is_kept():
    view = judged()
    np.testing.assert_array_equal(view.depths, DEPTH)
    np.testing.assert_array_equal(view.normals, np.broadcast_to(TOWARD, (*SIZE, 3)))
    assert view.sigmas.max() < 0.05 * DEPTH


def test_more_witnesses_excuse_worse_matches_and_none_excuses_the_worst():
    most = []
    for count in range(8):
        kept = [judged(cost, agreeing=torch.full(SIZE, float(count))).depths.all() for cost in COSTS]
        assert kept == sorted(kept, reverse=True)
        most.append(sum(kept))
    assert most == sorted(most)
    assert most[0] == 0
    assert 0 < most[1] < most[-1] < len(COSTS)


def test_points_that_others_see_through_are_dropped():
    through = torch.zeros(SIZE)
    through[:, 40:] = 5
    view = judged(through=through)
    assert view.depths[:, :40].all()
    assert not view.depths[:, 40:].any()


def test_pixels_that_are_not_usable_are_dropped():
    image = textured()
    usable = image.usable.copy()
    usable[:20] = False
    np.testing.assert_array_equal(judged(image=replace(image, usable=usable)).depths > 0, usable)


def test_areas_without_texture_are_dropped_and_others_stay():
    image = textured()
    grays = image.gray.copy()
    grays[:, :40] = 230
    view = judged(image=replace(image, gray=grays, colors=np.dstack([grays] * 3)))
    assert not view.depths[:, :34].any()
    assert view.depths[:, 46:].all()


def test_what_looks_like_a_flat_area_beside_it_is_dropped():
    """Faint texture, next to none: a window there takes the depth of what lies farther off."""
    grays = np.where(np.mgrid[:60, :80][0] % 3 == 0, 132, 124).astype(np.uint8)
    everywhere = judged(image=replace(textured(), gray=grays, colors=np.dstack([grays] * 3))).depths > 0
    assert everywhere.all()
    grays[:, :30] = 128
    kept = judged(image=replace(textured(), gray=grays, colors=np.dstack([grays] * 3))).depths > 0
    assert not kept[:, :30].any()
    assert kept[:, 40:].all()


def test_small_pieces_are_dropped_and_large_ones_stay():
    agreeing = torch.zeros(SIZE)
    agreeing[5:9, 5:9] = 4
    agreeing[20:50, 30:60] = 4
    kept = judged(agreeing=agreeing).depths > 0
    np.testing.assert_array_equal(kept[20:50, 30:60], True)
    assert kept.sum() == 900
    depths = torch.full(SIZE, DEPTH)
    depths[20:24, 30:34] = 2.0
    kept = judged(depths=depths).depths > 0
    np.testing.assert_array_equal(kept, depths.numpy() == DEPTH)


def test_nothing_to_keep_is_fine():
    view = judged(agreeing=torch.zeros(SIZE))
    assert not view.depths.any()


@pytest.mark.parametrize("scatter", [0.01, 0.03, 0.1])
def test_deviations_grow_with_the_scatter_of_views(scatter: float):
    calm, scattered = judged(), judged(scatter=torch.full(SIZE, scatter))
    assert (scattered.sigmas > calm.sigmas).all()
    assert np.median(scattered.sigmas) > 0.4 * scatter


def test_depths_that_are_not_known_to_a_few_percent_are_dropped():
    assert not judged(scatter=torch.full(SIZE, 0.2 * DEPTH)).depths.any()


def test_deviations_are_smaller_where_more_is_known():
    assert (judged(0.3).sigmas > judged(0.1).sigmas).all()
    one = judged(agreeing=torch.full(SIZE, 1.0), scatter=torch.full(SIZE, 0.1))
    assert (one.sigmas > judged(scatter=torch.full(SIZE, 0.1)).sigmas).all()
    gaps = torch.full(SIZE, 4.0)
    gaps[::3] = 0
    holed = judged(agreeing=gaps)
    assert (holed.sigmas[1::3] > judged().sigmas[1::3]).all()


def test_depths_apart_from_those_around_are_less_sure():
    depths = torch.full(SIZE, DEPTH)
    depths[30, 40] = 1.015 * DEPTH
    sigmas = judged(depths=depths).sigmas
    assert sigmas[30, 40] > 2 * sigmas[10, 10]


def test_normals_are_those_of_the_planes_and_face_the_camera():
    camera = replace(CAMERA, cx=31.0, cy=33.5, fy=70.0)
    for normal in ([0.1, -0.2, -0.97], [0.0, 0.7, -0.7], [-0.6, 0.1, -0.8]):
        unit = np.array(normal) / np.linalg.norm(normal)
        # n . (z r) = -3 where r = ((c + 1/2 - cx) / fx, (r + 1/2 - cy) / fy, 1)
        x, y = -unit[0] / 3 / camera.fx, -unit[1] / 3 / camera.fy
        constant = -unit[2] / 3 + x * (0.5 - camera.cx) + y * (0.5 - camera.cy)
        planes = np.array([[[x, y, constant], [0, 0, 0]]])
        np.testing.assert_allclose(plane_normals(planes, camera), [[unit, [0, 0, 0]]], atol=1e-6)


def view_of(depths: np.ndarray) -> JudgedView:
    depths = depths.astype(np.float32)
    normals = np.where(depths[..., None] > 0, TOWARD, np.float32(0))
    return JudgedView(depths, depths / np.float32(100), normals)


def test_only_gaps_are_filled_and_with_larger_deviations():
    depths = np.full((21, 31), 4.0)
    depths[4:9, 6:11] = 0
    fine, coarse = view_of(depths), view_of(np.full((10, 15), 4.04))
    filled = fill_from_coarse(fine, coarse, 2)
    gaps = fine.depths == 0
    for name, values in vars(filled).items():
        np.testing.assert_array_equal(values[~gaps], vars(fine)[name][~gaps])
    assert (filled.depths[gaps] == coarse.depths[0, 0]).all()
    assert (filled.sigmas[gaps] > coarse.sigmas[0, 0]).all()
    assert (filled.normals[gaps] == (0, 0, -1)).all()
    assert not np.shares_memory(filled.depths, fine.depths)


def test_gaps_stay_where_the_coarse_image_knows_nothing_or_has_an_edge():
    coarse = np.full((10, 16), 4.0)
    coarse[:, 8:] = 5.0
    coarse[:, 0] = 0
    filled = fill_from_coarse(view_of(np.zeros((20, 32))), view_of(coarse), 2).depths
    taken = np.zeros((20, 32), bool)
    taken[:, 4:14] = taken[:, 18:] = True  # a coarse pixel beside a gap or an edge is not believed
    np.testing.assert_array_equal(filled > 0, taken)
    assert set(np.unique(filled[taken])) == {4.0, 5.0}


def test_next_to_nothing_of_a_view_is_nothing():
    agreeing = torch.zeros(SIZE)
    agreeing[5:15, 5:15] = 4
    view, usable = judged(agreeing=agreeing), np.ones(SIZE, bool)
    assert (view.depths > 0).sum() == 100
    dropped = unless_by_chance(view, usable)
    assert not any(values.any() for values in (dropped.depths, dropped.sigmas, dropped.normals))
    usable[20:] = False  # of what can be used it is more than a few percent
    assert unless_by_chance(view, usable) is view
