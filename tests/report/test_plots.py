"""False colors mean what their captions say, and plots are pictures of the size asked for."""

import numpy as np
import pytest

from splatkit.report.plots import colorize_depth, colorize_error, colorize_share, plot_curves, plot_histogram


def test_a_plot_has_its_size_and_its_curve():
    image = plot_curves({"psnr": ([0, 1, 2], [10.0, 20.0, 25.0])}, "step", "PSNR (dB)", size=(360, 240))
    assert image.shape == (240, 360, 3)
    blue = (image == (0x30, 0x56, 0xD3)).all(-1)
    assert blue.any()
    columns = np.flatnonzero(blue.any(0))
    first_rows, last_rows = (np.flatnonzero(blue[:, column]).mean() for column in (columns[2], columns[-3]))
    assert last_rows < first_rows  # it rises


def test_errors_get_brighter_up_to_the_limit():
    target = np.zeros((1, 4, 3), np.float32)
    image = target + np.array([0.0, 0.05, 0.1, 0.9], np.float32)[None, :, None]
    colors = colorize_error(image, target, limit=0.1).astype(int).sum(-1)[0]
    assert colors[0] < colors[1] < colors[2] == colors[3]


def test_depth_runs_from_red_to_blue_and_holes_are_gray():
    colors = colorize_depth(np.array([[1.1, 2.9, 0.0, np.nan]]), near=1.0, far=3.0)[0].astype(int)
    assert colors[0, 0] > colors[0, 2]
    assert colors[1, 2] > colors[1, 0]
    assert colors[2].tolist() == colors[3].tolist() == [40, 40, 40]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="near"):
        colorize_depth(np.ones((2, 2)), near=2.0, far=1.0)
    with pytest.raises(ValueError, match="equal shapes"):
        colorize_error(np.ones((2, 2, 3)), np.ones((2, 3, 3)), limit=1.0)


def test_a_histogram_is_high_where_values_are_many():
    values = np.concatenate([np.full(90, 0.5), np.full(10, 2.5)])
    image = plot_histogram(values, np.array([0.0, 1.0, 2.0, 3.0]), "error, px", "observations", size=(360, 240))
    assert image.shape == (240, 360, 3)
    blue = (image[..., 2] > 180) & (image[..., 0] < 100)
    columns = blue.sum(0)
    third = len(columns) // 3
    assert columns[:third].max() == pytest.approx(9 * columns[-third:].max(), rel=0.15)


def test_shares_are_dark_to_bright_and_gray_where_there_is_none():
    colors = colorize_share(np.array([[0.0, 0.5, 1.0, 7.0, np.nan]])).astype(int).sum(-1)[0]
    assert colors[0] < colors[1] < colors[2] == colors[3]
    assert colors[4] == 3 * 40
