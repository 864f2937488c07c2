"""A board's pose from the corners that the lens shows."""

import dataclasses

import numpy as np
import pytest

from splatkit.calibration.solver.closed_form import DegenerateViewsError, board_poses
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose, exp_se3, transform_points

CAMERA = Camera("brown_conrady", 640, 480, 400.0, 400.0, 320.0, 240.0, (-0.2, 0.0, 1e-3, -5e-4))
POSE = compose(exp_se3(np.array([0.4, -0.3, 0.1, 0, 0, 0]))[:3, :3], np.array([0.05, -0.1, 1.5]))


def test_poses_are_those_of_the_corners(target):
    corners = CAMERA.image(transform_points(POSE, target.corners()))
    np.testing.assert_allclose(board_poses([corners], target, CAMERA)[0], POSE, atol=1e-9)


def test_corners_beyond_the_lens_and_unseen_ones_do_not_count(target):
    corners = CAMERA.image(transform_points(POSE, target.corners()))
    corners[:3], corners[3:5] = 1e4, np.nan
    np.testing.assert_allclose(board_poses([corners], target, CAMERA)[0], POSE, atol=1e-9)
    folded = dataclasses.replace(CAMERA, distortion=(-600.0, 0.0, 0.0, 0.0))
    with pytest.raises(DegenerateViewsError, match="view 0: its corners lie where the camera model sees nothing"):
        board_poses([corners], target, folded)
