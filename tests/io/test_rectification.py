"""Rectified images show what the lens's own formula says."""

import cv2
import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.rectification import is_distorted, rectified_matrix, rectify
from splatkit.io.transforms_json import Intrinsics

PERSPECTIVE = Intrinsics("OPENCV", 160, 120, 110.0, 112.0, 82.0, 59.0, (-0.15, 0.03, 0.002, 0.0, 1e-3, -2e-3))
FISHEYE = Intrinsics("OPENCV_FISHEYE", 160, 120, 80.0, 81.0, 80.5, 60.5, (0.02, -0.01, 0.003, -0.001, 0.0, 0.0))


def seen_by(lens: Intrinsics, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, the first one's center at 0.5, of rays (x, y, 1): the lens's formula, written out."""
    k1, k2, k3, k4, p1, p2 = lens.distortion
    r2 = x**2 + y**2
    if lens.camera_model == "OPENCV_FISHEYE":
        angle = np.arctan(np.sqrt(r2))
        factor = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
        factor = factor / np.maximum(np.sqrt(r2), 1e-12)
        u, v = factor * x, factor * y
    else:
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        u = radial * x + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        v = radial * y + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return lens.fl_x * u + lens.cx, lens.fl_y * v + lens.cy


@pytest.mark.parametrize("lens", [PERSPECTIVE, FISHEYE], ids=["perspective", "fisheye"])
def test_each_pixel_comes_from_where_its_ray_was_seen(lens):
    """The image holds its own pixel coordinates, so that a resampled one says where each pixel came from."""
    column, row = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    image = np.stack([column, row], axis=-1).astype(np.float32)
    K = rectified_matrix(lens)
    found = rectify(image, lens, K, cv2.INTER_LINEAR)
    u, v = seen_by(lens, (column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1])
    inside = (u > 1) & (u < lens.width - 1) & (v > 1) & (v < lens.height - 1)
    assert inside.mean() > 0.95  # all pixels see the original image
    assert np.abs(found - np.stack([u, v], -1))[inside].max() < 0.05  # OpenCV interpolates in steps of 1/32 px


def test_a_fisheye_is_never_a_pinhole():
    assert is_distorted(Intrinsics("OPENCV_FISHEYE", 8, 8, 4.0, 4.0, 4.0, 4.0))
    assert not is_distorted(Intrinsics("OPENCV", 8, 8, 4.0, 4.0, 4.0, 4.0))


def test_what_cannot_be_rectified_is_refused():
    with pytest.raises(DatasetError, match="equirectangular"):
        rectified_matrix(Intrinsics("EQUIRECTANGULAR", 8, 4, 1.0, 1.0, 4.0, 2.0))
    with pytest.raises(DatasetError, match="no k4"):
        rectified_matrix(Intrinsics("OPENCV", 8, 8, 4.0, 4.0, 4.0, 4.0, (0.1, 0.0, 0.0, 0.1, 0.0, 0.0)))
