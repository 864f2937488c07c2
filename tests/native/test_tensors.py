"""Tensors cross into native code checked and uncopied, with torch's exchange API or without it."""

import pytest
import torch

from splatkit.ops import native
from tests.splat_scenes import make_splat_scene


class OldTensor(torch.Tensor):
    """A tensor of a torch that has no C exchange API: native code must take the older DLPack route."""

    __dlpack_c_exchange_api__ = None


def color(kind: type[torch.Tensor], colors: torch.Tensor) -> torch.Tensor:
    """Colors of 30 splats in 2 cameras, written to `colors`."""
    scene = make_splat_scene(30, dtype=torch.float32)
    coefficients = torch.rand(30, 4, 3, generator=torch.Generator().manual_seed(0))
    means, *inputs = [x.as_subclass(kind) for x in (scene.means, scene.viewmats, coefficients, torch.ones(2, 30, 2))]
    native().sh_colors(means, *inputs[:2], None, inputs[2], 1, colors.as_subclass(kind), 1)
    return colors


def test_both_routes_give_the_same_result_in_place():
    actual, expected = color(OldTensor, torch.zeros(2, 30, 3)), color(torch.Tensor, torch.zeros(2, 30, 3))
    assert expected.abs().max() > 0
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("kind", [torch.Tensor, OldTensor])
def test_a_strided_output_is_refused_instead_of_written_to_a_copy(kind: type[torch.Tensor]):
    with pytest.raises(ValueError, match="colors: expected a dense tensor"):
        color(kind, torch.zeros(2, 60, 3)[:, ::2])


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="means: expected a torch tensor"):
        native().sh_colors([1.0], [1.0], [1.0], None, [1.0], 1, [1.0], 1)
