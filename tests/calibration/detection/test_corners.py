"""Corners in rendered photographs, against where they truly are."""

import cv2
import numpy as np
import pytest

from splatkit.calibration.board_scene import board_scene, photograph
from splatkit.calibration.detection.corners import find_corners
from splatkit.calibration.quality.simulation import example_rig
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose, exp_se3, invert, transform_points
from tests.calibration.halls import TARGET


def render(turn, depth=1.6, width=480, target=TARGET):
    camera = Camera("pinhole", width, 2 * width // 3, 0.6 * width, 0.6 * width, width / 2 + 0.5, width / 3 + 0.5)
    extrinsic = example_rig("32").T_camera_lidar
    pose = compose(exp_se3(np.array([*turn, 0, 0, 0]))[:3, :3], np.array([0.1, 0, depth]))
    planes = board_scene(target, invert(extrinsic) @ pose)
    image = photograph(planes, camera, extrinsic, np.random.default_rng(0))
    return image, camera.image(transform_points(pose, target.corners()))


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.3, -0.4, 0.7), (-0.2, 0.3, 2.6)])
def test_corners_are_found_to_a_tenth_of_a_pixel(turn):
    image, truth = render(turn)
    found = find_corners(image, TARGET)
    error = min((np.abs(found - order) for order in (truth, truth[::-1])), key=np.max)
    assert np.sqrt((error**2).mean()) < 0.1
    assert error.max() < 0.4


def test_x_cross_y_points_away_from_the_camera_also_in_mirrored_images():
    image, _ = render((0.3, -0.4, 0.7))
    for picture in (image, np.ascontiguousarray(image[:, ::-1])):
        found = find_corners(picture, TARGET)
        assert found is not None
        grid = found.reshape(5, 7, 2)
        x, y = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
        assert x[0] * y[1] - x[1] * y[0] > 0


def test_large_images_are_searched_small_and_measured_large():
    image, truth = render((0.2, 0.2, 0.7))
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    found = find_corners(large, TARGET)
    truth = truth * 4
    error = min(np.abs(found - order).max() for order in (truth, truth[::-1]))
    assert error < 1.2


def test_no_board_no_corners():
    assert find_corners(np.full((120, 160, 3), 128, dtype=np.uint8), TARGET) is None
