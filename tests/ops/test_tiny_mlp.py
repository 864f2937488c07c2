"""The fused perceptron against its definition, on every instruction set."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from splatkit import ops
from splatkit.ops import native
from splatkit.ops.tiny_mlp import tiny_mlp
from splatkit.reference import tiny_mlp as reference
from tests.conftest import INSTRUCTION_SETS
from tests.helpers import relative_error

# One to four layers, widths below, at and between the blocks of the kernels.
SHAPES = [[3, 1], [10, 16, 1], [32, 64, 16], [31, 64, 64, 3], [5, 7, 9, 11, 2], [128, 128, 128]]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    before = native().instruction_set()
    if not native().use_instruction_set(request.param):
        pytest.skip(f"this machine has no {request.param}")
    yield
    native().use_instruction_set(before)


def make_layers(widths: list[int], dtype: torch.dtype = torch.float64) -> list[nn.Linear]:
    return [nn.Linear(a, b, dtype=dtype) for a, b in pairwise(widths)]


def flat(layers: list[nn.Linear]) -> Tensor:
    return torch.cat([p.reshape(-1) for layer in layers for p in (layer.weight, layer.bias)])


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("widths", SHAPES, ids=str)
@pytest.mark.parametrize("points", [1, 255, 700])
def test_values_and_gradients_match_the_definition(widths: list[int], points: int, dtype: torch.dtype):
    layers = make_layers(widths)
    features = torch.randn(points, widths[0], dtype=torch.float64, requires_grad=True)
    v = torch.randn(points, widths[-1], dtype=torch.float64)
    parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
    expected = reference.tiny_mlp(features, flat(layers), widths)
    expected_gradients = torch.autograd.grad(expected, [features, *parameters], v)
    mine = [nn.Linear(layer.in_features, layer.out_features, dtype=dtype) for layer in layers]
    for layer, copy in zip(layers, mine, strict=True):
        copy.load_state_dict(layer.state_dict())
    leaf = features.detach().to(dtype).requires_grad_()
    actual = tiny_mlp(leaf, mine)
    leaves = [leaf, *(p for layer in mine for p in (layer.weight, layer.bias))]
    gradients = torch.autograd.grad(actual, leaves, v.to(dtype))
    tolerance = 1e-13 if dtype == torch.float64 else 2e-6
    assert relative_error(actual, expected) < tolerance
    for a, e in zip(gradients, expected_gradients, strict=True):
        # A float32 sum that falls on the other side of zero switches a rectifier.
        assert relative_error(a, e) < (tolerance if dtype == torch.float64 else 1e-3)


def test_gradients_agree_with_finite_differences():
    layers = make_layers([4, 6, 5, 2])
    features = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    parameters = flat(layers).detach().requires_grad_()
    widths = [4, 6, 5, 2]
    op = torch.ops.splatkit.tiny_mlp
    assert torch.autograd.gradcheck(lambda x, p: op(x.t(), p, widths), (features, parameters))


@pytest.mark.parametrize("shape", [(0, 6), (3, 0, 6), (2, 5, 6), (6,)])
def test_any_shape_and_layout(shape: tuple[int, ...]):
    layers = make_layers([6, 8, 3], torch.float32)
    features = torch.randn(*shape[:-1], 12)[..., ::2].requires_grad_()
    actual = tiny_mlp(features, layers)
    expected = layers[1](layers[0](features).relu())
    torch.testing.assert_close(actual, expected)
    gradients = [torch.autograd.grad(x.square().sum(), features, retain_graph=True)[0] for x in (actual, expected)]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_gradients_have_the_same_bits_for_any_number_of_threads():
    layers = make_layers([32, 64, 16], torch.float32)
    features = torch.randn(30_000, 32)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            with ops.native_threads_only():
                outputs = tiny_mlp(features, layers)
                found.append(torch.autograd.grad(outputs.square().sum(), layers[0].weight)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(other, found[0]) for other in found[1:])


def test_nan_stays_nan():
    features = torch.zeros(2, 3)
    features[1, 0] = torch.nan
    outputs = tiny_mlp(features, make_layers([3, 4, 2], torch.float32))
    assert outputs[0].isfinite().all()
    assert outputs[1].isnan().all()


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([3], "1 to 4"),
        ([3, 4, 4, 4, 4, 2], "1 to 4"),
        ([3, 129, 2], "at most 128"),
        ([2, 4, 2], r"shape \[\.\.\., 2\]"),
    ],
)
def test_layers_that_do_not_fit_are_refused(widths: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        tiny_mlp(torch.zeros(5, 3), make_layers(widths, torch.float32))


def test_layers_that_do_not_follow_each_other_are_refused():
    with pytest.raises(ValueError, match="takes 4 features"):
        tiny_mlp(torch.zeros(5, 3), [nn.Linear(3, 4), nn.Linear(5, 2)])
    with pytest.raises(ValueError, match="has a bias"):
        tiny_mlp(torch.zeros(5, 3), [nn.Linear(3, 4, bias=False)])


def test_second_derivatives_are_refused():
    features = torch.randn(5, 3, requires_grad=True)
    outputs = tiny_mlp(features, make_layers([3, 4, 2], torch.float32))
    (slope,) = torch.autograd.grad(outputs.sum(), features, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        slope.square().sum().backward()


# torch's own checker looks at .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_op_passes_opcheck_and_compiles_into_one_graph():
    layers = make_layers([3, 4, 2], torch.float32)
    features = torch.randn(3, 20, requires_grad=True)
    torch.library.opcheck(torch.ops.splatkit.tiny_mlp, (features, flat(layers), [3, 4, 2]))
    compiled = torch.compile(lambda x: tiny_mlp(x, layers).sum(), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(features.t()), tiny_mlp(features.t(), layers).sum())
