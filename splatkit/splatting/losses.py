"""The photometric loss of 3D Gaussian Splatting: (1 - l) L1 + l (1 - SSIM), l = 0.2 (arXiv 2308.04079, eq. 7).

SSIM (Wang et al. 2004): Gaussian window of 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1, the mean over all
windows that lie wholly inside the image ("valid" convention) and over the channels.
"""

import functools
from typing import Any

import torch
from torch import Tensor

SSIM_WEIGHT = 0.2
_WINDOW = 11
_SIGMA = 1.5
_BLOCK = 48  # outputs that one product makes; from 32 to 64 the speed is the same
_C1, _C2 = 0.01**2, 0.03**2


def photometric_loss(rendered: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Loss of a rendered image.

    Args:
        rendered: [H, W, C], gradients flow to it.
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
    l1 = (rendered - target).abs().mean()
    return ((1 - SSIM_WEIGHT) * l1 + SSIM_WEIGHT * (1 - ssim(rendered, target))) / share


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of two images [H, W, C] of data range 1, both sides at least 11 px. Returns a scalar."""
    if a.shape != b.shape or min(a.shape[:2]) < _WINDOW:
        raise ValueError(f"images: expected two of one shape of at least 11x11, got {list(a.shape)}, {list(b.shape)}")
    x, y = a.permute(2, 0, 1), b.permute(2, 0, 1)
    mean_x, mean_y, xx, yy, xy = _WindowedMeans.apply(torch.stack([x, y, x * x, y * y, x * y]))
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return (luminance * (2 * cov + _C2) / (var_x + var_y + _C2)).mean()


class _WindowedMeans(torch.autograd.Function):
    """Means [..., H - 10, W - 10] of all windows inside images [..., H, W], weighted by the Gaussian window."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        return _blur(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # The window is symmetric, so the transposed map is the same blur of the gradient with a border of zeros.
        border = _WINDOW - 1
        return _blur(torch.nn.functional.pad(gradients[0], (border, border, border, border)))


def _blur(images: Tensor) -> Tensor:
    """The two passes of `_WindowedMeans`, each as products of blocks with one small band matrix.

    On a CPU this runs at the speed of the matrix library: several times faster than a convolution, or than one band
    matrix as large as the image.
    """
    height, width = images.shape[-2] - _WINDOW + 1, images.shape[-1] - _WINDOW + 1
    band = _band().to(images)  # [BLOCK, BLOCK + 10]
    columns = images.new_empty(*images.shape[:-1], width)
    for start in range(0, width, _BLOCK):
        n = min(_BLOCK, width - start)
        torch.matmul(
            images[..., start : start + n + _WINDOW - 1],
            band[:n, : n + _WINDOW - 1].T,
            out=columns[..., start : start + n],
        )
    out = images.new_empty(*images.shape[:-2], height, width)
    for start in range(0, height, _BLOCK):
        n = min(_BLOCK, height - start)
        out[..., start : start + n, :] = band[:n, : n + _WINDOW - 1] @ columns[..., start : start + n + _WINDOW - 1, :]
    return out


@functools.cache
def _band() -> Tensor:
    """Matrix [BLOCK, BLOCK + 10] whose row i holds the Gaussian window from column i on."""
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    window = window / window.sum()
    out = torch.zeros(_BLOCK, _BLOCK + _WINDOW - 1, dtype=torch.float64)
    for k, weight in enumerate(window):
        out.diagonal(k)[:] = weight
    return out
