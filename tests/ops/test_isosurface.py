"""Native surfaces against their definition, on every backend; what a surface promises; bad input."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from splatkit import memory, ops
from splatkit.ops.isosurface import SurfaceTopology, find_surface, surface_faces, surface_vertices, weights_in_range
from splatkit.reference import isosurface as reference
from tests.helpers import relative_error
from tests.isosurface_cases import assert_closed_manifold, gyroid_field, random_field, torus_field
from tests.splat_scenes import Backend

FIELDS = {
    "torus": torus_field(9, 8, 10),
    "gyroid": gyroid_field(7, 8, 6),
    "random": random_field(5, 4, 6),
    "long": random_field(2, 1, 140, seed=1),  # over several segments of 64
}


def weights_for(topology: SurfaceTopology, features: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random weights, and points moved from the grid."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, dtype=torch.float64, generator=generator)

    cells, rows = len(topology.cases), len(topology.coordinates)
    places = topology.coordinates.cpu().double() + 0.8 * (uniform(rows, 3) - 0.5)
    return {
        "points": torch.cat([places, uniform(rows, features)], -1),
        "alphas": uniform(cells, 8) * 1.9 + 0.05,
        "betas": uniform(cells, 12) * 1.9 + 0.05,
        "gammas": uniform(cells) * 0.9 + 0.05,
    }


def values_at(field: Tensor, topology: SurfaceTopology) -> Tensor:
    return field.reshape(-1)[topology.grid_vertices.to(field.device)]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("closed", [True, False])
def test_topology_is_that_of_the_definition(backend: Backend, name: str, closed: bool):
    field = FIELDS[name]
    topology = find_surface(field.to(backend.device, backend.real), closed)
    expected = reference.find_topology(field[0], closed)
    assert topology.cases.tolist() == expected.cases
    assert topology.corners.tolist() == expected.corners
    assert [tuple(place) for place in topology.coordinates.tolist()] == expected.grid_vertices
    assert topology.quads.tolist() == expected.quads
    crossings = [crossing.vertex for crossing in expected.crossings]
    found = topology.first_vertex.tolist()
    assert found == [0, *(1 + max(c.vertex for c in expected.crossings if c.cell == a) for a in range(len(found) - 1))]
    assert len(topology.crossing_quads) == len(crossings)
    for crossing, code in zip(crossings, topology.crossing_quads.tolist(), strict=True):
        if code >= 0:
            assert expected.quads[code // 4][code % 4] == crossing
    assert (topology.crossing_quads >= 0).sum() == 4 * len(expected.quads)
    sizes = field.shape[1:]
    ids = [(x * (sizes[1] - 1) + y) * (sizes[2] - 1) + z for x, y, z in expected.cells]
    within = [all(0 <= c < n - 1 for c, n in zip(cell, sizes, strict=True)) for cell in expected.cells]
    assert topology.cells.tolist() == [i if real else -1 for i, real in zip(ids, within, strict=True)]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("closed", [True, False])
def test_vertices_and_all_gradients_match_the_definition(backend: Backend, name: str, closed: bool):
    field = FIELDS[name]
    expected_topology = reference.find_topology(field[0], closed)
    topology = find_surface(field.to(backend.device, backend.real), closed)
    weights = {"values": values_at(field, topology), **weights_for(topology)}
    leaves = {key: x.clone().requires_grad_() for key, x in weights.items()}
    corners = [leaves[key] for key in ("values", "points", "alphas", "betas")]
    vertices, deviations = reference.find_vertices(expected_topology, *corners)
    expected = [
        torch.cat([vertices, reference.find_centers(expected_topology, vertices, leaves["gammas"])]),
        deviations,
    ]
    generator = torch.Generator().manual_seed(1)
    v = [torch.randn(x.shape, dtype=torch.float64, generator=generator) for x in expected]
    gradients = torch.autograd.grad(expected, list(leaves.values()), v)

    native = {key: x.to(backend.device, backend.real).requires_grad_() for key, x in weights.items()}
    actual = surface_vertices(topology, **native, centers=True, deviations=True)
    found = torch.autograd.grad(actual, list(native.values()), [x.to(actual[0]) for x in v])
    # Float32 rounds crossings where alphas pull two values of all but equal size apart.
    tolerance = 1e-11 if backend.real == torch.float64 else 2e-4
    for a, e in zip([*actual, *found], [*expected, *gradients], strict=True):
        assert relative_error(a.cpu(), e) < tolerance


@pytest.mark.parametrize("optional", [(), ("alphas",), ("betas",), ("gammas",), ("alphas", "betas", "gammas")])
def test_weights_that_are_left_out_are_ones(backend: Backend, optional: tuple[str, ...]):
    field = FIELDS["gyroid"].to(backend.device, backend.real)
    topology = find_surface(field)
    weights = {key: x.to(field) for key, x in weights_for(topology).items()}
    given_weights = {key: weights[key] for key in ("points", *optional)}
    ones = {key: weights[key] if key in optional else torch.ones_like(weights[key]) for key in weights} | {
        "points": weights["points"]
    }
    results = []
    for chosen in (given_weights, ones):
        leaves = {k: x.clone().requires_grad_() for k, x in {"values": values_at(field, topology), **chosen}.items()}
        vertices, deviations = surface_vertices(topology, **leaves, centers=True, deviations=True)
        (vertices.square().sum() + deviations.sum()).backward()
        results.append([vertices, deviations, *(leaves[key].grad for key in ("values", *given_weights))])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_gradients_pass_gradcheck():
    field = gyroid_field(4, 3, 3, periods=1.3)
    topology = find_surface(field)
    weights = {"values": values_at(field, topology), **weights_for(topology, features=1)}
    leaves = tuple(x.requires_grad_() for x in weights.values())

    def run(*tensors: Any) -> tuple[Tensor, Tensor]:
        leaves = dict(zip(("values", "points", "alphas", "betas", "gammas"), tensors, strict=True))
        return surface_vertices(topology, **leaves, centers=True, deviations=True)

    assert torch.autograd.gradcheck(run, leaves, eps=1e-7, atol=1e-6)


def test_values_of_zero_have_gradients_too():
    """A crossing that lies on a grid vertex still moves with the field."""
    field = torus_field(6, 6, 6)
    field = torch.where(field.abs() < 0.08, 0.0, field)
    topology, found = find_surface(field), reference.find_topology(field[0])
    values = values_at(field, topology)
    assert (values == 0).any()
    points = weights_for(topology, features=0)["points"]
    results = []
    for run in (
        lambda v: surface_vertices(topology, v, points)[0],
        lambda v: reference.find_vertices(found, v, points)[0],
    ):
        leaf = values.clone().requires_grad_()
        results.append(torch.autograd.grad(run(leaf).square().sum(), leaf)[0])
    assert relative_error(*results) < 1e-12


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    cells=st.tuples(*[st.integers(1, 6)] * 3),
    seed=st.integers(0, 2**20),
    density=st.floats(-1.5, 1.5),
)
def test_surfaces_of_random_fields_are_closed_manifolds_within_the_grid(
    cells: tuple[int, int, int], seed: int, density: float
):
    field = random_field(*cells, seed=seed) + density
    topology = find_surface(field)
    if len(topology.quads) == 0:
        assert (field >= 0).all()
        return
    assert_closed_manifold(topology.quads)
    points = topology.coordinates.double()
    values = values_at(field, topology)
    for centers in (False, True):
        vertices, _ = surface_vertices(topology, values, points, centers=centers)
        faces = surface_faces(topology, vertices, centers=centers)
        assert_closed_manifold(faces)
        assert (vertices >= -1e-12).all()
        assert (vertices <= torch.tensor(cells) + 1e-12).all()
        a, b, c = vertices[faces].unbind(1)
        assert (a * torch.linalg.cross(b, c)).sum() >= -1e-9  # six times the volume: the outside lies outside


def test_an_open_surface_ends_inside_the_border_and_has_no_other_edges():
    field = gyroid_field(8, 8, 8)
    topology = find_surface(field, closed=False)
    edges, uses = torch.unique(
        torch.stack([topology.quads, topology.quads.roll(-1, 1)], -1).reshape(-1, 2).sort(-1).values,
        dim=0,
        return_counts=True,
    )
    assert set(uses.tolist()) == {1, 2}
    cells = topology.cells[topology.vertex_cells[edges[uses == 1].reshape(-1).long()].long()]
    places = torch.stack(torch.unravel_index(cells, (8, 8, 8)), -1)
    assert ((places == 0) | (places == 7)).any(-1).all()


def test_all_inside_closes_to_the_box_itself():
    field = torch.full((1, 4, 3, 5), -1.0)
    topology = find_surface(field)
    vertices, deviations = surface_vertices(
        topology, values_at(field, topology), topology.coordinates.float(), deviations=True
    )
    faces = surface_faces(topology, vertices)
    a, b, c = vertices[faces].unbind(1)
    crosses = torch.linalg.cross(b - a, c - a)
    assert (a * crosses).sum() / 6 == pytest.approx(3 * 2 * 4)
    assert crosses.norm(dim=-1).sum() / 2 == pytest.approx(2 * (3 * 2 + 2 * 4 + 4 * 3))
    assert torch.isfinite(deviations).all()


@pytest.mark.parametrize("value", [1.0, 0.0])
def test_all_outside_is_an_empty_surface(backend: Backend, value: float):
    field = torch.full((2, 4, 3, 5), value, device=backend.device)
    topology = find_surface(field)
    assert [len(part) for part in topology] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 3, 3, 13]
    vertices, deviations = surface_vertices(
        topology, values_at(field, topology), topology.coordinates.float(), centers=True, deviations=True
    )
    assert vertices.shape == (0, 3)
    assert deviations.shape == (0,)
    assert surface_faces(topology, vertices).shape == (0, 3)


def test_fields_of_a_batch_are_as_by_themselves(backend: Backend):
    fields = random_field(3, 4, 5, fields=3).to(backend.device, backend.real)
    together = find_surface(fields)
    for n in range(3):
        alone = find_surface(fields[n : n + 1])
        first, last = together.field_quads[n : n + 2].tolist()
        shift = int(together.field_vertices[n])
        assert torch.equal(together.quads[first:last] - shift, alone.quads)
        assert len(alone.vertex_cells) == int(together.field_vertices[n + 1]) - shift


@pytest.mark.parametrize("shape", [(0, 8), (1, 3), (37, 12)])
def test_weights_lie_in_their_range(backend: Backend, shape: tuple[int, int]):
    raw = (4 * torch.randn(shape, dtype=torch.float64)).to(backend.device, backend.real).requires_grad_()
    values = weights_in_range(raw, 0.7, 0.99, 1.0)
    expected = 1 + 0.99 * (0.7 * raw.detach().cpu().double()).tanh()
    assert torch.allclose(values.cpu().double(), expected, atol=1e-6)
    (gradient,) = torch.autograd.grad(values.sum(), raw)
    slope = 0.7 * 0.99 * (1 - (0.7 * raw.detach().cpu().double()).tanh() ** 2)
    assert torch.allclose(gradient.cpu().double(), slope, atol=2e-6)
    extreme = weights_in_range(torch.tensor([[-1e6, 1e6]]).to(backend.device, backend.real), 1.0, 0.99, 1.0)
    assert extreme[0].tolist() == pytest.approx([0.01, 1.99], abs=1e-6)


@pytest.mark.parametrize("width", [1, 3, 8, 12])
def test_weights_of_some_rows_are_those_of_the_rows(backend: Backend, width: int):
    """Places that are -1 have the weight of zero, and rows that are not asked for have no gradient."""
    raw = torch.randn(50, width, dtype=torch.float64).to(backend.device, backend.real).requires_grad_()
    places = torch.randperm(50, generator=torch.Generator().manual_seed(0))[:37]
    places[[3, 20, 36]] = -1
    values = weights_in_range(raw, 0.7, 0.99, 1.0, places.to(backend.device))
    every = weights_in_range(raw.detach(), 0.7, 0.99, 1.0)
    expected = torch.where(places[:, None] < 0, 1.0, every.cpu()[places])
    assert torch.equal(values.cpu(), expected)
    (gradient,) = torch.autograd.grad((values * values).sum(), raw)
    (whole,) = torch.autograd.grad(weights_in_range(raw, 0.7, 0.99, 1.0).square().sum(), raw)
    asked = torch.zeros(50, dtype=torch.bool)
    asked[places[places >= 0]] = True
    assert torch.equal(gradient.cpu(), torch.where(asked[:, None], whole.cpu(), 0.0))
    none = weights_in_range(raw, 0.7, 0.99, 1.0, places[:0].to(backend.device))
    assert none.shape == (0, width)
    (gradient,) = torch.autograd.grad(none.sum(), raw)
    assert not gradient.any()


def test_threads_do_not_change_a_bit():
    field = gyroid_field(40, 40, 40, periods=4).float()
    before = torch.get_num_threads()

    def results() -> list[Tensor]:
        topology = find_surface(field)
        weights = {k: x.float() for k, x in weights_for(topology).items()}
        leaves = {"values": values_at(field, topology), **weights}
        leaves = {k: x.requires_grad_() for k, x in leaves.items()}
        vertices, deviations = surface_vertices(topology, **leaves, centers=True, deviations=True)
        gradients = torch.autograd.grad(vertices.square().sum() + deviations.sum(), list(leaves.values()))
        return [*topology, vertices, deviations, *gradients]

    try:
        found = []
        for count in (1, 2, 16):
            torch.set_num_threads(count)
            with ops.native_threads_only():
                found.append(results())
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))


def test_faces_follow_gammas_and_else_the_shorter_diagonal(backend: Backend):
    field = FIELDS["gyroid"].to(backend.device, backend.real)
    topology = find_surface(field)
    vertices, _ = surface_vertices(topology, values_at(field, topology), topology.coordinates.to(field))
    gammas = weights_for(topology)["gammas"].to(field)
    quads = topology.quads.long()
    faces = surface_faces(topology, vertices, gammas).reshape(-1, 2, 3)
    g = gammas[topology.vertex_cells.long()][quads]
    even = g[:, 0] * g[:, 2] > g[:, 1] * g[:, 3]
    assert torch.equal(faces[:, 0, 0], torch.where(even, quads[:, 0], quads[:, 1]))
    faces = surface_faces(topology, vertices).reshape(-1, 2, 3)
    corners = vertices[quads].double()
    lengths = [(corners[:, k] - corners[:, k + 2]).norm(dim=-1) for k in (0, 1)]
    clear = (lengths[0] - lengths[1]).abs() > 1e-5
    assert torch.equal(faces[:, 0, 0][clear], torch.where(lengths[0] < lengths[1], quads[:, 0], quads[:, 1])[clear])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e31])
def test_values_that_are_no_numbers_are_refused_by_their_place(backend: Backend, value: float):
    field = torch.ones(2, 3, 4, 70, device=backend.device)
    field[1, 2, 3, 66] = value
    with pytest.raises(ValueError, match=r"field: expected finite values .* at \[1, 2, 3, 66\]"):
        find_surface(field)


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 1, 3, 3), (0, 3, 3, 3), (1, 3, 3, 3, 1)])
def test_fields_of_another_shape_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"field: expected \[N, X \+ 1, Y \+ 1, Z \+ 1\]"):
        find_surface(torch.zeros(shape))


def test_two_to_the_31_cells_are_refused_before_anything_is_taken():
    with pytest.raises(ValueError, match="extract it in blocks"):
        find_surface(torch.zeros(1, 1, 1, 1).expand(1, 2049, 1025, 1025))


def test_a_copy_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(MemoryError, match="a dense copy of the field"):
        find_surface(torus_field(10, 10, 10).transpose(1, 2))


@pytest.mark.parametrize(
    ("name", "shape"), [("values", (3,)), ("points", (3, 3)), ("alphas", (4, 8)), ("betas", (4,)), ("gammas", (4, 1))]
)
def test_weights_of_another_shape_are_refused(name: str, shape: tuple[int, ...]):
    field = FIELDS["torus"]
    topology = find_surface(field)
    weights: dict[str, Any] = {"values": values_at(field, topology), **weights_for(topology), name: torch.ones(shape)}
    with pytest.raises(ValueError, match=f"{name}: expected shape"):
        surface_vertices(topology, **weights)


# torch's own checker looks at .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_ops_pass_opcheck():
    field = FIELDS["random"]
    op = torch.ops.splatkit
    torch.library.opcheck(op.find_surface, (field, True))
    topology = find_surface(field)
    weights = {"values": values_at(field, topology), **weights_for(topology)}
    leaves = [x.requires_grad_() for x in weights.values()]
    t = topology
    read = (
        t.cases,
        t.corners,
        t.first_vertex,
        t.first_crossing,
        t.vertex_cells,
        t.quads,
        t.crossing_quads,
        t.slab_cells,
    )
    torch.library.opcheck(op.surface_vertices, (*leaves, *read, True, True))
    plain: dict[str, Any] = {k: x.detach() for k, x in weights.items()}
    vertices, _ = surface_vertices(topology, **plain, centers=True)
    torch.library.opcheck(op.surface_faces, (vertices, None, *read, True))
