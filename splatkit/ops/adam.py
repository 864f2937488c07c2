"""Adam of several parameters of the same splats in one native pass.

The definition is in `splatkit.reference.adam`; the native code in `cuda/optimizer`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from splatkit.ops._library import define, dense, native, threads

MAX_GROUPS = 8  # parameters of one native pass


def adam_step(
    values: Sequence[Tensor],
    gradients: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    steps: Sequence[Tensor],
    rates: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Take one step of Adam, in place, as `torch.optim.Adam` without its options takes it.

    Args:
        values: [N, W] float32 each, dense; N is the same for all, W at least 1. At most MAX_GROUPS of them.
        gradients: like values.
        means: like values, torch's `exp_avg`; changed.
        squares: like values, torch's `exp_avg_sq`; changed.
        steps: [] float32 each, taken so far, this one included; on the device of the values, so that no host waits.
        rates: learning rates.
        beta1: share of a mean that is kept.
        beta2: share of a square that is kept.
        eps: beside the root of the square.
    """
    torch.ops.splatkit.adam_step(values, gradients, means, squares, steps, rates, beta1, beta2, eps)


def _adam_native(
    values: Sequence[Tensor],
    gradients: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    steps: Sequence[Tensor],
    rates: Sequence[float],
    *settings: float,
) -> None:
    groups = [
        (value.detach(), dense(gradient), mean, square, step.reshape(1), rate)
        for value, gradient, mean, square, step, rate in zip(
            values, gradients, means, squares, steps, rates, strict=True
        )
    ]
    native().adam_step(groups, *settings, threads())


def _adam_fake(*args: Any) -> None:
    pass


define(
    "adam_step(Tensor(a!)[] values, Tensor[] gradients, Tensor(b!)[] means, Tensor(c!)[] squares, Tensor[] steps,"
    " float[] rates, float beta1, float beta2, float eps) -> ()",
    _adam_native,
    _adam_fake,
)
