"""The native encodings against their definition, on every backend; derivatives, layouts, bad input."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from splatkit import ops
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.hash_encoding import Lattice
from splatkit.encodings.levels import EncodingLevels
from splatkit.ops.encodings import INTERPOLATIONS, LATTICES, EncodingSettings, encode
from splatkit.reference import encodings as reference
from tests.encoding_cases import LATTICES as LATTICE_NAMES
from tests.encoding_cases import make_levels, make_settings, positions_off_faces, reference_levels
from tests.helpers import relative_error
from tests.splat_scenes import Backend

KINDS = [(lattice, dims) for lattice in LATTICE_NAMES for dims in (2, 3, 4)] + [("simplex", 6), ("kuhn", 5)]
CHOICES = ["linear", "smooth", "nearest", "stochastic"]


def random_table(entries: int, features: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(entries, features, dtype=torch.float64, generator=generator)


def unit_positions(count: int, dims: int, seed: int = 0) -> Tensor:
    """Spread over the cube and a little beyond it, some exactly on its corners and faces."""
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(count, dims, generator=generator) * 1.2 - 0.1
    positions[: count // 8] = positions[: count // 8].round().clamp(0, 1)
    return positions


@pytest.mark.parametrize(("lattice", "dims"), KINDS)
def test_cells_are_those_of_the_definition_bit_for_bit(backend: Backend, lattice: str, dims: int):
    """A table that holds each entry's own number, read at one vertex: float32 rounds the same way everywhere."""
    levels = make_levels(lattice, dims)
    numbers = torch.arange(levels.entries, dtype=torch.float32)[:, None]
    positions = unit_positions(1003, dims)
    settings = make_settings(levels, "nearest", features=1)
    expected = reference.encode(positions, numbers, reference_levels(levels), lattice, "nearest")
    actual = encode(positions.to(backend.device), numbers.to(backend.device), settings).cpu()
    # The vertex of the largest weight is a matter of rounding where two weights are all but equal.
    assert (actual != expected).float().mean() < 1e-3


@pytest.mark.parametrize(("lattice", "dims"), KINDS)
@pytest.mark.parametrize("interpolation", CHOICES)
def test_values_and_gradients_match_the_definition(backend: Backend, lattice: Lattice, dims: int, interpolation: str):
    if interpolation == "smooth" and (lattice == "kuhn" or dims > 5):
        with pytest.raises(ValueError, match="interpolation"):
            SimplexHashEncoding(dims, lattice=lattice, interpolation="smooth")
        return
    levels = make_levels(lattice, dims)
    positions = positions_off_faces(levels, 200, seed=1)
    table, tangents = random_table(levels.entries), random_table(200, dims, seed=2)
    v = random_table(200, 2 * levels.num_levels, seed=3)

    def results(encoded: Any, *leaves: Tensor) -> list[Tensor]:
        features = encoded(*leaves[:2])
        # The nearest vertex does not move: its gradient with respect to positions is zero, or none at all.
        first = torch.autograd.grad(features, leaves[:2], v.to(features), create_graph=True, materialize_grads=True)
        if not first[0].requires_grad:
            return [features, *first]
        second = torch.autograd.grad(first[0], [leaves[1]], leaves[2], materialize_grads=True)
        return [features, *first, *second]

    expected_leaves = [x.clone().requires_grad_() for x in (positions, table, tangents)]
    places = reference_levels(levels)
    expected = results(lambda x, t: reference.encode(x, t, places, lattice, interpolation, seed=5), *expected_leaves)
    real = backend.real
    leaves = [x.detach().to(backend.device, real).requires_grad_() for x in expected_leaves]
    settings = make_settings(levels, interpolation, seed=5)
    actual = results(lambda x, t: encode(x, t, settings), *leaves)
    for order, (a, e) in enumerate(zip(actual, expected, strict=False)):
        if real == torch.float64:
            assert relative_error(a.cpu(), e) < 1e-12
        elif interpolation != "stochastic":  # where a float32 random choice falls differently, values differ by much
            # Float32 rounds the place in a cell, on the finest level by some 5e-6 without fused multiply-adds and below
            # 1e-6 with them; slopes of smooth weights are steeper.
            assert relative_error(a.cpu(), e) < (1e-5 if order == 0 else 5e-5)


@pytest.mark.parametrize(
    ("lattice", "interpolation"), [("simplex", "linear"), ("simplex", "smooth"), ("grid", "linear"), ("grid", "smooth")]
)
def test_gradients_of_all_orders_of_the_ops(lattice: str, interpolation: str):
    levels = make_levels(lattice, 3, num_levels=2, log2_hashmap_size=6)
    settings = make_settings(levels, interpolation)
    positions = positions_off_faces(levels, 3, seed=0).requires_grad_()
    table = random_table(levels.entries).requires_grad_()
    tangents = random_table(3, 3, seed=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, t, c: encode(x, t, settings, c), (positions, table, tangents), eps=1e-6)
    assert torch.autograd.gradgradcheck(lambda x, t: encode(x, t, settings), (positions, table), eps=1e-6)


@pytest.mark.parametrize("lattice", LATTICE_NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("features", [1, 2, 4, 8])
def test_half_tables_are_read_exactly_and_summed_in_float32(
    backend: Backend, lattice: str, dtype: torch.dtype, features: int
):
    levels = make_levels(lattice, 3)
    table = (random_table(levels.entries, features) * 1e-3).to(dtype)
    table[:50] *= 1e-3  # float16: below its least normal number
    positions = positions_off_faces(levels, 100, seed=2).float()
    settings = make_settings(levels, "linear", features=features)
    actual = encode(positions.to(backend.device), table.to(backend.device), settings).cpu()
    expected = reference.encode(positions.double(), table.double(), reference_levels(levels), lattice)
    assert actual.dtype == torch.float32
    assert relative_error(actual, expected) < 2e-5


@pytest.mark.parametrize("lattice", ["simplex", "grid"])
@pytest.mark.parametrize("count", [0, 1, 15, 63, 64, 65, 4097])
def test_any_number_of_points_and_any_layout(backend: Backend, lattice: str, count: int):
    levels = make_levels(lattice, 3)
    settings = make_settings(levels, "linear")
    table = random_table(levels.entries).float().to(backend.device).requires_grad_()
    positions = torch.rand(3, count, generator=torch.Generator().manual_seed(0)).to(backend.device).t().requires_grad_()
    features = encode(positions, table, settings)
    assert features.shape == (count, 8)
    v_positions, v_table = torch.autograd.grad(features.sum(), (positions, table))
    assert v_positions.shape == (count, 3)
    # Weights sum to one: so does every column of the gradient, times the points and the levels.
    assert torch.allclose(v_table.sum(0).cpu(), torch.full((2,), 4.0 * count), rtol=1e-5)


def test_masked_levels_are_zero_and_get_no_gradient(backend: Backend):
    levels = make_levels("simplex", 3)
    table = random_table(levels.entries).float().to(backend.device).requires_grad_()
    positions = unit_positions(100, 3).to(backend.device)
    settings = make_settings(levels, "linear")._replace(active=2)
    features = encode(positions, table, settings)
    assert torch.equal(features[:, :4], encode(positions, table, settings._replace(active=4))[:, :4])
    assert not features[:, 4:].any()
    (v_table,) = torch.autograd.grad(features.square().sum(), table)
    assert v_table[: levels.offsets[2]].any()
    assert not v_table[levels.offsets[2] :].any()


def test_outside_the_cube_features_stay_constant_and_nan_stays_nan(backend: Backend):
    levels = make_levels("simplex", 3)
    table = random_table(levels.entries).float().to(backend.device)
    settings = make_settings(levels, "linear")
    positions = torch.tensor([[1.5, 0.3, -7.0], [1.0, 0.3, 0.0], [float("inf"), 0.3, -1e30], [float("nan"), 0.2, 0.1]])
    features = encode(positions.to(backend.device), table, settings).cpu()
    assert torch.equal(features[0], features[1])
    assert torch.equal(features[2], features[1])
    assert features[3].isnan().all()


def test_results_have_the_same_bits_for_any_number_of_threads():
    levels = make_levels("simplex", 3)
    settings = make_settings(levels, "linear")
    table = random_table(levels.entries).float().requires_grad_()
    positions = unit_positions(10_000, 3).requires_grad_()

    def results() -> list[Tensor]:
        features = encode(positions, table, settings)
        return [features.detach(), *torch.autograd.grad(features.square().sum(), (positions, table))]

    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 7):
            torch.set_num_threads(count)
            with ops.native_threads_only():
                found.append(results())
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))


on_devices = pytest.mark.parametrize(
    "backend", [pytest.param("emulated", marks=pytest.mark.slow), "cuda"], indirect=True
)


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def scattered(
    backend: Backend, levels: EncodingLevels, positions: Tensor, v: Tensor, tangents: Tensor | None = None
) -> Tensor:
    """Gradient of a table by gradients of features [N, L * F]."""
    table = torch.zeros(levels.entries, 2, device=backend.device, requires_grad=True)
    along = None if tangents is None else tangents.to(backend.device)
    features = encode(positions.to(backend.device), table, make_settings(levels, "linear"), along)
    (v_table,) = torch.autograd.grad(features, table, v.to(backend.device))
    return v_table.cpu()


def scattered_by_definition(
    levels: EncodingLevels, positions: Tensor, v: Tensor, tangents: Tensor | None = None
) -> Tensor:
    table = torch.zeros(levels.entries, 2, dtype=torch.float64, requires_grad=True)
    x = positions.double().requires_grad_()
    features = reference.encode(x, table, reference_levels(levels), levels.lattice)
    if tangents is None:
        return torch.autograd.grad(features, table, v.double())[0]
    (slope,) = torch.autograd.grad(features, x, v.double(), create_graph=True)
    return torch.autograd.grad(slope, table, tangents.double())[0]


@on_devices
@pytest.mark.parametrize("with_tangents", [False, True])
@pytest.mark.parametrize(("lattice", "dims"), [("simplex", 3), ("simplex", 6), ("kuhn", 2), ("grid", 4)])
def test_deterministic_sums_are_the_definition_and_forget_the_order_of_points(
    backend: Backend, deterministic: None, lattice: str, dims: int, with_tangents: bool
):
    """Points crowd: hundreds of addends an entry, of magnitudes from 1e-6 to 1e6."""
    levels = make_levels(lattice, dims)
    positions = positions_off_faces(levels, 40, seed=1).float().repeat(25, 1)
    generator = torch.Generator().manual_seed(3)
    v = torch.randn(1000, 8, generator=generator) * 10 ** (12 * torch.rand(1000, 1, generator=generator) - 6)
    tangents = torch.randn(1000, dims, generator=generator) if with_tangents else None
    actual = scattered(backend, levels, positions, v, tangents)
    # Each addend is rounded once, to float32, before it is counted.
    assert relative_error(actual, scattered_by_definition(levels, positions, v, tangents)) < 1e-5
    for seed in range(3):
        order = torch.randperm(1000, generator=torch.Generator().manual_seed(seed))
        permuted = scattered(backend, levels, positions[order], v[order], None if tangents is None else tangents[order])
        assert torch.equal(permuted, actual)


@on_devices
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e38])
def test_deterministic_sums_do_not_overflow(backend: Backend, deterministic: None, size: float):
    """All addends meet in one cell; levels differ by a factor of a million, and each has units of its own."""
    levels = make_levels("simplex", 3)
    positions = positions_off_faces(levels, 1, seed=1).float().repeat(4097, 1)
    v = torch.full((4097, 8), size / 4097)
    v[:, :2] *= 1e-6
    actual = scattered(backend, levels, positions, v)
    expected = scattered_by_definition(levels, positions, v)
    for low, count in zip(levels.offsets, levels.sizes, strict=True):
        assert relative_error(actual[low : low + count], expected[low : low + count]) < 1e-5


@on_devices
def test_a_deterministic_addend_that_is_not_finite_spoils_its_entries_alone(backend: Backend, deterministic: None):
    levels = make_levels("simplex", 3)
    positions = positions_off_faces(levels, 50, seed=1).float()
    v = torch.ones(50, 8)
    clean = scattered(backend, levels, positions, v)
    v[7, 0], v[8, 3] = float("nan"), float("inf")
    actual = scattered(backend, levels, positions, v)
    assert actual.isnan().sum() == 8  # four vertices each
    assert torch.equal(actual[~actual.isnan()], clean[~actual.isnan()])


@pytest.mark.slow
def test_entries_beyond_two_to_the_31_are_reached():
    """Three levels of 2^30 entries in bfloat16: 12 GiB of address space, of which a few pages are used."""
    levels = EncodingLevels("simplex", 3, 3, 4.0e6, 4.1e6, 30)
    settings = make_settings(levels, "linear")
    try:
        table = torch.empty(levels.entries, 2, dtype=torch.bfloat16)
    except RuntimeError as error:
        pytest.skip(f"no address space for a table of 12 GiB: {error}")
    positions = torch.tensor([[0.3, 0.6, 0.9]])
    for level, offset in enumerate(levels.offsets):
        vertices, _ = reference.locate(positions, level, reference_levels(levels), "simplex", "linear", 0)
        index = reference.vertex_index(vertices, level, reference_levels(levels), "simplex") + offset
        table[index[0]] = 0
    assert index.min() > 2**31 - 1
    table[index[0]] = torch.tensor([1.0, -2.0], dtype=torch.bfloat16)
    features = encode(positions, table, settings)[0]
    assert torch.allclose(features[4:], torch.tensor([1.0, -2.0]))
    assert not features[:4].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": [0, 1, 2, 3]}, "one level after the other"),
        ({"sizes": [8, 8, 8, 8]}, "one level after the other"),
        ({"moduli": [0, 0, 0, 0]}, "power of two"),
        ({"active": 9}, "active_levels"),
        ({"features": 3}, "1, 2, 4 or 8"),
        ({"lattice": 7}, "lattice"),
    ],
)
def test_settings_that_would_read_beyond_the_table_are_refused(change: dict[str, Any], message: str):
    levels = make_levels("simplex", 3)
    settings = make_settings(levels, "linear")._replace(**change)
    with pytest.raises(ValueError, match=message):
        encode(torch.rand(5, 3), random_table(levels.entries).float(), settings)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_table_that_starts_between_two_pairs_is_read_on_a_cpu_and_refused_on_a_gpu(
    backend: Backend, dtype: torch.dtype
):
    levels = make_levels("simplex", 3)
    aligned = random_table(levels.entries).to(dtype).to(backend.device)
    flat = torch.cat([aligned.new_zeros(1), aligned.flatten()])
    shifted, settings = flat[1:].view(-1, 2), make_settings(levels, "linear")
    positions = torch.rand(5, 3, device=backend.device)
    expected = encode(positions, aligned, settings)
    if ops.native().__name__.endswith("_C") and backend.device.type == "cpu":
        assert torch.equal(encode(positions, shifted, settings), expected)
        return
    for refused in (
        lambda: encode(positions, shifted, settings),
        lambda: torch.ops.splatkit.encode_pull(positions, None, shifted, expected.t().contiguous(), *settings),
    ):
        with pytest.raises(ValueError, match=r"table: its memory starts between two pairs .* pass table\.clone\(\)"):
            refused()
    assert torch.equal(encode(positions, shifted.clone(), settings), expected)
    single = make_settings(levels, "linear", features=1)  # of one feature there are no pairs
    encode(positions, flat[1:][: levels.entries, None], single)


def test_third_derivatives_of_curved_weights_are_refused():
    levels = make_levels("grid", 3, num_levels=2)
    settings = make_settings(levels, "linear")
    positions = positions_off_faces(levels, 3, seed=0).requires_grad_()
    table = random_table(levels.entries).requires_grad_()
    first = torch.autograd.grad(encode(positions, table, settings).square().sum(), positions, create_graph=True)[0]
    second = torch.autograd.grad(first.square().sum(), positions, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="third derivatives"):
        second.sum().backward()


# torch's own checker looks at .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("lattice", ["simplex", "grid"])
def test_ops_pass_opcheck(lattice: str):
    levels = make_levels(lattice, 3, num_levels=2)
    settings: EncodingSettings = make_settings(levels, "linear")
    positions = positions_off_faces(levels, 20, seed=0).requires_grad_()
    table, v = random_table(levels.entries).requires_grad_(), random_table(4, 20).requires_grad_()
    op = torch.ops.splatkit
    torch.library.opcheck(op.encode, (positions, None, table, *settings))
    torch.library.opcheck(op.encode_scatter, (positions, None, v, *settings))
    torch.library.opcheck(op.encode_pull, (positions, None, table, v, *settings))


def test_compiles_into_one_graph():
    encoding = SimplexHashEncoding(3, 4, 4, 32, 10)
    positions = torch.rand(50, 3)
    compiled = torch.compile(lambda x: encoding(x).square().sum(-1), fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(positions), encoding(positions).square().sum(-1))


def test_numbers_of_choices_are_those_of_the_module():
    assert set(LATTICES) == set(LATTICE_NAMES)
    assert set(INTERPOLATIONS) == set(CHOICES)
