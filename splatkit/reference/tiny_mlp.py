"""A small perceptron by its definition, in torch, any dtype and device."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor


def split_parameters(parameters: Tensor, widths: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Weights [out, in] and biases [out] of each layer, views of [P] parameters."""
    layers, start = [], 0
    for inner, rows in pairwise(widths):
        weights = parameters[start : start + rows * inner].view(rows, inner)
        start += rows * inner
        layers.append((weights, parameters[start : start + rows]))
        start += rows
    return layers


def tiny_mlp(features: Tensor, parameters: Tensor, widths: Sequence[int]) -> Tensor:
    """Linear layers with rectifiers between them.

    Args:
        features: [N, widths[0]].
        parameters: [P], layer by layer the weights [out, in], row by row, and the biases [out].
        widths: of the input and of each layer's output.

    Returns:
        [N, widths[-1]], without an activation.
    """
    layers = split_parameters(parameters, widths)
    for number, (weights, biases) in enumerate(layers):
        features = features @ weights.t() + biases
        if number + 1 < len(layers):
            features = features.relu()
    return features
