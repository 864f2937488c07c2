"""A small perceptron in one native pass, forward and backward: hidden activations never leave the caches.

The networks behind an encoding are so small (64 wide) that torch spends most of their time on reading and writing
activations. The definition is in `splatkit.reference.tiny_mlp`; the native code in `cuda/networks`, for the CPU. On a
GPU the layers run in torch, whose matrix products are at home there.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from splatkit.ops._library import define, dense, differentiate, native, threads

MAX_LAYERS = 4
MAX_WIDTH = 128


def tiny_mlp(features: Tensor, layers: Sequence[nn.Linear]) -> Tensor:
    """Linear layers with rectifiers between them.

    Args:
        features: [..., in], float32 or float64. Memory with one row a feature, as encodings return it, is not copied.
        layers: one to four, with biases, at most 128 wide, of the dtype of features.

    Returns:
        [..., out], a view of memory with one row a feature. First derivatives reach features and layers; second ones
        do not exist.

    Raises:
        ValueError: where the layers do not fit each other or are too many or too wide.
    """
    widths = _widths(features, layers)
    if features.is_cuda:
        for layer in layers[:-1]:
            features = functional.relu(layer(features))
        return layers[-1](features)
    parameters = torch.cat([part.reshape(-1) for layer in layers for part in (layer.weight, layer.bias)])
    rows = features.reshape(-1, widths[0]).t()
    return torch.ops.splatkit.tiny_mlp(rows, parameters, widths).t().reshape(*features.shape[:-1], widths[-1])


def _widths(features: Tensor, layers: Sequence[nn.Linear]) -> list[int]:
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise ValueError(f"layers: expected 1 to {MAX_LAYERS}, got {len(layers)}")
    widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
    for before, layer in zip(widths, layers, strict=False):
        if layer.in_features != before or layer.bias is None:
            raise ValueError(f"layers: expected one that takes {before} features and has a bias, got {layer}")
    if max(widths) > MAX_WIDTH:
        raise ValueError(f"layers: expected at most {MAX_WIDTH} features, got {max(widths)}")
    if features.ndim == 0 or features.shape[-1] != widths[0]:
        raise ValueError(f"features: expected shape [..., {widths[0]}], got {list(features.shape)}")
    return widths


def _forward_native(features: Tensor, parameters: Tensor, widths: Sequence[int]) -> Tensor:
    outputs = _forward_fake(features, parameters, widths)
    native().tiny_mlp(dense(features), dense(parameters), widths, outputs, threads())
    return outputs


def _forward_fake(features: Tensor, parameters: Tensor, widths: Sequence[int]) -> Tensor:
    return features.new_empty(widths[-1], features.shape[1])


def _backward_native(
    features: Tensor, parameters: Tensor, v_outputs: Tensor, widths: Sequence[int], to_features: bool
) -> tuple[Tensor, Tensor]:
    v_features, v_parameters = _backward_fake(features, parameters, v_outputs, widths, to_features)
    scratch = parameters.new_empty(native().tiny_mlp_scratch_size(features.shape[1], widths))
    native().tiny_mlp_backward(
        dense(features),
        dense(parameters),
        widths,
        dense(v_outputs),
        scratch,
        v_features if to_features else None,
        v_parameters,
        threads(),
    )
    return v_features, v_parameters


def _backward_fake(
    features: Tensor, parameters: Tensor, v_outputs: Tensor, widths: Sequence[int], to_features: bool
) -> tuple[Tensor, Tensor]:
    v_features = features.new_empty(features.shape if to_features else (0, 0))
    return v_features, torch.empty_like(parameters, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.widths = inputs[2]


def _gradient(ctx: Any, v_outputs: Tensor) -> tuple[Tensor | None, Tensor, None]:
    features, parameters = ctx.saved_tensors
    wanted = ctx.needs_input_grad[0]
    v_features, v_parameters = torch.ops.splatkit.tiny_mlp_backward(features, parameters, v_outputs, ctx.widths, wanted)
    return v_features if wanted else None, v_parameters, None


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    pass


def _no_second_gradient(ctx: Any, *_: Tensor) -> None:
    raise NotImplementedError("tiny_mlp: second derivatives do not exist; use torch's layers where a loss needs them")


define("tiny_mlp(Tensor features, Tensor parameters, int[] widths) -> Tensor outputs", _forward_native, _forward_fake)
define(
    "tiny_mlp_backward(Tensor features, Tensor parameters, Tensor v_outputs, int[] widths, bool to_features)"
    " -> (Tensor v_features, Tensor v_parameters)",
    _backward_native,
    _backward_fake,
)
differentiate("tiny_mlp", _gradient, _setup)
differentiate("tiny_mlp_backward", _no_second_gradient, _setup_backward)
