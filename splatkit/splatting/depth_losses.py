"""Losses that use measured depths: rendered depths should agree with them, and what lies before them is empty.

Some measurements are wrong, and a pixel shows more than one depth. So residuals count in units of what measurement and
model can tell apart, and grow logarithmically.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

_WINDOW = 3  # px, around a splat's center in which every measured depth must lie behind it


@dataclass(frozen=True)
class DepthSettings:
    """How training uses depths that a dataset has; nothing of it acts without."""

    weight: float = 0.05
    """Of the depth loss at the beginning; 0 leaves measured depths unused."""
    final_share: float = 0.1
    """Of the weight that is left at the end: it falls exponentially."""
    median_share: float = 0.5
    """Of the loss that acts on the median depth; the rest acts on the expected one."""
    floor_share: float = 0.01
    """Of a depth, added to its deviation: what a pixel and a splat cannot tell apart."""
    carving_weight: float = 0.05
    """Of the opacity of splats that lie in front of measured depths, where a ray has passed."""
    carving_sigmas: float = 5.0
    """How far in front, in deviations with the floor."""


def depth_deviations(depths: Tensor, sigmas: Tensor, floor_share: float) -> Tensor:
    """Deviations [M] of measured depths: their own, and a share of the depth."""
    return torch.hypot(sigmas, floor_share * depths)


def robust_depth_loss(rendered: Tensor, depths: Tensor, sigmas: Tensor, floor_share: float) -> Tensor:
    """Mean of c log(1 + |rendered - measured| / s), with s the deviation and its floor, and c = floor / s.

    Near the measurement it is an absolute error in units of s; far from it the gradient falls with the distance, so
    that wrong measurements do not win against photographs. Uncertain ones count less by c.

    Args:
        rendered: [M] z-depth.
        depths: [M] measured, > 0.
        sigmas: [M] standard deviations; 0 where not known.
        floor_share: of the depth, the smallest deviation.
    """
    deviations = depth_deviations(depths, sigmas, floor_share)
    certainty = floor_share * depths / deviations
    return (certainty * torch.log1p((rendered - depths).abs() / deviations)).mean()


def free_depths(indices: Tensor, depths: Tensor, width: int, height: int) -> Tensor:
    """Up to which depth space is empty around each pixel, as far as rays tell: the nearest one within a pixel.

    Args:
        indices: [M] row * width + column of measured pixels.
        depths: [M] up to which each ray is known to have passed.
        width: px.
        height: px.

    Returns:
        [H, W]; 0 where no pixel nearby was measured.
    """
    # Of negative depths the largest is the nearest; unmeasured pixels lie behind everything.
    nearest = torch.full((height * width,), -torch.inf, dtype=depths.dtype, device=depths.device)
    nearest = nearest.scatter_reduce(0, indices.long(), -depths, "amax")
    pooled = -max_pool2d(nearest.reshape(1, 1, height, width), _WINDOW, 1, _WINDOW // 2)[0, 0]
    return torch.where(pooled.isfinite(), pooled, 0.0)


def in_free_space(means2d: Tensor, far_ends: Tensor, free: Tensor) -> Tensor:
    """Which splats [N] lie where rays have passed.

    Args:
        means2d: [N, 2] px.
        far_ends: [N] z-depth to which splats reach; negative ones count for nothing.
        free: [H, W] from `free_depths`.
    """
    height, width = free.shape
    columns, rows = means2d.floor().long().unbind(-1)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height) & (far_ends > 0)
    limit = free[rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return inside & (far_ends < limit)
