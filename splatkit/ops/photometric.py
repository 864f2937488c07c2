"""The photometric loss of training and its gradient in one native pass.

The definition is in `splatkit.reference.photometric`; the native code in `cuda/image/photometric_rows.cpp`
and `photometric.cu`.
"""

from typing import Any

import torch
from torch import Tensor

from splatkit.ops._library import define, dense, differentiate, native, threads


def photometric_loss(rendered: Tensor, target: Tensor, ssim_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """(1 - ssim_weight) * L1 + ssim_weight * (1 - SSIM) of two images (3D Gaussian Splatting, arXiv 2308.04079, eq. 7).

    SSIM (Wang et al. 2004) has a Gaussian window of 11 x 11, sigma 1.5, data range 1, and is the mean over channels and
    all windows that lie wholly inside the image ("valid").

    Args:
        rendered: [H, W, C], both sides at least 11 px.
        target: [H, W, C].
        ssim_weight: share of the SSIM term.

    Returns:
        The loss, and its mean absolute difference and mean SSIM for logs. Gradients flow from the loss alone, to
        rendered alone.
    """
    loss, l1, ssim, _ = torch.ops.splatkit.photometric_loss(rendered, target, ssim_weight)
    return loss, l1, ssim


def _photometric_native(rendered: Tensor, target: Tensor, ssim_weight: float) -> tuple[Tensor, ...]:
    rendered, target = dense(rendered), dense(target)
    if rendered.ndim != 3:
        raise ValueError(f"rendered: expected shape [H, W, C], got {list(rendered.shape)}")
    outputs = _photometric_fake(rendered, target, ssim_weight)
    planes, sums = native().photometric_scratch_sizes(rendered)
    scratch = (rendered.new_empty(planes, *rendered.shape[:2]), rendered.new_empty(sums, dtype=torch.float64))
    native().photometric_loss(rendered, target, ssim_weight, *outputs, *scratch, threads())
    return outputs


def _photometric_fake(rendered: Tensor, target: Tensor, ssim_weight: float) -> tuple[Tensor, ...]:
    scalars = [rendered.new_empty(()) for _ in range(3)]
    return (*scalars, torch.empty_like(rendered, memory_format=torch.contiguous_format))


def _photometric_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(output[3])


def _photometric_gradient(ctx: Any, v_loss: Tensor, *_: Tensor) -> tuple[Any, ...]:
    return ctx.saved_tensors[0] * v_loss, None, None


define(
    "photometric_loss(Tensor rendered, Tensor target, float ssim_weight)"
    " -> (Tensor loss, Tensor l1, Tensor ssim, Tensor v_rendered)",
    _photometric_native,
    _photometric_fake,
)
differentiate("photometric_loss", _photometric_gradient, _photometric_setup)
