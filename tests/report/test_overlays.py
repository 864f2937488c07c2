"""What is drawn lies where pixels say, the center of the first one at 0.5."""

import numpy as np

from splatkit.report.overlays import draw_outline, draw_points

BLACK = np.zeros((21, 31, 3), np.uint8)


def middle(image):
    """Center of what is drawn, (x, y) px."""
    weights = image.sum(2).astype(float)
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]] + 0.5
    return (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()


def test_a_dot_is_around_its_pixel():
    drawn = draw_points(BLACK, np.array([[12.5, 8.5]]), np.array([2.0]))
    np.testing.assert_allclose(middle(drawn), (12.5, 8.5), atol=0.05)  # OpenCV smooths edges by tables
    assert draw_points(BLACK, np.zeros((0, 2)), np.zeros(0)).max() == 0


def test_an_outline_is_around_its_corners():
    corners = np.array([[5.5, 4.5], [25.5, 4.5], [25.5, 16.5], [5.5, 16.5]])
    drawn = draw_outline(BLACK, corners, (255, 255, 255), 1)
    np.testing.assert_allclose(middle(drawn), (15.5, 10.5), atol=0.05)  # OpenCV smooths edges by tables
    assert drawn[4, 5:26].min() > 0
