"""Colors give numbers back by their legend."""

import numpy as np

from splatkit.report.color_scale import ColorScale


def test_colors_run_from_blue_to_red_and_the_unknown_is_gray():
    for scale, values in (
        (ColorScale(0.0, 1.0, "error"), [0.1, 0.9, np.nan]),
        (ColorScale(1e-4, 1.0, "sigma (m)", True), [10**-3.6, 10**-0.4, np.nan]),
    ):
        low, high, unknown = scale.colors(np.array(values)).astype(int)
        assert low[2] > low[0]
        assert high[0] > high[2]
        assert unknown.tolist() == [150, 150, 150]


def test_what_is_beyond_the_scale_has_the_color_of_its_end():
    scale = ColorScale(0.01, 1.0, "sigma (m)", True)
    colors = scale.colors(np.array([0.0, 0.01, 1.0, 50.0]))
    assert (colors[0] == colors[1]).all()
    assert (colors[2] == colors[3]).all()


def test_a_logarithmic_scale_is_even_in_ratios():
    logarithmic, linear = ColorScale(0.01, 1.0, "", True), ColorScale(0.0, 1.0, "")
    np.testing.assert_array_equal(logarithmic.colors(np.array([0.1])), linear.colors(np.array([0.5])))


def test_a_legend_shows_the_whole_scale_in_a_picture_of_its_size():
    for scale in (ColorScale(0.0, 0.2, "error"), ColorScale(2e-3, 4e-3, "sigma (m)", True)):
        legend = scale.legend((600, 100))
        assert legend.shape == (100, 600, 3)
        row = legend[20].astype(int)
        assert row[60, 2] > row[60, 0]
        assert row[500, 0] > row[500, 2]
