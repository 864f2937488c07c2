"""Pixels by rows: all of them, once, in order."""

import numpy as np
import pytest

from splatkit.geometry.camera import Camera
from splatkit.stereo.pixel_grid import pixel_centers, row_blocks, spread_pixels


@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 2000), (500_000, 3)])
def test_blocks_of_rows_are_all_pixels_in_order(width: int, height: int):
    camera = Camera("pinhole", width, height, 100.0, 100.0, 0.0, 0.0)
    blocks = list(row_blocks(camera))
    assert len(blocks) == -(-height // max(1, 2**18 // width))
    pixels = np.concatenate([pixel_centers(camera, rows) for rows in blocks])
    expected = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
    np.testing.assert_array_equal(pixels, expected.reshape(-1, 2))


def test_spread_pixels_are_the_middles_of_parts():
    camera = Camera("pinhole", 30, 20, 100.0, 100.0, 0.0, 0.0)
    expected = [[5, 5], [15, 5], [25, 5], [5, 15], [15, 15], [25, 15]]
    np.testing.assert_array_equal(spread_pixels(camera, 3, 2), expected)
