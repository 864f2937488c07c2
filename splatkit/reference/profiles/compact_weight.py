"""The compact kernel of Deformable Beta Splatting (arXiv 2501.18630): (1 - q)^beta inside q < 1, nothing outside."""

import torch
from torch import Tensor


def compact_weight(q: Tensor, beta: Tensor) -> Tensor:
    """Weight of a splat at a pixel.

    Args:
        q: [...] squared Mahalanobis distance, >= 0.
        beta: broadcastable to q, > 0.

    Returns:
        [...] weight in [0, 1].
    """
    inside = q < 1
    return torch.where(inside, torch.where(inside, 1 - q, 1.0) ** beta, 0.0)


def compact_support(opacity: Tensor, beta: Tensor, alpha_min: float) -> Tensor:
    """Largest q at which `opacity * compact_weight(q, beta)` still reaches alpha_min; 0 where it never does. [...]."""
    reaches = (opacity > alpha_min) & (beta > 0)
    return torch.where(reaches, 1 - (alpha_min / opacity) ** (1 / beta), 0.0)
