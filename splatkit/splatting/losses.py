"""The loss of training: photometric, with masks."""

import torch
from torch import Tensor

from splatkit import ops

SSIM_WEIGHT = 0.2  # 3DGS, arXiv 2308.04079, eq. 7


def photometric_loss(
    rendered: Tensor, target: Tensor, mask: Tensor | None = None, ssim_weight: float = SSIM_WEIGHT
) -> Tensor:
    """(1 - l) L1 + l (1 - SSIM) of a rendered image; conventions as in `ops.photometric_loss`.

    Args:
        rendered: [H, W, C], gradients flow to it.
        target: [H, W, C] in [0, 1].
        mask: [H, W, 1], 1 where the pixel counts. Pixels that do not count become those of the rendering in both
            images: they give no gradient and do not disturb the windows that straddle the border of the mask. The
            mean is taken over the pixels that count.
        ssim_weight: l.

    Returns:
        Scalar.
    """
    if mask is None:
        return ops.photometric_loss(rendered, target, ssim_weight)[0]
    seen, unseen = mask > 0, rendered.detach()
    share = seen.float().mean().clamp_min(1e-6)
    rendered, target = torch.where(seen, rendered, unseen), torch.where(seen, target, unseen)
    return ops.photometric_loss(rendered, target, ssim_weight)[0] / share
