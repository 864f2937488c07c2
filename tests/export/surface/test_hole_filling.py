"""A sphere with a hole that no view has depths in: filled, unless a view looks through it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from splatkit.evaluation.mesh_topology import measure_topology
from splatkit.export.surface.field_grid import FieldGrid
from splatkit.export.surface.hole_filling import fill_holes
from splatkit.export.surface.make_surface import make_surface
from splatkit.export.surface.rendered_views import RenderedViews
from splatkit.export.surface.view_planes import PlaneViews
from splatkit.geometry.se3 import transform_points
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RenderedView
from tests.export.surface.test_fusion import CAMERA, FUSED, RADIUS, SIZE, SphereRun, radii

HOLE = torch.tensor([0.0, RADIUS, 0.0], dtype=torch.float64)
VOXEL = 0.018
WIDE = 0.06  # radius of the hole, 3.3 voxels


def points_of(view: RenderedView) -> torch.Tensor:
    """[H, W, 3] world."""
    grid = torch.arange(SIZE, dtype=torch.float64) + 0.5
    pixels = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    local = CAMERA.unproject(pixels, view.depths.double())
    return transform_points(torch.tensor(view.posed.T_world_camera), local.reshape(-1, 3)).reshape(local.shape)


def pierced(radius: float, alpha: float) -> SphereRun:
    """The sphere without depths round HOLE: at 0, a pixel there shows that nothing is there."""
    run = SphereRun(count=16)
    for n, view in enumerate(run.views):
        hole = ((points_of(view) - HOLE).norm(dim=-1) < radius) & (view.depths > 0)
        depths, alphas = torch.where(hole, 0, view.depths), torch.where(hole, alpha, view.alphas)
        run.views[n] = view._replace(depths=depths, alphas=alphas)
    return run


def in_hole(mesh: Mesh, radius: float) -> np.ndarray:
    """[V] which vertices lie well within it."""
    return np.linalg.norm(mesh.vertices - HOLE.numpy(), axis=1) < 0.7 * radius


def made(run: SphereRun, **settings: Any) -> tuple[Mesh, dict[str, Any]]:
    """The mesh, and what filling says."""
    surface = make_surface(run, replace(FUSED, **settings))
    steps = {step["step"]: step for step in surface.record["steps"]}
    return surface.mesh, steps.get("fill holes", {})


def test_a_hole_that_views_know_nothing_of_is_filled():
    run = pierced(WIDE, alpha=0.3)
    opened, _ = made(run, fill_voxels=0)
    mesh, said = made(run)
    assert not in_hole(opened, WIDE).any()
    filled = in_hole(mesh, WIDE)
    assert 12 < filled.sum() <= said["filled_vertices"]
    assert np.abs(radii(mesh)[filled] - RADIUS).max() < VOXEL  # the cap is 0.2 voxels high
    assert measure_topology(mesh).boundary_edges < measure_topology(opened).boundary_edges


def test_nothing_is_filled_that_a_view_looks_through():
    mesh, said = made(pierced(WIDE, alpha=0.0))
    assert said["filled_vertices"] == 0
    assert not in_hole(mesh, WIDE).any()


def test_wide_holes_stay_open_in_the_middle():
    mesh, said = made(pierced(0.2, alpha=0.3), fill_voxels=3)
    assert said["filled_vertices"] > 20
    assert not in_hole(mesh, 0.2).any()


def test_nothing_is_filled_where_no_view_asks():
    """Views that see nothing beside a surface know that nothing is there."""
    assert made(SphereRun(count=4))[1]["filled_vertices"] == 0


def test_a_field_that_is_known_everywhere_stays_as_it_is():
    values = torch.ones(6, 6, 6)
    values[2:4, 2:4, 2:4] = -1
    grid = FieldGrid(torch.zeros(3, dtype=torch.int64), 1.0, values.clone(), torch.ones(6, 6, 6, dtype=torch.bool))
    planes = PlaneViews(RenderedViews(SphereRun(count=2).views), min_alpha=0.5, max_incidence_deg=80, max_depth=None)
    assert fill_holes(grid, planes, 1.0, width=4, min_views=2) == (0, 0)
    assert torch.equal(grid.values, values)
    assert grid.observed.all()


def test_what_is_filled_is_marked_as_doubtful():
    """Its rim is still within what pixels beside it may say."""
    mesh, _ = made(pierced(WIDE, alpha=0.3), refinement_rounds=2, photo_max_pixels=0)
    assert mesh.vertex_sigmas is not None
    filled = in_hole(mesh, 0.8 * WIDE)
    assert filled.sum() > 10
    assert np.nan_to_num(mesh.vertex_sigmas[filled], nan=np.inf).min() > 3 * VOXEL
    assert np.nanmedian(mesh.vertex_sigmas) < 1.5 * VOXEL
    assert np.isfinite(mesh.vertex_sigmas).mean() > 0.8
    kept, _ = made(pierced(WIDE, alpha=0.3), refinement_rounds=2, photo_max_pixels=0, min_confidence=0.1)
    assert not in_hole(kept, 0.8 * WIDE).any()
