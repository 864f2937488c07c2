"""Pixels of points agree with the dataset's convention (first center at 0.5), and lenses do not fold rays back."""

import numpy as np
import pytest

from splatkit.capture.conventions import intrinsics_of
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.projection import project
from splatkit.io.transforms_json import Intrinsics
from splatkit.reference.camera_models import fisheye_image

PINHOLE = Intrinsics("OPENCV", 640, 480, 500.0, 510.0, 321.0, 239.0)


def test_a_pinhole_camera_is_its_matrix():
    points = np.array([[0.3, -0.2, 2.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [9.0, 0.0, 1.0]])
    pixels, inside = project(points, PINHOLE)
    np.testing.assert_allclose(pixels[:2], [[321 + 75, 239 - 51], [321, 239]])
    assert inside.tolist() == [True, True, False, False]


def test_fisheye_agrees_with_the_reference_of_the_rasterizer():
    import torch

    lens = Intrinsics("OPENCV_FISHEYE", 640, 480, 300.0, 300.0, 320.0, 240.0, (0.05, -0.01, 0.002, -0.001, 0.0, 0.0))
    points = np.random.default_rng(0).normal((0, 0, 2.5), 1, (50, 3))
    points = points[points[:, 2] > 0.3]
    pixels, inside = project(points, lens)
    K, distortion = torch.tensor(lens.matrix())[None], torch.tensor(lens.distortion[:4])[None]
    expected = fisheye_image(torch.tensor(points)[None], K, distortion)[0][0]
    np.testing.assert_allclose(pixels[inside], expected.numpy()[inside], atol=1e-6)
    assert inside.sum() > 20


def test_rays_beyond_the_image_do_not_come_back_into_it():
    lens = Intrinsics("OPENCV", 640, 480, 500.0, 500.0, 320.0, 240.0, (-0.3, 0.0, 0.0, 0.0, 0.0, 0.0))
    folded = np.array([[1.8, 0.0, 1.0]])  # r (1 - 0.3 r^2) = 0.05 there: near the center again
    K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    raw = Camera(K, np.array([-0.3, 0, 0, 0, 0]), 640, 480).project(folded)[0]
    assert (raw > 0).all()
    assert (raw < (640, 480)).all()
    assert not project(folded, lens)[1].any()
    assert project(np.array([[0.5, 0.3, 1.0]]), lens)[1].all()


@pytest.mark.parametrize(
    "camera",
    [
        Camera(np.array([[400.0, 0, 99.5], [0, 410, 79.5], [0, 0, 1]]), np.array([0.1, -0.05, 1e-3, 2e-3]), 200, 160),
        Camera(np.array([[90.0, 0, 99.5], [0, 90, 79.5], [0, 0, 1]]), np.full(4, 0.01), 200, 160, "fisheye"),
    ],
)
def test_calibrated_cameras_project_the_same_as_their_dataset(camera):
    points = np.random.default_rng(1).uniform((-0.3, -0.3, 1.7), (0.3, 0.3, 2.3), (30, 3))
    pixels, inside = project(points, intrinsics_of(camera))
    assert inside.all()
    np.testing.assert_allclose(pixels, camera.project(points)[0] + 0.5, atol=1e-9)


def test_what_has_no_projection_is_refused():
    with pytest.raises(DatasetError, match="EQUIRECTANGULAR"):
        project(np.ones((1, 3)), Intrinsics("EQUIRECTANGULAR", 64, 32, 10.0, 10.0, 32.0, 16.0))
    rational = Camera(np.array([[90.0, 0, 9], [0, 90, 9], [0, 0, 1]]), np.full(8, 0.01), 20, 20)
    with pytest.raises(DatasetError, match="rational"):
        intrinsics_of(rational)
    assert project(np.zeros((0, 3)), PINHOLE)[0].shape == (0, 2)
