"""The generalized exponential kernel of a splat (GES, arXiv 2402.10128, eq. 2), rounded at its center."""

import torch
from torch import Tensor


def gef_weight(q: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Weight of a splat at a pixel: exp(-u / 2) with u = (q + eps)^(beta/2) - eps^(beta/2).

    Args:
        q: [...] squared Mahalanobis distance, >= 0.
        beta: broadcastable to q, the exponent; 2 is the Gaussian.
        eps: rounds the cusp at q = 0 for beta < 2; without effect at beta = 2.

    Returns:
        [...] weight in (0, 1], dtype of q.

    Source: GES (arXiv 2402.10128), eq. 2; eps is ours (README, "What differs from the papers").
    """
    half = beta / 2
    return torch.exp(-((q + eps) ** half - eps**half) / 2)


def gef_support(opacity: Tensor, beta: Tensor, eps: float, alpha_min: float) -> Tensor:
    """Largest q at which `opacity * gef_weight(q, beta)` still reaches alpha_min; 0 where it never does.

    Args:
        opacity: [...] in [0, 1].
        beta: broadcastable to opacity.
        eps: as in `gef_weight`.
        alpha_min: the smallest alpha that is composited.

    Returns:
        [...] q_max >= 0.
    """
    half = beta / 2
    u_max = 2 * torch.log(opacity / alpha_min)
    q_max = (u_max.clamp_min(0) + eps**half) ** (1 / half) - eps
    return torch.where(u_max > 0, q_max.clamp_min(0), torch.zeros_like(q_max))
