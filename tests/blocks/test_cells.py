"""Cells share space out exactly and weight about evenly; cuts keep to the ground."""

import math

import numpy as np
import pytest

from splatkit.blocks.balance import BALANCE, cut_scene
from splatkit.blocks.cells import Cell, partition
from splatkit.errors import SettingsError


def points_of(count: int, size: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, 3)) * size).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_every_point_of_space_is_in_exactly_one_cell(count):
    """Also far away, and right on the faces, where rounding would tell."""
    points = points_of(2000, (10, 7, 2))
    cells, labels = partition(points, np.ones(2000), count)
    assert len(cells) == count
    faces = [value for cell in cells for value in (*cell.low, *cell.high) if math.isfinite(value)]
    corners = np.random.default_rng(1).choice([*faces, -1e9, 1e9, 0.0], (500, 3))
    for some in (points, corners, corners.astype(np.float32)):
        owners = np.sum([cell.owns(some) for cell in cells], axis=0)
        assert (owners == 1).all()
    for number, cell in enumerate(cells):
        assert (cell.owns(points) == (labels == number)).all()


@pytest.mark.parametrize("count", [2, 3, 7])
def test_cells_have_about_the_same_weight(count):
    points, weights = points_of(5000, (10, 7, 2)), np.random.default_rng(2).random(5000)
    _, labels = partition(points, weights, count)
    shares = np.bincount(labels, weights) / weights.sum()
    # a cut is right up to one point, and there are at most three above a cell
    np.testing.assert_allclose(shares, 1 / count, atol=3 * weights.max() / weights.sum())


def test_cuts_keep_to_the_ground_but_for_towers():
    flat, _ = partition(points_of(1000, (10, 7, 9)), np.ones(1000), 4)
    assert all(cell.low[2] == -math.inf and cell.high[2] == math.inf for cell in flat)
    tower, _ = partition(points_of(1000, (3, 3, 20)), np.ones(1000), 2)
    assert tower[0].high[2] == tower[1].low[2] < math.inf


def test_the_margin_is_a_share_of_what_is_in_a_cell():
    cell = Cell((-math.inf, 0, -math.inf), (4, 10, math.inf), (0, 0, 0), (4, 10, 2))
    wide = cell.widened(0.15)
    np.testing.assert_allclose(wide.low, (-math.inf, -1.5, -math.inf))
    np.testing.assert_allclose(wide.high, (4.6, 11.5, math.inf))
    np.testing.assert_allclose(cell.seam_distance(np.array([[3.0, 5, 1], [1, 1, 1]])), [0.25, 0.1])


def test_cells_that_views_make_costly_are_made_smaller():
    """Photographs see the left half twice as often, so that a splat there costs twice as much."""
    points = points_of(8000, (10, 1, 1))
    rates = np.where(points[:, 0] < 5, 4.0, 1.0)

    def cost_of(cells, labels, views):
        return np.bincount(labels, rates, len(cells))

    cut = cut_scene(points, np.ones(8000), 4, lambda cells: np.ones((len(cells), 3), dtype=bool), cost_of)
    assert cut.balance <= BALANCE


@pytest.mark.parametrize(
    ("points", "weights", "count", "message"),
    [
        (np.zeros((3, 3)), np.ones(3), 4, "4 cells cannot be made of 3 splats"),
        (np.zeros((9, 3)), np.ones(9), 2, "9 splats at one place cannot be cut into 2 cells"),
        (np.zeros((9, 3)), np.zeros(9), 2, "2 cells cannot be made of 9 splats"),
        (np.zeros((0, 3)), np.zeros(0), 1, "1 cells cannot be made of 0 splats"),
    ],
)
def test_what_cannot_be_cut_is_refused(points, weights, count, message):
    with pytest.raises(SettingsError, match=message):
        partition(points, weights, count)
