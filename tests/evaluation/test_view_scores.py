"""Scores of views count what they say, and name the place that is bad."""

import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshView
from splatkit.evaluation.view_scores import find_worst_place, score_view, surface_errors

GRAY = np.full((9, 9, 3), 102, np.uint8)  # 0.4
ALL = np.ones((9, 9), bool)


def true_view() -> MeshView:
    return MeshView(np.full((9, 9, 3), 0.4, np.float32), np.ones((9, 9), np.float32))


def with_hole(rows: slice, columns: slice) -> MeshView:
    """The true view, but for a part that is open and so black."""
    view = true_view()
    view.image[rows, columns], view.coverage[rows, columns] = 0, 0
    return view


def test_scores_where_the_mesh_is_are_over_usable_covered_pixels():
    image, coverage = np.full((4, 4, 3), 0.5, np.float32), np.ones((4, 4), np.float32)
    coverage[0] = 0
    photograph = np.full((4, 4, 3), 102, np.uint8)
    usable = np.ones((4, 4), bool)
    usable[:, 0] = False
    photograph[:, 0] = photograph[0] = 255  # does not count
    score = score_view(MeshView(image, coverage), photograph, usable)
    assert score.psnr == pytest.approx(20.0, abs=0.01)
    assert score.psnr_exposed > 100  # one factor explains all
    assert score.coverage == pytest.approx(9 / 12)
    assert score_view(MeshView(image, 0 * coverage), photograph, usable).coverage == 0


def test_over_all_pixels_a_hole_costs_what_the_photograph_shows_there():
    score = score_view(with_hole(slice(0, 3), slice(0, 3)), GRAY, ALL)
    assert score.psnr > 100
    assert score.psnr_all == pytest.approx(-10 * np.log10(0.4**2 / 9), abs=1e-4)
    masked = np.ones((9, 9), np.float32)
    masked[:3, :3] = np.nan
    assert score_view(with_hole(slice(0, 3), slice(0, 3)), GRAY, np.isfinite(masked), masked).psnr_all > 100


def test_over_all_pixels_a_surface_before_the_transparent_is_an_error():
    """Whatever color the photograph's file has where it is transparent."""
    opacities = np.ones((9, 9), np.float32)
    opacities[6:] = 0
    score = score_view(true_view(), GRAY, opacities > 0, opacities)
    assert (score.psnr > 100, score.coverage) == (True, 1.0)
    assert score.psnr_all == pytest.approx(-10 * np.log10(0.4**2 / 3), abs=1e-4)
    assert score_view(with_hole(slice(6, 9), slice(0, 9)), GRAY, opacities > 0, opacities).psnr_all > 100
    place = find_worst_place(true_view(), GRAY, opacities > 0, opacities)
    assert str(place) == "surface where nothing is along the bottom"


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        (slice(0, 3), slice(0, 3), "uncovered at the upper left"),
        (slice(3, 6), slice(3, 6), "uncovered in the center"),
        (slice(6, 9), slice(3, 6), "uncovered at the bottom"),
        (slice(3, 6), slice(7, 8), "uncovered at the right"),
        (slice(0, 9), slice(0, 9), "uncovered all over"),
    ],
)
def test_the_worst_place_is_named(rows, columns, said):
    assert str(find_worst_place(with_hole(rows, columns), GRAY, ALL)) == said


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [(slice(7, 8), slice(0, 9), "along the bottom"), (slice(0, 9), slice(0, 2), "along the left")],
)
def test_a_bad_strip_is_named_as_one(rows, columns, said):
    view = with_hole(rows, columns)
    view.image[view.coverage > 0] = 0.37
    place = find_worst_place(view, GRAY, ALL)
    assert (place.where, place.what) == (said, "uncovered")


def test_wrong_colors_are_told_from_holes():
    view = with_hole(slice(0, 1), slice(0, 1))
    view.image[6:, 6:] = 1
    assert str(find_worst_place(view, GRAY, ALL)) == "wrong color at the lower right"


def test_errors_on_the_surface_leave_out_exposure_and_what_is_not_there():
    view = with_hole(slice(0, 3), slice(0, 9))
    view.image[:] *= 0.5  # darker all over
    view.image[8, 8] = 0.9
    errors = surface_errors(view, GRAY, ALL)
    assert np.isnan(errors[:3]).all()
    assert errors[3:8].max() < 0.01
    assert errors[8, 8] > 0.1
