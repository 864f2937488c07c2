"""Measured depths, normals and background as views of a surface: carried to pinholes, and mixed with rendered ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.export.surface.measured_views import (
    UNCOMPARED,
    UNKNOWN_SHARE,
    MeasuredView,
    add_measured,
    measured_over_rendered,
    read_measured_view,
    rendered_error,
    see_measured,
)
from splatkit.export.surface.rendered_views import surface_views
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import write_image
from splatkit.io.maps.background_maps import write_background_map
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.io.maps.normal_maps import write_normal_map
from splatkit.runs.dataset_run import DatasetRun
from splatkit.runs.views import RenderedView, RunView

UNIT = 1e-4
NORMAL = np.array([0.3, -0.2, -np.sqrt(1 - 0.13)])  # of a plane that the camera sees
OFFSET = -2.0  # n . x on it
PINHOLE = Camera("pinhole", 48, 36, 50.0, 50.0, 24.0, 18.0)
BENT = Camera("brown_conrady", 48, 36, 50.0, 50.0, 24.0, 18.0, (-0.2, 0.05, 0.0, 0.0))


def plane_depths(camera: Camera) -> np.ndarray:
    """[H, W] z of the plane at pixel centers, by the formula."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.unproject(np.stack([x.ravel(), y.ravel()], -1), np.ones(x.size))
    return (OFFSET / (rays @ NORMAL)).reshape(x.shape)


def plane_view(folder: Path, camera: Camera = PINHOLE) -> RunView:
    """A photograph of the plane with all of its maps; the left quarter is empty."""
    depths = plane_depths(camera)
    empty = np.zeros(depths.shape, bool)
    empty[:, : camera.width // 4] = True
    depths[empty] = 0
    write_image(folder / "photograph.png", np.full((*depths.shape, 3), 100, np.uint8))
    write_depth_map(folder / "depth.png", depths, UNIT)
    write_depth_sigmas(folder / "sigma.png", 0.01 * depths, UNIT)
    write_normal_map(folder / "normal.png", np.where(empty[..., None], 0, NORMAL))
    write_background_map(folder / "background.png", empty.astype(np.float32))
    return RunView(
        folder / "photograph.png",
        PosedCamera("photograph.png", camera, np.eye(4)),
        camera.rectified(),
        None,
        folder / "depth.png",
        folder / "sigma.png",
        UNIT,
        folder / "normal.png",
        folder / "background.png",
    )


@pytest.mark.parametrize("camera", [PINHOLE, BENT])
@pytest.mark.parametrize("size", [(48, 36), (24, 18), (31, 23)])
def test_a_plane_stays_the_plane_whatever_lens_and_size(tmp_path, camera, size):
    view = plane_view(tmp_path, camera)
    small = view.rendered.scaled(*size)
    found = read_measured_view(view, small)
    there = found.depths > 0
    assert there.mean() > 0.6
    # Rounding to the unit, and the place within a stored pixel, which its plane makes up for.
    np.testing.assert_allclose(found.depths[there], plane_depths(small)[there], rtol=1e-4)
    np.testing.assert_allclose(found.sigmas[there], 0.01 * found.depths[there], rtol=0.02)
    np.testing.assert_allclose(found.normals[there], np.broadcast_to(NORMAL, found.normals[there].shape), atol=1e-4)
    assert found.empty[:, : size[0] // 8].all()
    assert not (found.empty & there).any()


def test_depths_may_be_smaller_than_their_photograph(tmp_path):
    view = plane_view(tmp_path)
    write_depth_map(tmp_path / "depth.png", plane_depths(PINHOLE.scaled(24, 18)), UNIT)
    write_depth_sigmas(tmp_path / "sigma.png", np.full((18, 24), 0.02), UNIT)
    write_normal_map(tmp_path / "normal.png", np.broadcast_to(NORMAL, (18, 24, 3)))
    found = read_measured_view(view, PINHOLE)
    np.testing.assert_allclose(found.depths, plane_depths(PINHOLE), rtol=1e-4)
    write_normal_map(tmp_path / "normal.png", np.broadcast_to(NORMAL, (36, 48, 3)))
    with pytest.raises(DatasetError, match=r"normal\.png: the normal map has 48x36 px, its depths 24x18"):
        read_measured_view(view, PINHOLE)


def test_a_spread_that_is_not_finite_spoils_no_weight():
    rendered = rendered_view(torch.full((20, 20), 2.0), spread=float("nan"))
    seen = add_measured(rendered, measured_view(np.zeros((20, 20)), 0.0))
    assert seen.sigmas is not None
    np.testing.assert_allclose(seen.sigmas, 0.02, rtol=1e-5)


def test_what_a_mask_excludes_is_neither_measured_nor_empty(tmp_path):
    mask = np.full((36, 48), 255, np.uint8)
    mask[:18] = 0
    write_image(tmp_path / "mask.png", np.repeat(mask[..., None], 3, 2))
    found = read_measured_view(replace(plane_view(tmp_path), mask_path=tmp_path / "mask.png"), PINHOLE)
    assert not found.depths[:18].any()
    assert not found.empty[:18].any()
    assert found.depths[18:, 12:].all()
    assert found.empty[18:, :12].all()


def test_without_deviations_a_depth_errs_by_one_percent(tmp_path):
    found = read_measured_view(replace(plane_view(tmp_path), depth_sigma_path=None), PINHOLE)
    np.testing.assert_allclose(found.sigmas, UNKNOWN_SHARE * found.depths)


def test_a_view_that_is_only_measured(tmp_path):
    view = plane_view(tmp_path)
    seen = see_measured(view, view.posed)
    empty = torch.zeros(36, 48, dtype=torch.bool)
    empty[:, :12] = True
    assert torch.equal(seen.alphas, torch.where(empty, 0.0, 1.0))
    assert torch.equal(seen.depths == 0, empty)
    assert seen.measured is not None
    assert torch.equal(seen.measured, ~empty)
    np.testing.assert_allclose(seen.colors, 100 / 255, rtol=1e-6)


def rendered_view(depths: torch.Tensor, spread: float = 0.0, alpha: float = 1.0) -> RenderedView:
    """A wall at some depths, as a run renders it."""
    ones = torch.ones_like(depths)
    camera = Camera("pinhole", depths.shape[1], depths.shape[0], 100.0, 100.0, 10.0, 10.0)
    facing = torch.tensor([0.0, 0, -1]).expand(*depths.shape, 3)
    return RenderedView(
        PosedCamera("", camera, np.eye(4)), depths, spread * ones, facing, alpha * ones, facing.abs() * 0.5
    )


def measured_view(depths: np.ndarray, sigma: float) -> MeasuredView:
    """Depths that all err as much."""
    return MeasuredView(
        depths.astype(np.float32),
        np.where(depths > 0, sigma, 0).astype(np.float32),
        np.zeros((*depths.shape, 3), np.float32),
        np.zeros(depths.shape, bool),
    )


def test_what_rendered_depths_err_is_told_by_measured_ones():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 200, generator=generator)
    rendered = rendered_view(2 + 0.03 * noise)  # a footprint is 0.02
    measured = torch.full((200, 200), 2.0)
    assert rendered_error(rendered, measured, torch.full((200, 200), 1e-4)) == pytest.approx(1.5, rel=0.03)
    # What is the measurement's own does not count: here all.
    assert rendered_error(rendered, measured, torch.full((200, 200), 0.04)) == pytest.approx(0.3)
    assert rendered_error(rendered, torch.zeros(200, 200), torch.zeros(200, 200)) == UNCOMPARED


def test_depths_of_another_unit_stand_out():
    rendered = rendered_view(torch.full((20, 20), 2.0))
    depths = np.full((20, 20), 0.002)
    depths[:8] = 0  # not measured
    assert measured_over_rendered(rendered, measured_view(depths, 1e-5)) == pytest.approx(1e-3)
    depths[:16] = 0
    assert measured_over_rendered(rendered, measured_view(depths, 1e-5)) is None  # fewer than 100 pixels


def test_depths_that_agree_are_averaged_by_their_variances():
    depths = np.zeros((20, 20))
    depths[0, 0] = 2.01
    seen = add_measured(rendered_view(torch.full((20, 20), 2.0)), measured_view(depths, 0.02))
    # A footprint of 0.02 is what rendered depths err, as nothing tells: as much as this measurement.
    assert float(seen.depths[0, 0]) == pytest.approx(2.005, abs=1e-4)
    assert seen.sigmas is not None
    assert float(seen.sigmas[0, 0]) == pytest.approx(0.02 / 2**0.5, rel=0.01)
    assert float(seen.depths[5, 5]) == 2
    assert float(seen.sigmas[5, 5]) == pytest.approx(0.02)
    assert seen.measured is not None
    assert torch.equal(seen.measured, torch.from_numpy(depths > 0))


@pytest.mark.parametrize(
    ("rendered", "alpha", "expected"),
    [
        (3.0, 1.0, 2.0),  # rendered behind what was measured: as when splats are missing
        (1.0, 1.0, 1.0),  # something opaque before it: a thin thing that comparing photographs paints over
        (1.0, 0.6, 2.0),  # something faint before it: a floater
    ],
)
def test_where_depths_disagree(rendered, alpha, expected):
    depths = np.zeros((20, 20))
    depths[:4, :5] = 2  # too few to tell what rendered depths err
    seen = add_measured(rendered_view(torch.full((20, 20), rendered), alpha=alpha), measured_view(depths, 0.002))
    assert float(seen.depths[0, 0]) == pytest.approx(expected)
    assert seen.measured is not None
    assert bool(seen.measured[0, 0]) == (expected == 2)


def test_where_nothing_is_nothing_is_rendered():
    measured = replace(measured_view(np.zeros((20, 20)), 0.0), empty=np.ones((20, 20), bool))
    seen = add_measured(rendered_view(torch.full((20, 20), 2.0)), measured)
    assert not seen.depths.any()
    assert not seen.alphas.any()


def test_a_measured_surface_needs_measurements(tmp_path):
    view = replace(plane_view(tmp_path), depth_path=None)
    with pytest.raises(DatasetError, match="no photograph has a depth map"):
        surface_views(DatasetRun((view,), (), tmp_path), "measured", 1000)


def test_a_damaged_map_is_named(tmp_path):
    view = plane_view(tmp_path)
    (tmp_path / "normal.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"normal\.png"):
        surface_views(DatasetRun((view,), (), tmp_path), "both", 1000)
