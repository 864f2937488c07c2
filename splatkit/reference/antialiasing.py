"""A splat seen through a Gaussian pixel, by matching moments.

The convolution of a generalized exponential with a Gaussian is no generalized exponential; the one with the same
variance, kurtosis and mass stands for it. At beta = 2 that is the 2-D filter of Mip-Splatting (arXiv 2311.16493). The
extension to other exponents is ours.
"""

import math

import torch
from torch import Tensor


def relative_variance(betas: Tensor) -> Tensor:
    """Variance of exp(-q^(beta/2) / 2) in the plane, relative to the Gaussian of the same covariance. [...]."""
    return torch.exp(2 / betas * math.log(2) + torch.lgamma(4 / betas) - torch.lgamma(2 / betas)) / 2


def relative_mass(betas: Tensor) -> Tensor:
    """Mass of exp(-q^(beta/2) / 2) in the plane, relative to the Gaussian of the same covariance. [...]."""
    return torch.exp(2 / betas * math.log(2) + torch.lgamma(2 / betas)) / betas


def filter_splats(covars2d: Tensor, opacities: Tensor, betas: Tensor, pixel: float) -> tuple[Tensor, Tensor, Tensor]:
    """Splats seen through pixels.

    Args:
        covars2d: [..., 2, 2] px^2.
        opacities: [...].
        betas: [...].
        pixel: variance of a pixel, px^2.

    Returns:
        Covariances, opacities and exponents, of the same shapes.
    """
    variances = relative_variance(betas)[..., None, None] * covars2d
    wide = variances + pixel * torch.eye(2, dtype=covars2d.dtype, device=covars2d.device)
    ratio = torch.linalg.det(variances) / torch.linalg.det(wide)
    seen_betas = 2 + (betas - 2) * ratio
    seen = wide / relative_variance(seen_betas)[..., None, None]
    shrink = torch.sqrt(torch.linalg.det(covars2d) / torch.linalg.det(seen))
    seen_opacities = opacities * shrink * relative_mass(betas) / relative_mass(seen_betas)
    return seen, seen_opacities.clamp_max(1), seen_betas
