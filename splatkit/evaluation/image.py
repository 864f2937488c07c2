"""Image metrics, in the conventions that are compared with: PSNR per image, SSIM as splatfacto computes it."""

import torch
from torch import Tensor

from splatkit.ops import photometric_loss

SSIM_WINDOW = 11  # px, of SSIM


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, dB, of each image; infinite where both are the same.

    Take the mean over images of this, not the PSNR of the mean error: the two differ by tenths of a dB.

    Args:
        image: [..., H, W, C], clamped to [0, 1] before comparing.
        target: same shape, in [0, 1].

    Returns:
        [...] dB.
    """
    _check(image, target)
    return -10 * torch.log10((image.clamp(0, 1) - target).square().mean((-3, -2, -1)))


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each image, over the windows that lie fully inside ("valid").

    This is the convention of `pytorch_msssim.SSIM`, hence of splatfacto and `ns-eval`. The papers of 3DGS and GES
    pad with zeros instead, torchmetrics by reflection; on photographs of 270x480 the first two differ by about 0.01.

    Args:
        image: [..., H, W, C], clamped to [0, 1] before comparing; H, W >= 11.
        target: same shape, in [0, 1].

    Returns:
        [...] in [-1, 1], the mean over windows and channels.
    """
    _check(image, target)
    height, width, channels = image.shape[-3:]
    if min(height, width) < SSIM_WINDOW:
        raise ValueError(f"image: SSIM needs at least {SSIM_WINDOW}x{SSIM_WINDOW} px, got {width}x{height}")
    pairs = zip(
        image.clamp(0, 1).reshape(-1, height, width, channels), target.reshape(-1, height, width, channels), strict=True
    )
    return torch.stack([photometric_loss(x, y, 1.0)[2] for x, y in pairs]).reshape(image.shape[:-3])


def _check(image: Tensor, target: Tensor) -> None:
    if image.shape != target.shape or image.ndim < 3:
        raise ValueError(
            f"image, target: expected equal shapes [..., H, W, C], got {[*image.shape]}, {[*target.shape]}"
        )
    if not (image.is_floating_point() and target.is_floating_point()):
        raise TypeError(f"image, target: expected floats in [0, 1], got {image.dtype}, {target.dtype}")
