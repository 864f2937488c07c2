"""Rectified images show what the lens's own formula says."""

import cv2
import numpy as np
import pytest

from splatkit.errors import SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.rectification import rectify

PERSPECTIVE = Camera("brown_conrady", 160, 120, 110.0, 112.0, 82.0, 59.0, (-0.15, 0.03, 1e-3, -2e-3, 0.002))
FISHEYE = Camera("kannala_brandt", 160, 120, 80.0, 81.0, 80.5, 60.5, (0.02, -0.01, 0.003, -0.001))


def seen_by(lens: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, the first one's center at 0.5, of rays (x, y, 1): the lens's formula, written out."""
    r2 = x**2 + y**2
    if lens.model == "kannala_brandt":
        k1, k2, k3, k4 = lens.distortion
        angle = np.arctan(np.sqrt(r2))
        factor = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
        factor = factor / np.maximum(np.sqrt(r2), 1e-12)
        u, v = factor * x, factor * y
    else:
        k1, k2, p1, p2, k3 = lens.distortion
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        u = radial * x + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        v = radial * y + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return lens.fx * u + lens.cx, lens.fy * v + lens.cy


@pytest.mark.parametrize("lens", [PERSPECTIVE, FISHEYE], ids=["perspective", "fisheye"])
def test_each_pixel_comes_from_where_its_ray_was_seen(lens):
    """The image holds its own pixel coordinates, so that a resampled one says where each pixel came from."""
    column, row = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    image = np.stack([column, row], axis=-1).astype(np.float32)
    target = lens.rectified()
    found = rectify(image, lens, target, cv2.INTER_LINEAR)
    u, v = seen_by(lens, (column - target.cx) / target.fx, (row - target.cy) / target.fy)
    inside = (u > 1) & (u < lens.width - 1) & (v > 1) & (v < lens.height - 1)
    assert inside.mean() > 0.95  # all pixels see the original image
    assert np.abs(found - np.stack([u, v], -1))[inside].max() < 0.05  # OpenCV interpolates in steps of 1/32 px


@pytest.mark.parametrize("lens", [PERSPECTIVE, FISHEYE], ids=["perspective", "fisheye"])
def test_images_are_those_of_opencv(lens):
    image = np.random.default_rng(0).integers(0, 256, (lens.height, lens.width, 3), np.uint8)
    target, half = lens.rectified(), np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    module = cv2.fisheye if lens.model == "kannala_brandt" else cv2
    maps = module.initUndistortRectifyMap(
        lens.K - half,
        np.array(lens.distortion),
        np.eye(3),
        target.K - half,
        (lens.width, lens.height),
        cv2.CV_32FC1,
    )
    expected = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR)
    found = rectify(image, lens, target, cv2.INTER_LINEAR)
    # Maps are rounded to 1/32 px: next to such a step rounding decides, and the color of 1/32 px is the difference.
    assert (found != expected).mean() < 1e-3


def test_what_cannot_be_rectified_is_refused():
    with pytest.raises(SettingsError, match="equirectangular"):
        Camera("equirectangular", 8, 4, 1.0, 1.0, 4.0, 2.0).rectified()
