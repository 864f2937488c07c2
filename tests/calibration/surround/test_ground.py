"""The ground as cameras see it: there and back, derivatives, and the view from above."""

import cv2
import numpy as np
import pytest

from splatkit.calibration.surround.ground import (
    GroundGrid,
    footprint_sizes,
    ground_points,
    look_down,
    pyramid,
    see_ground,
    under_vehicle,
)
from splatkit.calibration.surround.matching import ground_motion
from tests.calibration.surround.street import CELL, SIDE, make_texture, photograph


def test_pixels_of_places_lead_back_to_them(rig):
    camera, T = rig.cameras[1], rig.T_vehicle_camera[1]
    places = np.random.default_rng(0).uniform((-3, 1.5), (6, 6), (200, 2))
    pixels, _, inside = see_ground(camera, T, places)
    assert inside.sum() > 150
    found, ways = ground_points(camera.rays(pixels[inside]), T)
    np.testing.assert_allclose(found, places[inside], atol=1e-9)
    assert (ways[:, 2] < 0).all()


def test_footprints_are_derivatives(rig):
    camera, T = rig.cameras[0], rig.T_vehicle_camera[0]
    places = np.random.default_rng(1).uniform((4.5, -3), (8, 3), (50, 2))
    pixels, footprints, inside = see_ground(camera, T, places)
    assert inside.all()
    for axis in range(2):
        step = np.zeros(2)
        step[axis] = 1e-4
        ends = [ground_points(camera.rays(pixels + way * step), T)[0] for way in (1, -1)]
        np.testing.assert_allclose(footprints[:, :, axis], (ends[0] - ends[1]) / 2e-4, rtol=1e-5, atol=1e-8)
    assert (footprint_sizes(footprints) >= np.linalg.norm(footprints[:, :, 0], axis=1) - 1e-12).all()


def test_rays_above_the_horizon_meet_no_ground(rig):
    found, _ = ground_points(np.array([[0.0, -1.0, 0.1]]), rig.T_vehicle_camera[0])
    assert np.isnan(found).all()


def test_the_way_of_a_place_as_its_camera_moves(rig):
    T, place = rig.T_vehicle_camera[2], np.array([-2.5, 0.8])
    ray = np.append(place, 0.0) - T[:3, 3]
    local = (ray @ T[:3, :3])[None]
    motion = ground_motion(place, T)
    for index in range(6):
        moved, step = [], 1e-6
        for way in (step, -step):
            changed = T.copy()
            if index < 3:
                turn = np.cross(np.eye(3)[index], T[:3, :3], axisb=0, axisc=0)
                changed[:3, :3] = T[:3, :3] + way * turn
            else:
                changed[index - 3, 3] += way
            moved.append(ground_points(local, changed)[0][0])
        np.testing.assert_allclose(motion[:, index], (moved[0] - moved[1]) / (2 * step), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("cell", "most"), [(0.02, 1.5), (0.08, 5.0)])
def test_the_view_from_above_is_the_ground(rig, cell, most):
    """Beside the texture itself, whose deviation is 27 to 34, without what is finer than the grid."""
    texture = cv2.GaussianBlur(make_texture(3, contrast=60.0), (0, 0), 3)  # about as fine as a pixel
    gray = photograph(rig, texture, np.eye(4))[0]
    grid = GroundGrid((4.6, -1.2), cell, (int(2.4 / cell), int(1.6 / cell)))
    seen = look_down(pyramid(gray), rig.cameras[0], rig.T_vehicle_camera[0], grid)
    size = int(cell / CELL)
    first = [int(np.round(low / CELL)) + SIDE // 2 - size // 2 for low in grid.low]
    rows, columns = grid.shape
    part = cv2.GaussianBlur(texture, (0, 0), 0.7 * size)[first[1] :, first[0] :][: rows * size, : columns * size]
    exact = part.reshape(rows, size, columns, size).mean((1, 3))
    assert np.abs(seen - exact)[2:-2, 2:-2].mean() < most
    assert np.corrcoef(seen.ravel(), exact.ravel())[0, 1] > 0.97


def test_below_the_vehicle_is_the_polygon_of_its_cameras(rig):
    places = np.array([[1.0, 0.0], [2.0, 0.5], [5.0, 0.0], [2.0, 2.0]])
    assert under_vehicle(places, rig.centers).tolist() == [True, True, False, False]
    assert not under_vehicle(places, rig.centers[:2]).any()


def test_the_size_of_a_footprint_is_its_largest_singular_value():
    footprints = np.random.default_rng(0).normal(size=(100, 2, 2))
    expected = np.linalg.svd(footprints, compute_uv=False)[:, 0]
    np.testing.assert_allclose(footprint_sizes(footprints), expected, rtol=1e-12)
