"""The definition itself: indices without collisions, partitions of unity, continuity, exact derivatives."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from splatkit.encodings.levels import EncodingLevels
from splatkit.reference import encodings as reference
from tests.encoding_cases import LATTICES, make_levels, positions_off_faces, reference_levels


def vertices_of_the_unit_cube(levels: EncodingLevels, level: int) -> Tensor:
    """[n, d]: all vertices whose unskewed position lies within 1 - G of the cube: a superset of those ever touched.

    A vertex's simplices reach so far along each axis, where x = (I - G J) u undoes the skew.
    """
    dims, scale = levels.dims, levels.scales[level]
    unskew = (1 - 1 / math.sqrt(dims + 1)) / dims if levels.lattice == "simplex" else 0.0
    top = math.floor(scale * math.sqrt(dims + 1)) + 3
    box = torch.cartesian_prod(*[torch.arange(-2, top)] * dims)
    straight = box - unskew * box.sum(-1, keepdim=True)
    reach = 1 - unskew
    return box[((straight >= -reach) & (straight <= scale + reach)).all(-1)]


@pytest.mark.parametrize(("dims", "largest"), [(2, 90), (3, 26), (4, 9)])
def test_dense_simplex_index_never_collides_at_any_resolution(dims: int, largest: int):
    for resolution in range(1, largest + 1):
        for offset in (0.0, 0.37):
            levels = EncodingLevels("simplex", dims, 1, resolution + offset, resolution + offset, 22)
            vertices = vertices_of_the_unit_cube(levels, 0)
            index = reference.quotient_index(vertices, levels.moduli[0], levels.steps[0])
            assert index.min() >= 0
            assert index.max() < levels.sizes[0]
            assert len(index.unique()) == len(vertices), (dims, resolution)


def test_dense_simplex_levels_waste_little():
    for dims, resolution, limit in ((2, 64, 1.1), (3, 32, 1.25), (3, 64, 1.15), (4, 16, 1.5)):
        levels = EncodingLevels("simplex", dims, 1, resolution, resolution, 24)
        grid_vertices = (resolution + 1) ** dims
        # Equal densities: the touched vertices are those of the grid and a border.
        assert levels.sizes[0] < limit * grid_vertices * (1 + 1 / resolution) ** dims


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("dims", [2, 3, 4, 6])
def test_every_index_lies_in_its_level_also_at_the_borders(lattice: str, dims: int):
    levels = make_levels(lattice, dims)
    corners = torch.tensor(list(product((0.0, 1.0), repeat=dims)))
    inside = torch.rand(500, dims, generator=torch.Generator().manual_seed(0))
    for positions in (corners, inside):
        for level in range(levels.num_levels):
            places = reference_levels(levels)
            vertices, weights = reference.locate(positions, level, places, lattice, "linear", 0)
            index = reference.vertex_index(vertices, level, places, lattice)
            assert index.min() >= 0
            assert index.max() < levels.sizes[level]
            assert torch.allclose(weights.sum(-1), torch.ones(len(positions)))
            assert weights.min() >= -1e-6


def test_weights_reproduce_positions_on_the_lattice():
    """Linear interpolation of the vertices' own positions gives the position back: the weights are barycentric."""
    levels = make_levels("simplex", 3)
    places = reference_levels(levels)
    positions = torch.rand(300, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for level, scale in enumerate(levels.scales):
        vertices, weights = reference.locate(positions, level, places, "simplex", "linear", 0)
        vertices = vertices.double()
        straight = (vertices - vertices.sum(-1, keepdim=True) / 6) / scale  # G = 1/6
        assert torch.allclose((weights[..., None] * straight).sum(1), positions, atol=1e-12)


def test_simplices_of_the_skewed_lattice_have_the_edges_of_the_bcc_lattice():
    """sqrt(k (d + 1 - k) / (d + 1)) between vertices that differ in k coordinates: 0.866 and 1 for d = 3."""
    steps = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=torch.float64)
    lengths = (steps - steps.sum(-1, keepdim=True) / 6).norm(dim=-1)
    assert torch.allclose(lengths, torch.tensor([3 / 4, 1, 3 / 4], dtype=torch.float64).sqrt())


@pytest.mark.parametrize("lattice", LATTICES)
def test_linear_features_are_continuous_and_smooth_ones_have_a_continuous_gradient(lattice: str):
    levels = make_levels(lattice, 3, num_levels=2)
    places = reference_levels(levels)
    generator = torch.Generator().manual_seed(2)
    table = torch.randn(levels.entries, 1, dtype=torch.float64, generator=generator)
    start = torch.rand(1, 3, dtype=torch.float64, generator=generator) * 0.2
    line = start + torch.linspace(0, 0.7, 20001, dtype=torch.float64)[:, None]
    for interpolation in ("linear", "smooth") if lattice != "kuhn" else ("linear",):
        leaf = (line * torch.tensor([1.0, 0.83, 0.61])).requires_grad_()
        values = reference.encode(leaf, table, places, lattice, interpolation)
        (slopes,) = torch.autograd.grad(values.sum(), leaf)
        assert (values[1:] - values[:-1]).abs().max() < 0.05
        jump = (slopes[1:] - slopes[:-1]).norm(dim=-1).max() / slopes.norm(dim=-1).max()
        assert jump < 0.02 if interpolation == "smooth" else jump > 0.1


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("interpolation", ["linear", "smooth"])
def test_first_and_second_derivatives(lattice: str, interpolation: str):
    if lattice == "kuhn" and interpolation == "smooth":
        pytest.skip("smooth needs the skewed lattice or cubes")
    levels = make_levels(lattice, 3, num_levels=2)
    places = reference_levels(levels)
    positions = positions_off_faces(levels, 3, seed=0).requires_grad_()
    table = torch.randn(levels.entries, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    table.requires_grad_()

    def encode(positions: Tensor, table: Tensor) -> Tensor:
        return reference.encode(positions, table, places, lattice, interpolation)

    assert torch.autograd.gradcheck(encode, (positions, table), eps=1e-6, fast_mode=True)
    assert torch.autograd.gradgradcheck(encode, (positions, table), eps=1e-6, fast_mode=True)


@pytest.mark.parametrize("lattice", LATTICES)
def test_stochastic_interpolation_is_linear_on_average(lattice: str):
    levels = make_levels(lattice, 3, num_levels=2)
    places = reference_levels(levels)
    table = torch.randn(levels.entries, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([[0.31, 0.72, 0.18]], dtype=torch.float64).expand(20000, 3)
    drawn = reference.encode(positions, table, places, lattice, "stochastic", seed=7)
    expected = reference.encode(positions[:1], table, places, lattice)[0]
    assert torch.allclose(drawn.mean(0), expected, atol=5 * drawn.std(0).max().item() / math.sqrt(20000))


def test_grid_resolutions_are_those_of_tiny_cuda_nn():
    """Its documented example: 16 to 2048 in 16 levels, T = 2^19; resolution ceil(scale) + 1, dense up to T."""
    levels = EncodingLevels("grid", 3, 16, 16, 2048, 19)
    growth = 128 ** (1 / 15)
    for level, scale in enumerate(levels.scales):
        assert scale == pytest.approx(16 * growth**level - 1, rel=1e-5)
        dense = (math.ceil(scale) + 1) ** 3 <= 2**19
        assert levels.is_dense(level) == dense
        assert levels.sizes[level] == (-(-((math.ceil(scale) + 1) ** 3) // 8) * 8 if dense else 2**19)
