"""Dual contouring: a box comes back with its edges and corners."""

import pytest
import torch
from torch import Tensor

from splatkit.evaluation.mesh_topology import measure_topology, self_intersecting_faces
from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.sharp_features import extract_sharp

_HALF = torch.tensor([0.61, 0.43, 0.52])


def box_field(points: Tensor) -> Tensor:
    """Largest signed distance to the planes of a box."""
    return (points.abs() - _HALF.to(points)).amax(-1)


def box_gradient(points: Tensor) -> Tensor:
    leaf = points.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(box_field(leaf).sum(), leaf)[0]


def test_a_box_between_the_grid_planes_is_exact():
    surface = extract_sharp(FlexiCubes((14, 15, 13)), box_field, box_gradient)
    mesh = surface.mesh
    assert box_field(surface.vertices).abs().max() < 2e-3  # the pull toward the mean
    a, b, c = surface.vertices[surface.faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert volume.item() == pytest.approx(8 * float(_HALF.prod()), rel=3e-3)
    crosses = torch.linalg.cross(b - a, c - a)
    areas = crosses.norm(dim=-1) / 2
    aligned = (crosses.abs().amax(-1) / crosses.norm(dim=-1).clamp_min(1e-12)) > 0.999
    assert areas[aligned].sum() / areas.sum() > 0.995
    assert measure_topology(mesh).watertight
    assert not self_intersecting_faces(mesh).any()


def test_vertices_stay_in_their_cells():
    """Planes that are nearly parallel meet far away."""

    def field(points: Tensor) -> Tensor:
        return torch.maximum(points[:, 2] - 0.3 * points[:, 0].abs(), points.norm(dim=-1) - 0.8)

    def gradient(points: Tensor) -> Tensor:
        leaf = points.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(field(leaf).sum(), leaf)[0]

    cubes = FlexiCubes(11)
    surface = extract_sharp(cubes, field, gradient)
    plain = cubes.eval()(field)
    assert (surface.vertices - plain.vertices).abs().max() <= cubes.spacing.max() + 1e-6
    assert measure_topology(surface.mesh).watertight
