"""The board's geometry, and boards that cannot be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import SettingsError


def test_corners_lie_row_by_row_around_the_middle():
    corners = BoardTarget(3, 2, 0.1, 0.5, 0.4).corners()
    expected = [(-0.1, -0.05), (0, -0.05), (0.1, -0.05), (-0.1, 0.05), (0, 0.05), (0.1, 0.05)]
    np.testing.assert_allclose(corners, [(*xy, 0) for xy in expected], atol=1e-15)
    np.testing.assert_allclose(corners.mean(0), 0, atol=1e-15)


def test_outline_goes_around_the_plate():
    outline = BoardTarget(3, 2, 0.1, 0.5, 0.4).outline()
    edges = np.linalg.norm(np.roll(outline, -1, 0) - outline, axis=1)
    np.testing.assert_allclose(edges, [0.5, 0.4, 0.5, 0.4])


def test_corners_of_tags_lie_in_pairs():
    target = BoardTarget(4, 4, 0.1, 1, 1, "aprilgrid", gap=0.03, dictionary="36h11")
    np.testing.assert_allclose(target.corners()[:4, 0], [-0.115, -0.015, 0.015, 0.115], atol=1e-15)
    np.testing.assert_allclose(target.corners()[::4, 1], [-0.115, -0.015, 0.015, 0.115], atol=1e-15)
    np.testing.assert_allclose(target.pattern_size, (0.29, 0.29))
    np.testing.assert_allclose(BoardTarget(3, 2, 0.1, 0.5, 0.4).pattern_size, (0.4, 0.3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 5, 0.1, 1, 1), "at least 2 x 2"),
        ((7, 5, -0.1, 1, 1), "positive lengths"),
        ((7, 5, 0.1, float("nan"), 1), "positive lengths"),
        ((7, 5, 95.0, 0.85, 0.61), "need a plate of more than 760.000 x 570.000 m, .* are these millimeters"),
        ((7, 5, 0.095, 0.4, 0.3), "measure both again, in meters"),
        ((5, 7, 0.095, 0.85, 0.61), "columns and rows are swapped; give 7 x 5, or the plate as 0.61 x 0.85 m"),
        ((7, 5, 0.095, 1, 1, "charuco", 0.1), "markers smaller than squares"),
        ((8, 6, 0.11, 1, 1, "aprilgrid"), "space between them"),
        ((7, 6, 0.11, 1, 1, "aprilgrid", 0, 0.03), "space between them, got 3.5 x 3 tags"),
    ],
)
def test_boards_that_cannot_be_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        BoardTarget(*values)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    columns=st.integers(3, 12),
    rows=st.integers(3, 12),
    square=st.floats(0.02, 0.2),
    beside=st.tuples(st.floats(0, 0.03), st.floats(0, 0.03)),
)
def test_swapped_columns_and_rows_are_told_by_the_plate(columns, rows, square, beside):
    """Source: image_pipeline #1069, pose2sim #38, aniposelib #3: detection finds nothing, or a turned board."""
    plate = (columns + 1) * square + beside[0], (rows + 1) * square + beside[1]
    assert BoardTarget(columns, rows, square, *plate).pattern_size == pytest.approx(
        (plate[0] - beside[0], plate[1] - beside[1])
    )
    if abs(columns - rows) * square <= max(beside) + 1e-5:
        return  # it fits either way, or is square
    with pytest.raises(SettingsError, match=f"columns and rows are swapped; give {columns} x {rows}"):
        BoardTarget(rows, columns, square, *plate)
