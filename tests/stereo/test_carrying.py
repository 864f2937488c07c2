"""Results carried back to photographs: planes exactly, edges as they are, nothing where nothing is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splatkit.geometry.camera import Camera
from splatkit.io.transforms_json import Frame
from splatkit.stereo.carrying import ViewSurface, carry_back
from splatkit.stereo.working_views import working_camera
from tests.stereo.scenes import BROWN, FISHEYE, HEMISPHERE, PINHOLE, look

TILTED = np.array([0.16, -0.1, -0.982])
LENSES = pytest.mark.parametrize("lens", [PINHOLE, BROWN, FISHEYE, HEMISPHERE], ids=lambda lens: f"{lens.fx:g}")


def working(lens: Camera, longest: int = 150) -> Camera:
    return working_camera(Frame(look((0, -1, 0), camera=lens), Path("a.png")), longest).camera


def depths_of(plane: np.ndarray, camera: Camera) -> np.ndarray:
    """z-depths [h, w] of the plane n . p = -2; NaN where a pixel has no ray."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.tangents(np.stack([x, y], -1).reshape(-1, 2))
    return (-2 / (rays @ plane[:2] + plane[2])).reshape(camera.height, camera.width)


def surface_of(plane: np.ndarray, camera: Camera) -> ViewSurface:
    depths = depths_of(plane, camera).astype(np.float32)
    normals = np.broadcast_to(plane, (*depths.shape, 3)).astype(np.float32)
    return ViewSurface(depths, depths / 100, normals, np.zeros_like(depths))


@LENSES
def test_planes_stay_planes(lens: Camera):
    camera = working(lens)
    carried = carry_back(surface_of(TILTED, camera), camera, lens)
    known = carried.depths > 0
    assert known.mean() > 0.35
    np.testing.assert_allclose(carried.depths[known], depths_of(TILTED, lens)[known], rtol=3e-6)
    np.testing.assert_allclose(carried.normals[known], np.broadcast_to(TILTED, (known.sum(), 3)), rtol=1e-6)
    np.testing.assert_allclose(carried.sigmas[known], carried.depths[known] / 100, rtol=0.06)


@LENSES
def test_there_is_nothing_where_the_working_camera_does_not_look(lens: Camera):
    camera = working(lens)
    carried = carry_back(
        replace(surface_of(TILTED, camera), background=np.ones((camera.height, camera.width), np.float32)), camera, lens
    )
    x, y = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    rays = lens.rays(np.stack([x, y], -1).reshape(-1, 2))
    inside = camera.project(np.nan_to_num(rays, nan=-1.0))[1].reshape(lens.height, lens.width)
    for values in (carried.depths, carried.sigmas, carried.background, np.abs(carried.normals).sum(-1)):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values != 0, inside)


def test_pixels_of_the_same_image_stay_what_they_are():
    rng = np.random.default_rng(0)
    depths, sigmas, background = (rng.uniform(1, 2, (240, 320)).astype(np.float32) for _ in range(3))
    depths[rng.random(depths.shape) < 0.3] = 0
    normals = rng.normal(size=(240, 320, 3)).astype(np.float32)
    result = ViewSurface(depths, sigmas, normals, background)
    carried = carry_back(result, PINHOLE, PINHOLE)
    np.testing.assert_array_equal(carried.depths == 0, depths == 0)
    np.testing.assert_allclose(carried.depths, depths, rtol=1e-5)
    np.testing.assert_array_equal(carried.sigmas, sigmas)
    np.testing.assert_array_equal(carried.normals, normals)
    np.testing.assert_allclose(carried.background, background, rtol=1e-6)


@pytest.mark.parametrize("normal", [(0, 0, 0), (1, 0, -1e-3), (1, 0, 0)], ids=["none", "edge-on", "along the axis"])
def test_without_a_plane_that_says_more_a_pixel_has_one_depth(normal: tuple[float, float, float]):
    """Working pixels of 2 x 2; planes seen edge-on leave their pixel at once."""
    camera = PINHOLE.reduced(2)
    depths = np.random.default_rng(0).uniform(1, 2, (120, 160)).astype(np.float32)
    normals = np.zeros((120, 160, 3), np.float32)
    normals[:, 79:81] = normal  # about the axis, where this normal's plane is seen edge-on
    carried = carry_back(ViewSurface(depths, depths, normals, depths), camera, PINHOLE)
    np.testing.assert_array_equal(carried.depths, depths.repeat(2, 0).repeat(2, 1))


def test_the_background_is_interpolated():
    camera = PINHOLE.reduced(2)
    ramp = np.broadcast_to((np.arange(160) + 0.5) / 160, (120, 160)).astype(np.float32)
    zero = np.zeros_like(ramp)
    carried = carry_back(ViewSurface(zero, zero, np.zeros((120, 160, 3), np.float32), ramp), camera, PINHOLE)
    expected = np.broadcast_to((np.arange(320) + 0.5) / 320, (240, 320))
    np.testing.assert_allclose(carried.background[:, 1:-1], expected[:, 1:-1], atol=1e-6)
    assert not carried.depths.any()
