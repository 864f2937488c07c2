"""The FlexiCubes module: any field, boxes, features, sparse parameters, losses."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.regularization import deviation_loss, sign_change_loss, weight_loss
from tests.isosurface_cases import assert_closed_manifold, grid_points


def sphere(points: Tensor, radius: float = 0.7) -> Tensor:
    return points.norm(dim=-1) - radius


def test_a_function_and_its_values_on_the_grid_give_the_same_surface():
    cubes = FlexiCubes((9, 10, 11), low=(-1, -1.2, -0.9), high=(1.1, 1, 1.3)).eval()
    by_function = cubes(sphere)
    by_values = cubes(sphere(cubes.grid_points()))
    assert torch.equal(by_function.faces, by_values.faces)
    assert torch.allclose(by_function.vertices, by_values.vertices, atol=1e-6)


def test_a_sphere_in_any_box_lies_on_the_sphere_and_is_closed():
    cubes = FlexiCubes((24, 17, 30), low=(-1, -0.8, -2), high=(1, 0.9, 1.5)).eval()
    surface = cubes(sphere)
    assert_closed_manifold(surface.faces)
    error = (surface.vertices.norm(dim=-1) - 0.7).abs()
    assert error.max() < 0.5 * float(cubes.spacing.max()) ** 2 / 0.7  # a chord's sagitta
    a, b, c = surface.vertices[surface.faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert float(volume.detach()) == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.03)


def test_gradients_reach_a_network_through_the_surface():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Softplus(10), torch.nn.Linear(16, 1))
    cubes = FlexiCubes(8)
    surface = cubes(lambda points: 0.1 * network(points)[:, 0] + sphere(points))
    (surface.vertices.square().sum() + deviation_loss(surface)).backward()
    parameters = [*network.parameters(), *cubes.parameters()]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in parameters[:-1])


def test_features_are_taken_over_linearly():
    """A linear feature has at every vertex the value of its place."""
    cubes = FlexiCubes(12)
    slopes = torch.tensor([[1.0, -2, 3], [0.5, 0, 1]])
    surface = cubes(sphere, features=lambda points: points @ slopes.T)
    assert surface.features is not None
    assert torch.allclose(surface.features, surface.vertices @ slopes.T, atol=1e-5)
    dense = cubes(sphere(cubes.grid_points()), features=cubes.grid_points() @ slopes.T)
    assert dense.features is not None
    assert torch.allclose(dense.features, surface.features, atol=1e-5)


def test_fields_of_a_batch_have_faces_of_their_own():
    cubes = FlexiCubes(10).eval()
    points = cubes.grid_points()
    both = cubes(torch.stack([sphere(points, 0.6), sphere(points, 0.8)]))
    for n, radius in enumerate((0.6, 0.8)):
        alone = cubes(sphere(points, radius))
        faces = both.field_faces(n)
        assert torch.equal(both.vertices[faces], alone.vertices[alone.faces])


def test_training_moves_a_sphere_to_another_and_rows_grow_with_it():
    cubes = FlexiCubes(12)
    field = torch.nn.Parameter(sphere(cubes.grid_points(), 0.5))
    optimizer = torch.optim.Adam([field, *cubes.parameters()], lr=0.02)
    cubes.follow(optimizer)
    rows = []
    for _ in range(60):
        surface = cubes(field)
        loss = (surface.vertices.norm(dim=-1) - 0.8).square().mean() + 0.05 * deviation_loss(surface)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert cubes.cell_weights is not None
        rows.append(len(cubes.cell_weights.keys))
    assert loss < 1e-3
    assert rows[-1] > rows[0]
    assert_closed_manifold(cubes(field).faces)


def test_rows_follow_their_cells_when_others_join():
    cubes = FlexiCubes(8)
    points = cubes.grid_points()
    small = cubes(sphere(points, 0.4))
    assert cubes.cell_weights is not None
    with torch.no_grad():
        cubes.cell_weights.get_parameter("alphas").normal_()
    before = dict(zip(small.topology.cells.tolist(), cubes(sphere(points, 0.4)).weights["alphas"].take(), strict=True))
    cubes(sphere(points, 0.9))
    after = cubes(sphere(points, 0.4))
    for cell, row in zip(after.topology.cells.tolist(), after.weights["alphas"].take(), strict=True):
        assert torch.equal(row, before[cell])


def test_an_optimizers_state_follows_its_rows():
    cubes = FlexiCubes(8)
    points = cubes.grid_points()
    cubes(sphere(points, 0.5))
    rows = cubes.cell_weights
    assert rows is not None
    optimizer = torch.optim.Adam(cubes.parameters())
    cubes.follow(optimizer)
    cubes(sphere(points, 0.5)).vertices.square().sum().backward()
    optimizer.step()
    before = dict(zip(rows.keys.tolist(), optimizer.state[rows.get_parameter("betas")]["exp_avg"], strict=True))
    cubes(sphere(points, 0.9))
    after = dict(zip(rows.keys.tolist(), optimizer.state[rows.get_parameter("betas")]["exp_avg"], strict=True))
    assert any(row.any() for row in before.values())
    assert len(after) > len(before)
    assert all(torch.equal(row, before.get(key, torch.zeros(12))) for key, row in after.items())
    assert sorted(after) == rows.keys.tolist()


def test_cells_beyond_the_grid_have_no_rows():
    cubes = FlexiCubes(4)
    surface = cubes(-torch.ones(5, 5, 5))
    assert (surface.topology.cells < 0).all()
    assert cubes.cell_weights is not None
    assert len(cubes.cell_weights.keys) == 0


def test_state_is_saved_and_loaded_whatever_its_size(tmp_path: Path):
    cubes = FlexiCubes(8)
    cubes(sphere)
    for parameter in cubes.parameters():
        torch.nn.init.normal_(parameter)
    torch.save(cubes.state_dict(), tmp_path / "cubes.pt")
    other = FlexiCubes(8)
    other.load_state_dict(torch.load(tmp_path / "cubes.pt", weights_only=True))
    assert torch.equal(other(sphere).vertices, cubes(sphere).vertices)


def test_parameters_take_less_than_a_twentieth_of_dense_ones():
    cubes = FlexiCubes(64)
    cubes(lambda p: ((p[:, ::2].norm(dim=-1) - 0.6) ** 2 + p[:, 1] ** 2).sqrt() - 0.25)
    kept = sum(x.numel() * x.element_size() for x in [*cubes.parameters(), *cubes.buffers()])
    assert kept < 0.05 * 21 * 4 * 64**3  # a surface's share halves with every doubling


def test_regularizers_are_zero_on_an_empty_surface_and_without_weights():
    surface = FlexiCubes(4, weights=False, deform=False)(torch.ones(5, 5, 5))
    assert [float(loss(surface)) for loss in (deviation_loss, sign_change_loss, weight_loss)] == [0, 0, 0]


def test_sign_change_loss_falls_as_neighbors_agree():
    cubes = FlexiCubes(6)
    surface = cubes(sphere(cubes.grid_points()))
    expected = []
    inside = (surface.topology.cases[:, None] >> torch.arange(8) & 1).bool()
    for cell, corners in enumerate(surface.topology.corners.tolist()):
        for a in range(8):
            for axis in range(3):
                b = a | 1 << axis
                if b != a and inside[cell, a] != inside[cell, b]:
                    va, vb = surface.values[corners[a]], surface.values[corners[b]]
                    expected.append(torch.nn.functional.binary_cross_entropy_with_logits(va, (vb > 0).float()))
                    expected.append(torch.nn.functional.binary_cross_entropy_with_logits(vb, (va > 0).float()))
    assert float(sign_change_loss(surface)) == pytest.approx(float(torch.stack(expected).sum()) / (len(expected) / 2))
    leaf = sphere(grid_points(6, 6, 6)).float().requires_grad_()
    sign_change_loss(cubes(leaf)).backward()
    assert leaf.grad is not None
    assert leaf.grad.any()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"resolution": 0}, "resolution: expected"),
        ({"resolution": (4, 4)}, "resolution: expected"),
        ({"resolution": 1290}, "more grid vertices than 32-bit indices reach"),
        ({"resolution": 4, "low": (0, 0, 0), "high": (1, 0, 1)}, "low, high: expected"),
        ({"resolution": 4, "low": (0, 0, math.nan)}, "low, high: expected"),
    ],
)
def test_grids_that_are_none_are_refused(arguments, match: str):
    with pytest.raises(ValueError, match=match):
        FlexiCubes(**arguments)


def test_a_single_cell_has_a_surface():
    cubes = FlexiCubes(1)
    surface = cubes.eval()(lambda points: points[:, 0] + 0.5)  # a closed box, of which one side lies between vertices
    assert_closed_manifold(surface.faces)
    assert float(surface.vertices.detach()[:, 0].max()) == pytest.approx(-0.5)
    assert len(cubes(lambda points: points[:, 0] + 2).faces) == 0


def test_a_function_whose_values_do_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("splatkit.memory.available_bytes", lambda: 1000)
    with pytest.raises(MemoryError, match="the field's values needs about"):
        FlexiCubes(16)(sphere)


def test_fields_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"field: expected shape \[5, 5, 5\]"):
        FlexiCubes(4)(torch.zeros(5, 5, 4))
    with pytest.raises(ValueError, match=r"field: expected .* values of as many points"):
        FlexiCubes(4)(lambda points: sphere(points)[:, None])


@pytest.mark.slow
def test_a_grid_of_512_cells_a_side_fits_in_four_gibibytes():
    script = """
import resource, torch
from splatkit.isosurface import FlexiCubes
cubes = FlexiCubes(512)
axis = torch.linspace(-1, 1, 513)
field = torch.empty(513, 513, 513)
for i, x in enumerate(axis):
    field[i] = (((x**2 + axis[None] ** 2).sqrt() - 0.6) ** 2 + axis[:, None] ** 2).sqrt() - 0.25
field.requires_grad_()
surface = cubes(field)
surface.vertices.square().sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    # The largest memory that a process ever held is the system's to say: so in a process of its own.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * 2**20  # KiB
