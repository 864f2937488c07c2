"""Tetrahedra fill the inside exactly: their outer faces are the surface, and their volumes add up."""

import pytest
import torch
from torch import Tensor

from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.tetrahedra import fill_tetrahedra
from tests.isosurface_cases import gyroid_field, random_field, torus_field


def outer_faces(tetrahedra: Tensor) -> Tensor:
    """Faces that no neighbor has the other way round, seen from outside."""
    a, b, c, d = tetrahedra.unbind(-1)
    faces = torch.cat([torch.stack(f, -1) for f in ((a, c, b), (a, b, d), (b, c, d), (a, d, c))])
    first = faces.argmin(1)
    turned = torch.stack([faces.gather(1, ((first + k) % 3)[:, None])[:, 0] for k in range(3)], -1)
    found: dict[tuple[int, ...], int] = {}
    for face in map(tuple, turned.tolist()):
        mirror = (face[0], face[2], face[1])
        if found.get(mirror, 0):
            found[mirror] -= 1
        else:
            found[face] = found.get(face, 0) + 1
    return torch.tensor([face for face, count in found.items() for _ in range(count)]).reshape(-1, 3)


def volumes(vertices: Tensor, tetrahedra: Tensor) -> Tensor:
    a, b, c, d = vertices[tetrahedra].unbind(1)
    return torch.linalg.det(torch.stack([b - a, c - a, d - a], -1)) / 6


FIELDS = [torus_field(10, 9, 11)[0], gyroid_field(7, 8, 6)[0], -torus_field(10, 9, 11)[0]]
FIELDS += [random_field(4, 5, 3, seed=seed)[0] - 0.3 for seed in range(8)]


@pytest.mark.parametrize("number", range(len(FIELDS)))
@pytest.mark.parametrize("training", [True, False])
def test_outer_faces_are_the_surface_and_volumes_add_up(number: int, training: bool):
    field = FIELDS[number]
    cubes = FlexiCubes([n - 1 for n in field.shape], weights=False, deform=False).train(training)
    surface = cubes(field)
    vertices, tetrahedra = fill_tetrahedra(surface, cubes.grid_points().double())
    outer = outer_faces(tetrahedra)
    canonical = [surface.faces.gather(1, ((surface.faces.argmin(1) + k) % 3)[:, None])[:, 0] for k in range(3)]
    assert sorted(map(tuple, outer.tolist())) == sorted(map(tuple, torch.stack(canonical, -1).tolist()))
    a, b, c = surface.vertices[surface.faces].unbind(1)
    enclosed = (a * torch.linalg.cross(b, c)).sum() / 6
    assert volumes(vertices, tetrahedra).sum().item() == pytest.approx(enclosed.item(), rel=1e-9)


def test_tetrahedra_of_a_smooth_surface_are_positive():
    cubes = FlexiCubes(16, weights=False, deform=False).eval()
    surface = cubes(torus_field(16, 16, 16)[0])
    assert (volumes(*fill_tetrahedra(surface, cubes.grid_points().double())) > 0).all()


def test_deformed_grids_are_filled_as_well():
    cubes = FlexiCubes(6)
    field = random_field(6, 6, 6)[0]
    cubes(field)
    for parameter in cubes.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    surface = cubes(field)
    vertices, tetrahedra = fill_tetrahedra(surface, cubes.moved_points(surface).double())
    a, b, c = surface.vertices[surface.faces].unbind(1)
    enclosed = (a * torch.linalg.cross(b, c)).sum().detach() / 6
    assert volumes(vertices, tetrahedra).sum().item() == pytest.approx(enclosed.item(), rel=1e-6)


def test_open_surfaces_and_batches_are_refused():
    cubes = FlexiCubes(4, closed=False)
    with pytest.raises(ValueError, match="surface: expected a closed one"):
        fill_tetrahedra(cubes(random_field(4, 4, 4)[0]), cubes.grid_points())
    closed = FlexiCubes(4)
    with pytest.raises(ValueError, match="of a single field"):
        fill_tetrahedra(closed(random_field(4, 4, 4, fields=2)), closed.grid_points())
