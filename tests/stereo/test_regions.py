"""Regions of alike colors grow over small steps of color, so far and no farther."""

import numpy as np

from splatkit.stereo.regions import reach_alike


def reached(colors: np.ndarray, start: tuple[int, int], steps: int, most_difference: int) -> np.ndarray:
    seeds = np.zeros(colors.shape[:2], bool)
    seeds[start] = True
    found = reach_alike(colors, seeds, steps, most_difference)
    assert seeds.sum() == 1  # what is handed in stays
    return found


def test_a_flat_image_is_reached_in_a_diamond():
    found = reached(np.full((21, 21, 3), 90, np.uint8), (10, 10), 4, 0)
    rows, columns = np.mgrid[:21, :21]
    np.testing.assert_array_equal(found, np.abs(rows - 10) + np.abs(columns - 10) <= 4)


def test_an_edge_is_not_crossed_and_gaps_in_it_are():
    colors = np.full((9, 9, 3), 100, np.uint8)
    colors[:, 5:, 2] = 105  # one channel is enough
    assert not reached(colors, (4, 2), 20, 4)[:, 5:].any()
    assert reached(colors, (4, 2), 20, 5).all()
    colors[0, 5:] = 102
    around = reached(colors, (4, 2), 20, 4)
    assert around[0, 5:].all()
    assert around[:, :5].all()


def test_gentle_ramps_are_followed_and_dark_beside_bright_is_no_small_step():
    ramp = np.broadcast_to(np.arange(0, 60, 3, dtype=np.uint8)[None, :, None], (2, 20, 3))
    assert reached(ramp, (0, 0), 30, 3).all()
    assert reached(ramp, (0, 0), 30, 2).sum() == 2
    for pair in ([2, 255], [255, 2]):
        extremes = np.broadcast_to(np.array(pair, np.uint8)[None, :, None], (1, 2, 3))
        assert reached(extremes, (0, 0), 1, 4).sum() == 1  # 2 - 255 would be 3 in bytes


def test_no_steps_and_no_start_reach_nothing_more():
    colors = np.full((5, 5, 3), 9, np.uint8)
    assert reached(colors, (2, 2), 0, 255).sum() == 1
    assert not reach_alike(colors, np.zeros((5, 5), bool), 9, 255).any()
