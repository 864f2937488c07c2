"""The photometric loss of 3D Gaussian Splatting (arXiv 2308.04079, eq. 7) by its definition."""

import torch
from torch import Tensor

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), windows wholly inside the image, mean over windows and channels.

    Args:
        a: [H, W, C], data range 1, both sides at least 11 px.
        b: [H, W, C].

    Returns:
        Scalar.
    """
    offsets = torch.arange(SSIM_WINDOW, dtype=a.dtype) - SSIM_WINDOW // 2
    taps = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    taps = taps / taps.sum()
    window = (taps[:, None] * taps)[None, None]

    def mean(image: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(image.permute(2, 0, 1)[:, None], window)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, covariance = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return (luminance * (2 * covariance + _C2) / (var_a + var_b + _C2)).mean()


def photometric_loss(rendered: Tensor, target: Tensor, ssim_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """(1 - ssim_weight) * L1 + ssim_weight * (1 - SSIM); arguments and results as `ops.photometric_loss`."""
    l1, similarity = (rendered - target).abs().mean(), ssim(rendered, target)
    return (1 - ssim_weight) * l1 + ssim_weight * (1 - similarity), l1, similarity
