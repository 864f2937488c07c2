"""Surfaces on octrees: closed manifolds whatever the leaves and the field, and those of FlexiCubes on a grid."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.evaluation.mesh_topology import MeshTopology, measure_topology
from splatkit.isosurface.octree import Octree
from splatkit.isosurface.octree_surface import OctreeSurface, extract_octree
from splatkit.ops.isosurface import find_surface, surface_faces, surface_vertices
from tests.isosurface_cases import gyroid_field


def random_octree(resolution: int, levels: int, seed: int, share: float = 0.4) -> Octree:
    """Neighbors may differ by any number of levels."""
    generator = torch.Generator().manual_seed(seed)
    return Octree.divide(resolution, levels, lambda low, _: torch.rand(len(low), generator=generator) < share)


def random_values(octree: Octree, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(len(octree.vertices), dtype=torch.float64, generator=generator) + shift
    return torch.where(octree.on_border, values.abs() + 0.01, values)


def near_sphere(low: Tensor, high: Tensor) -> Tensor:
    """Cells that a sphere of radius 0.7 can pass."""
    return (((low + high) / 2).norm(dim=-1) - 0.7).abs() <= (high - low).norm(dim=-1) / 2


def sphere_surface(octree: Octree) -> OctreeSurface:
    return extract_octree(octree, octree.points().norm(dim=-1) - 0.7)


def test_leaves_fill_the_box_and_edges_and_faces_are_whole():
    octree = random_octree(3, 3, seed=0)
    assert int((octree.sizes**3).sum()) == octree.resolution**3
    cells = torch.cartesian_prod(*[torch.arange(octree.resolution)] * 3)
    leaf = octree.leaf_at(cells)
    assert (torch.bincount(leaf) == octree.sizes**3).all()
    assert ((cells >= octree.corners[leaf]) & (cells < (octree.corners + octree.sizes[:, None])[leaf])).all()
    assert octree.leaf_at(torch.tensor([[-1, 0, 0], [0, octree.resolution, 0]])).tolist() == [-1, -1]
    # Every face of the finest grid between two leaves is part of one minimal face, which has these leaves.
    area, pairs = 0, set()
    for axis in range(3):
        step = torch.eye(3, dtype=torch.int64)[axis]
        behind = octree.leaf_at(cells + step)
        between = (behind >= 0) & (behind != leaf)
        area += int(between.sum())
        pairs |= set(zip(leaf[between].tolist(), behind[between].tolist(), strict=True))
    sides = (octree.vertices[octree.faces.corners[:, 2]] - octree.vertices[octree.faces.corners[:, 0]]).max(1).values
    assert int((sides**2).sum()) == area
    assert set(map(tuple, octree.faces.leaves.tolist())) == pairs
    assert len(octree.faces.leaves) == len(pairs)


def test_dividing_vertices_take_means_so_that_values_are_linear_on_large_edges_and_faces():
    octree = Octree.divide(2, 3, lambda low, _: low[:, 0] < -1e-9)
    points = octree.points()
    values = points @ torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64) + points.prod(1)
    expected = values.clone()
    noise = random_values(octree, 0)
    at_corners = torch.zeros(len(values), dtype=torch.bool)
    at_corners[octree.leaf_vertices[octree.sizes == 8]] = True  # of undivided leaves
    on_plane = octree.vertices[:, 0] == 8
    hanging = on_plane & ~at_corners
    assert hanging.sum() == 17**2 - 9
    found = octree.constrain(torch.where(hanging, noise, values))
    assert torch.allclose(found, expected, atol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    resolution=st.integers(1, 4),
    levels=st.integers(0, 4),
    seed=st.integers(0, 2**20),
    shift=st.floats(-1.5, 1.0),
    share=st.floats(0.05, 0.6),
)
def test_surfaces_of_random_fields_on_random_octrees_are_closed_manifolds(
    resolution: int, levels: int, seed: int, shift: float, share: float
):
    octree = random_octree(resolution, levels, seed, share)
    values = random_values(octree, seed, shift)
    for centers in (False, True):
        surface = extract_octree(octree, values, centers=centers)
        topology = measure_topology(surface.mesh)
        assert topology.watertight
        assert topology.flipped_edges == 0
        assert topology.non_manifold_vertices == 0  # the paper leaves one
        a, b, c = surface.vertices[surface.faces].unbind(1)
        assert (a * torch.linalg.cross(b, c)).sum() >= -1e-9  # the outside lies outside


def test_without_the_sign_constraint_surfaces_would_branch(monkeypatch: pytest.MonkeyPatch):
    """What the constraint is for: the same octrees and fields without it."""
    octrees = [random_octree(2, 3, seed) for seed in range(4)]
    fields = [random_values(octree, 0, 0.3) for octree in octrees]

    def broken() -> int:
        surfaces = [extract_octree(o, v, centers=True) for o, v in zip(octrees, fields, strict=True)]
        found: list[MeshTopology] = [measure_topology(s.mesh) for s in surfaces]
        return sum(t.boundary_edges + t.non_manifold_edges + t.non_manifold_vertices for t in found)

    assert broken() == 0
    monkeypatch.setattr(Octree, "constrain", lambda _, values: values)
    assert broken() > 0


@pytest.mark.parametrize("centers", [False, True])
def test_on_a_grid_surface_and_gradients_are_those_of_flexicubes(centers: bool):
    """Gyroids, whose cells have several vertices, ambiguous faces and problem cases, with all weights."""
    cells = 9
    octree = Octree.divide(cells, 0, near_sphere)
    field = gyroid_field(cells, cells, cells)[0]
    border = torch.ones_like(field, dtype=torch.bool)
    border[1:-1, 1:-1, 1:-1] = False
    field = torch.where(border, field.abs() + 0.1, field)
    topology = find_surface(field[None])
    generator = torch.Generator().manual_seed(0)
    shapes = {"alphas": (cells**3, 8), "betas": (cells**3, 12), "gammas": (cells**3,)}
    leaves = {"field": field.reshape(-1).clone()}
    for name, shape in shapes.items():
        leaves[name] = torch.rand(shape, dtype=torch.float64, generator=generator) + 0.3
    leaves = {name: leaf.requires_grad_() for name, leaf in leaves.items()}
    place = octree.vertices
    values = leaves["field"][(place[:, 0] * (cells + 1) + place[:, 1]) * (cells + 1) + place[:, 2]]
    c = octree.corners
    at_leaf = (c[:, 0] * cells + c[:, 1]) * cells + c[:, 2]
    mine = extract_octree(octree, values, *(leaves[name][at_leaf] for name in shapes), centers=centers)

    rows = topology.grid_vertices
    points = topology.coordinates.double() * (2 / cells) - 1
    weights = {name: leaves[name][topology.cells] for name in shapes}
    vertices, deviations = surface_vertices(
        topology, leaves["field"][rows], points, **weights, centers=centers, deviations=True
    )
    faces = surface_faces(topology, vertices, weights["gammas"].detach(), centers)
    distance, match = cKDTree(vertices.detach().numpy()).query(mine.vertices.detach().numpy())
    assert distance.max() < 1e-12
    assert len(np.unique(match)) == len(vertices)

    def triangles(indices: Tensor) -> list[tuple[int, ...]]:
        turned = [(indices.argmin(1)[:, None] + k) % 3 for k in range(3)]
        return sorted(map(tuple, torch.stack([indices.gather(1, t)[:, 0] for t in turned], -1).tolist()))

    assert triangles(torch.from_numpy(match)[mine.faces]) == triangles(faces)
    pull = torch.randn(vertices.shape, dtype=torch.float64, generator=generator)
    losses = ((mine.vertices * pull[match]).sum() + mine.deviations.sum(), (vertices * pull).sum() + deviations.sum())
    for a, b in zip(*(torch.autograd.grad(x, list(leaves.values()), allow_unused=True) for x in losses), strict=True):
        if a is None or b is None:  # gammas without centers
            assert a is None or not a.any()
            continue
        assert torch.allclose(a, b, atol=1e-10)


def test_gradients_pass_gradcheck():
    octree = random_octree(2, 2, seed=3)
    generator = torch.Generator().manual_seed(0)
    leaves = [random_values(octree, 1, -0.3)]
    for shape in ((len(octree.sizes), 8), (len(octree.sizes), 12), (len(octree.sizes),)):
        leaves.append(torch.rand(shape, dtype=torch.float64, generator=generator) + 0.3)
    assert len(set(octree.sizes.tolist())) == 3

    def run(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        surface = extract_octree(octree, *tensors, centers=True)
        return surface.vertices, surface.deviations

    assert torch.autograd.gradcheck(run, [leaf.requires_grad_() for leaf in leaves], fast_mode=True)


def test_finer_leaves_near_a_sphere_bring_its_surface_nearer():
    errors, leaves = [], []
    for levels in range(4):
        octree = Octree.divide(6, levels, near_sphere)
        surface = sphere_surface(octree)
        assert measure_topology(surface.mesh) == MeshTopology(0, 0, 0, 0, 1, 2)
        errors.append(float((surface.vertices.norm(dim=-1) - 0.7).abs().max()))
        leaves.append(len(octree.sizes))
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine > 3.0  # quadratic: 4
    assert leaves[3] < 0.2 * 48**3


def test_a_sphere_over_leaves_of_different_sizes_is_closed_and_fine_where_they_are():
    octree = Octree.divide(6, 3, lambda low, high: near_sphere(low, high) & (low[:, 0] > -1e-9))
    surface = sphere_surface(octree)
    assert measure_topology(surface.mesh) == MeshTopology(0, 0, 0, 0, 1, 2)
    error = (surface.vertices.norm(dim=-1) - 0.7).abs()
    fine = surface.vertices[:, 0] > 0.05
    assert error[fine].max() < 0.05 * error[~fine].max()


def test_training_moves_a_surface_on_an_octree():
    octree = Octree.divide(5, 2, lambda low, high: near_sphere(low, high) & (low[:, 1] > -1e-9))
    values = (octree.points().norm(dim=-1) - 0.5).float()
    values = torch.nn.Parameter(values)
    optimizer = torch.optim.Adam([values], lr=0.02)
    for _ in range(40):
        surface = extract_octree(octree, values, centers=True)
        loss = (surface.vertices.norm(dim=-1) - 0.7).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3
    assert measure_topology(surface.mesh).watertight


def test_all_outside_is_an_empty_surface():
    octree = random_octree(2, 2, seed=0)
    for centers in (False, True):
        surface = extract_octree(octree, torch.zeros(len(octree.vertices)), centers=centers)
        assert [len(surface.vertices), len(surface.faces), len(surface.deviations)] == [0, 0, 0]


def test_fields_that_have_no_surface_are_refused():
    octree = random_octree(2, 1, seed=0)
    ones = torch.ones(len(octree.vertices))
    with pytest.raises(ValueError, match="negative on the border of the box"):
        extract_octree(octree, -ones)
    with pytest.raises(ValueError, match="expected finite values"):
        extract_octree(octree, ones * torch.nan)
    with pytest.raises(ValueError, match="values: expected shape"):
        extract_octree(octree, ones[1:])
    with pytest.raises(ValueError, match="expected a tensor on the CPU"):
        extract_octree(octree, ones.to("meta"))
    with pytest.raises(ValueError, match="betas: expected shape"):
        extract_octree(octree, ones, betas=torch.ones(len(octree.sizes), 8))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"resolution": 0, "levels": 0}, "resolution, levels: expected"),
        ({"resolution": 2, "levels": -1}, "resolution, levels: expected"),
        ({"resolution": 2, "levels": 17}, "resolution, levels: expected"),
        ({"resolution": 2, "levels": 0, "high": (1, -2, 1)}, "low, high: expected"),
        ({"resolution": 2, "levels": 1, "wanted": lambda low, _: low}, r"wanted: expected \[8\] bool"),
    ],
)
def test_octrees_that_are_none_are_refused(arguments, match: str):
    with pytest.raises(ValueError, match=match):
        Octree.divide(**{"wanted": near_sphere, **arguments})


def test_octrees_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("splatkit.memory.available_bytes", lambda: 10**6)
    with pytest.raises(MemoryError, match=r"the octree needs about .* divide fewer cells"):
        Octree.divide(4, 3, near_sphere)
    with pytest.raises(MemoryError, match="begin with fewer cells"):
        Octree.divide(1000, 0, near_sphere)
