"""Camera models: their derivatives, their inverse, and what they refuse."""

import numpy as np
import pytest

from splatkit.calibration.camera import Camera
from splatkit.errors import SettingsError


def points(count=20):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-0.4, 0.4, (count, 2)), np.ones((count, 1))], 1) * rng.uniform(1, 5, (count, 1))


def test_derivatives_are_those_of_the_pixels(camera):
    x = points()
    _, jacobian = camera.project(x)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        difference = (camera.project(x + step)[0] - camera.project(x - step)[0]) / 2e-6
        np.testing.assert_allclose(jacobian[:, :, axis], difference, rtol=1e-5, atol=1e-4)


def test_normalized_rays_project_back(camera):
    x = points()
    rays = camera.normalized(camera.project(x)[0])
    np.testing.assert_allclose(rays, x[:, :2] / x[:, 2:], atol=1e-5)


@pytest.mark.parametrize(
    ("K", "distortion", "model", "message"),
    [
        (np.eye(3) * -1, np.zeros(0), "pinhole", "positive focal lengths"),
        (np.full((3, 3), np.nan), np.zeros(0), "pinhole", "finite K"),
        (np.eye(3), np.zeros(3), "pinhole", "0 or 4 or 5 or 8 distortion"),
        (np.eye(3), np.zeros(0), "fisheye", "4 distortion"),
    ],
)
def test_what_is_no_camera_is_refused(K, distortion, model, message):
    with pytest.raises(SettingsError, match=message):
        Camera(K, distortion, 640, 480, model)
