"""Pinholes cut from panoramas against the same pinholes rendered from the panorama's center."""

import numpy as np
import pytest

from splatkit.capture.images.panoramas.cuts import (
    DIRECTIONS,
    averaged,
    blind_directions,
    continued,
    cut,
    cut_camera,
    nadir_mask,
    panorama_camera,
)
from tests.capture.images.box_room import level_pose, render

WIDTH = 640
POSE = level_pose((2.3, 2.1, 1.4), 33)


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    return continued(averaged(render(panorama_camera(WIDTH, WIDTH // 2), POSE)))


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((image.astype(float) - truth) ** 2).mean()))


@pytest.mark.parametrize("direction", DIRECTIONS["all"], ids=lambda direction: direction.name)
def test_a_cut_is_what_a_pinhole_sees_from_the_same_point(source, direction):
    camera = cut_camera(WIDTH)
    image, truth = cut(source, direction, camera), render(camera, POSE @ direction.T_panorama_cut)
    aligned = psnr(image, truth)
    # 36.3 to 42 dB over the six; half a pixel aside, as with another convention of pixel centers, 27 to 33
    assert aligned > 35
    for shift in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        between = (image.astype(float) + np.roll(image, shift, (0, 1))) / 2
        assert psnr(between, truth) < aligned - 6


def test_pixels_of_a_cut_and_of_the_panorama_are_as_fine_in_the_middle():
    camera = cut_camera(5760)
    assert camera.fx == pytest.approx(5760 / (2 * np.pi), rel=1e-3)
    assert (camera.width, camera.cx) == (camera.height, camera.width / 2)
    assert np.degrees(2 * np.arctan(camera.width / 2 / camera.fx)) == pytest.approx(100)


def test_rows_are_averaged_over_what_one_pixel_of_the_sphere_covers():
    noise = np.random.default_rng(0).integers(0, 256, (128, 256, 1)).astype(np.uint8)
    smooth = averaged(noise)
    assert np.array_equal(smooth[60:68], noise[60:68])  # at the horizon nothing is to be averaged
    row = 10
    latitude = (0.5 - (row + 0.5) / 128) * np.pi
    # the variance of a mean of n independent pixels is that of one through n
    expected = noise[row].std() * np.sqrt(np.cos(latitude))
    assert smooth[row].std() == pytest.approx(expected, rel=0.2)
    assert smooth[row].mean() == pytest.approx(noise[row].mean(), abs=0.6)


def test_what_lies_beyond_the_edges_is_the_other_side():
    panorama = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16, 1)
    around = continued(panorama)[..., 0]
    assert np.array_equal(around[4:12, :4], panorama[:, -4:, 0])
    assert np.array_equal(around[4:12, -4:], panorama[:, :4, 0])
    assert np.array_equal(around[3, 4:20], np.roll(panorama[0, :, 0], 8))
    assert np.array_equal(around[12, 4:20], np.roll(panorama[7, :, 0], 8))


def test_the_nadir_is_a_circle_in_the_cut_that_looks_down():
    camera, (*_, down) = cut_camera(WIDTH), DIRECTIONS["all"]
    ignored = ~nadir_mask(down, camera, 30)
    rows, columns = np.nonzero(ignored)
    radius = np.tan(np.radians(30)) * camera.fx
    assert np.hypot(columns + 0.5 - camera.cx, rows + 0.5 - camera.cy).max() <= radius
    assert ignored.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    assert nadir_mask(DIRECTIONS["all"][0], camera, 30).all()
    # its corners are atan(sqrt(2) tan(50 deg)) = 59.3 deg away from straight down
    assert blind_directions(DIRECTIONS["all"], camera, 59) == []
    assert blind_directions(DIRECTIONS["all"], camera, 60) == [down]
