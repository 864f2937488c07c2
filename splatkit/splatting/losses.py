"""The photometric loss of 3D Gaussian Splatting: (1 - l) L1 + l (1 - SSIM), l = 0.2 (arXiv 2308.04079, eq. 7)."""

import torch
from torch import Tensor

from splatkit import ops

SSIM_WEIGHT = 0.2


def photometric_loss(rendered: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Loss of a rendered image.

    Args:
        rendered: [H, W, C], both sides at least 11 px; gradients flow to it.
        target: [H, W, C] in [0, 1].
        mask: [H, W, 1], 1 where the pixel counts. Pixels that do not count become those of the rendering in both
            images: they give no gradient and do not disturb the windows that straddle the border of the mask. The
            mean is taken over the pixels that count.

    Returns:
        Scalar.
    """
    share = 1.0
    if mask is not None:
        unseen = rendered.detach()
        rendered, target = torch.where(mask > 0, rendered, unseen), torch.where(mask > 0, target, unseen)
        share = float((mask > 0).float().mean().clamp_min(1e-6))
    loss, _, _ = ops.photometric_loss(rendered, target, SSIM_WEIGHT)
    return loss / share
