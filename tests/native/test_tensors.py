"""Tensors cross into native code checked and uncopied, with torch's exchange API or without it."""

import pytest
import torch

from splatkit.ops import native
from tests.splat_scenes import make_splat_scene


class OldTensor(torch.Tensor):
    """A tensor of a torch that has no C exchange API: native code must take the older DLPack route."""

    __dlpack_c_exchange_api__ = None


def project(kind: type[torch.Tensor]) -> list[torch.Tensor]:
    scene = make_splat_scene(30, dtype=torch.float32)
    tensors = [x.as_subclass(kind) for x in scene[:7]]
    outputs = [torch.zeros(2, 30, 2), torch.zeros(2, 30, 3), torch.zeros(2, 30), torch.zeros(2, 30, 2)]
    native().project_splats(*tensors, *scene[7:], *[x.as_subclass(kind) for x in outputs], 1)
    return outputs


def test_both_routes_give_the_same_result_in_place():
    for actual, expected in zip(project(OldTensor), project(torch.Tensor), strict=True):
        assert expected.abs().max() > 0
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("kind", [torch.Tensor, OldTensor])
def test_a_strided_output_is_refused_instead_of_written_to_a_copy(kind: type[torch.Tensor]):
    scene = make_splat_scene(30, dtype=torch.float32)
    outputs = [torch.zeros(2, 30, 2), torch.zeros(2, 30, 3), torch.zeros(2, 60)[:, ::2], torch.zeros(2, 30, 2)]
    with pytest.raises(ValueError, match="depths: expected a dense tensor"):
        native().project_splats(*[x.as_subclass(kind) for x in scene[:7]], *scene[7:], *outputs, 1)


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="means: expected a torch tensor"):
        native().project_splats(*[[1.0]] * 7, 8, 8, 0.1, 10.0, 0.3, *[[1.0]] * 4, 1)
