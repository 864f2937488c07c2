"""Image metrics, in the conventions that are compared with: PSNR per image, SSIM as splatfacto computes it."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

# Wang et al. 2004: an 11x11 Gaussian window of sigma 1.5, and constants that keep flat regions from dividing by zero.
_WINDOW = 11
_SIGMA = 1.5
_C1 = 0.01**2
_C2 = 0.03**2


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
    if min(height, width) < _WINDOW:
        raise ValueError(f"image: SSIM needs at least {_WINDOW}x{_WINDOW} px, got {width}x{height}")
    x, y = (
        values.reshape(-1, height, width, channels).permute(0, 3, 1, 2).reshape(-1, 1, height, width)
        for values in (image.clamp(0, 1), target)
    )
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return (luminance * structure).reshape(*image.shape[:-3], -1).mean(-1)


def _blur(images: Tensor) -> Tensor:
    """Gaussian-weighted means over all windows inside. [B, 1, H, W] -> [B, 1, H - 10, W - 10]."""
    offsets = torch.arange(_WINDOW, dtype=images.dtype, device=images.device) - _WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights = weights / weights.sum()
    return conv2d(conv2d(images, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))


def _check(image: Tensor, target: Tensor) -> None:
    if image.shape != target.shape or image.ndim < 3:
        raise ValueError(
            f"image, target: expected equal shapes [..., H, W, C], got {[*image.shape]}, {[*target.shape]}"
        )
    if not (image.is_floating_point() and target.is_floating_point()):
        raise TypeError(f"image, target: expected floats in [0, 1], got {image.dtype}, {target.dtype}")
