"""Stereo beside what was measured, and units of depth for worlds of any scale."""

import numpy as np
import pytest

from splatkit.capture.dataset import CapturedFrame
from splatkit.capture.stereo.maps import add_surface, choose_depth_unit, combine_depths
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, LARGEST_DEPTH, DepthMap
from splatkit.stereo.carrying import ViewSurface

CAMERA = Camera("pinhole", 3, 1, 3.0, 3.0, 1.5, 0.5)


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_measured_depths_stay_and_stereo_fills_in_between():
    measured = DepthMap(row(0, 2, 3), row(0, 0.02, 0))
    combined = combine_depths(measured, DepthMap(row(1, 1, 0), row(0.1, 0.1, 0)))
    np.testing.assert_array_equal(combined.depths, row(1, 2, 3))
    np.testing.assert_array_equal(combined.sigmas, row(0.1, 0.02, 0))  # the last one is not known and stays so


def test_without_measured_depths_there_are_those_of_stereo():
    stereo = DepthMap(row(1, 0, 2), row(0.1, 0, 0.1))
    assert combine_depths(None, stereo) is stereo


def test_depths_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"expected depths \[1, 2\], got \[1, 3\]"):
        combine_depths(DepthMap(row(1, 2), row(0, 0)), DepthMap(row(1, 2, 3), row(0, 0, 0)))


@pytest.mark.parametrize("background", [None, row(0.2, 0.4, 0.6)])
def test_what_a_frame_has_already_is_kept(background):
    up, ahead = np.array([0, -1, 0], np.float32), np.array([0, 0, -1], np.float32)
    nothing = np.zeros(3, np.float32)
    surface = ViewSurface(row(1, 1, 0), row(0.1, 0.1, 0), np.stack([up, up, nothing])[None], row(0, 0, 1))
    frame = CapturedFrame(
        PosedCamera("a.png", CAMERA, np.eye(4)),
        np.zeros((1, 3, 3), np.uint8),
        normals=np.stack([ahead, nothing, nothing])[None],
        background=background,
    )
    added = add_surface(frame, surface)
    assert added.depth is not None
    assert added.normals is not None
    assert added.background is not None
    np.testing.assert_array_equal(added.normals, np.stack([ahead, up, nothing])[None])
    np.testing.assert_array_equal(added.background, surface.background if background is None else background)
    np.testing.assert_array_equal(added.depth.depths, surface.depths)


def test_where_nothing_is_said_of_the_background_there_is_no_map_of_it():
    zeros = np.zeros((1, 3), np.float32)
    frame = CapturedFrame(PosedCamera("a.png", CAMERA, np.eye(4)), np.zeros((1, 3, 3), np.uint8))
    assert add_surface(frame, ViewSurface(zeros, zeros, np.zeros((1, 3, 3), np.float32), zeros)).background is None


def test_meters_stay_millimeters():
    depths = np.linspace(2, 40, 1000)
    assert choose_depth_unit(depths, 0.002 * depths) == DEPTH_UNIT_M
    assert choose_depth_unit(np.zeros(0), np.zeros(0)) == DEPTH_UNIT_M


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 700.0, 1e6])
def test_a_world_of_any_scale_is_held_whole_and_finely(scale):
    depths = np.random.default_rng(0).uniform(1, 5, 10_000) * scale
    sigmas = 1e-3 * depths
    unit = choose_depth_unit(depths, sigmas)
    assert depths.max() <= LARGEST_DEPTH * unit
    assert np.median(sigmas) >= 2.999 * unit


def test_few_depths_far_away_do_not_cost_the_near_ones_their_precision():
    rng = np.random.default_rng(0)
    depths = np.concatenate([rng.uniform(1, 2, 9_950), rng.uniform(1e3, 1e4, 50)])
    sigmas = 1e-4 * depths
    unit = choose_depth_unit(depths, sigmas)
    assert np.median(sigmas) >= 2.999 * unit
    assert 40 <= (depths > LARGEST_DEPTH * unit).sum() <= 60


def test_where_both_cannot_be_had_one_percent_is_given_up_at_most():
    depths = np.geomspace(1, 1e5, 10_000)
    unit = choose_depth_unit(depths, 1e-5 * depths)
    assert (depths > LARGEST_DEPTH * unit).mean() <= 0.01
