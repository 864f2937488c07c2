"""Points take the colors of photographs that see them, not of what stands in front."""

import numpy as np

from splatkit.capture.lidar.coloring import ColorView, color_points
from splatkit.geometry.camera import Camera, PosedCamera

CAMERA = Camera("pinhole", 160, 120, 120.0, 120.0, 80.0, 60.0)
RED, BLUE = (200, 30, 20), (10, 40, 210)


def view(image, x=0.0, mask=None):
    pose = np.eye(4)
    pose[0, 3] = x
    return ColorView(PosedCamera("view", CAMERA, pose), lambda: image, None if mask is None else lambda: mask)


def wall(z, half, step=0.04):
    x, y = np.meshgrid(np.arange(-half, half, step), np.arange(-half, half, step))
    return np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)])


def halves():
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, :80], image[:, 80:] = RED, BLUE
    return image


def test_points_have_the_color_of_their_pixel_and_unseen_ones_none():
    points = np.array([[-0.5, 0, 2.0], [0.5, 0.1, 2.0], [0, 0, -1.0], [9, 0, 1.0]])
    colors, seen = color_points(points, [view(halves())])
    assert colors.tolist() == [list(RED), list(BLUE), [0, 0, 0], [0, 0, 0]]
    assert seen.tolist() == [1, 1, 0, 0]


def test_what_a_wall_hides_is_not_colored_by_it():
    front, back = wall(1.5, 0.5), wall(3.0, 2.0)
    image = np.full((120, 160, 3), BLUE, np.uint8)
    image[20:101, 40:121] = RED  # where the front wall is
    colors, seen = color_points(np.concatenate([front, back]), [view(image)])
    behind = np.zeros(len(front) + len(back), dtype=bool)
    behind[len(front) :] = (np.abs(back[:, :2]) < 0.75).all(1)  # a cell from the shadow's edge
    beside = np.zeros_like(behind)
    beside[len(front) :] = (np.abs(back[:, 0]) > 1.1) & (np.abs(back[:, 0]) < 1.9) & (np.abs(back[:, 1]) < 1.4)
    assert (seen[behind] == 0).mean() > 0.97
    assert (seen[beside] == 1).mean() > 0.97
    assert (colors[beside & (seen > 0)] == BLUE).all()
    assert (seen[: len(front)] == 1).mean() > 0.97


def test_ground_at_a_flat_angle_is_seen():
    x, z = np.meshgrid(np.linspace(-3, 3, 200), np.geomspace(2.5, 20, 150))
    ground = np.column_stack([x.ravel(), np.full(x.size, 1.2), z.ravel()])
    inside = (np.abs(ground[:, 0] / ground[:, 2] * 120) < 79) & (ground[:, 1] / ground[:, 2] * 120 < 59)
    _, seen = color_points(ground, [view(halves())])
    assert (seen[inside] == 1).mean() > 0.95


def test_the_middle_color_of_several_views_wins_and_masks_count():
    def plain(value):
        return np.full((120, 160, 3), value, np.uint8)

    point = np.array([[0.0, 0, 2.0]])
    views = [view(plain(value), x) for value, x in ((100, 0.0), (110, 0.1), (255, -0.1))]
    colors, seen = color_points(point, views)
    assert (colors.tolist(), seen.tolist()) == ([[110, 110, 110]], [3])
    masked = [*views[:2], view(plain(255), -0.1, np.zeros((120, 160), bool))]
    colors, seen = color_points(point, masked)
    assert (colors.tolist(), seen.tolist()) == ([[110, 110, 110]], [2])
