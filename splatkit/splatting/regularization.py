"""Additions to the loss that shape splats: flat ones with normals that agree with the depth, and no needles."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RegularizationSettings:
    """Weights of the additions; 0 leaves one out and costs nothing."""

    flatness_weight: float = 0.0
    """Weight of the mean shortest axis, in shares of the scene extent: disks have a normal. Try 10 to 100."""
    normal_weight: float = 0.0
    """Weight of the angle between rendered normals and those of the depth (2DGS: 0.05); adds a second pass."""
    normal_from_share: float = 0.25
    """Share of the run after which normals count; earlier, depth is not reliable."""


def flatness(scales: Tensor, extent: float) -> Tensor:
    """Mean of the shortest axis of splats [N, 3], in shares of the extent of the scene."""
    return scales.amin(1).mean() / extent


def needle_penalty(scales: Tensor, max_ratio: float) -> Tensor:
    """Mean excess of longest over shortest axis [N, 3] above a ratio (PhysGaussian, arXiv 2311.12198, eq. 16)."""
    return (scales.amax(1) / scales.amin(1)).clamp_min(max_ratio).mean() - max_ratio


def normal_disagreement(normals: Tensor, depths: Tensor, alphas: Tensor, viewmat: Tensor, K: Tensor) -> Tensor:
    """How far composited normals are from those of the depth map (2D Gaussian Splatting, arXiv 2403.17888, eq. 14).

    Args:
        normals: [H, W, 3] world, composited: length at most the accumulated opacity.
        depths: [H, W, 1] z; 0 where nothing was hit.
        alphas: [H, W, 1].
        viewmat: [4, 4] world to camera, OpenCV axes.
        K: [3, 3] px.

    Returns:
        Mean over pixels of `alpha - normal . normal_of_depth`, 0 where they agree; pixels at the border of the image
        and of what was hit do not count.
    """
    surface, seen = depth_normals(depths[..., 0], K)
    surface = surface @ viewmat[:3, :3]  # rows: R^T n, from the camera's frame to the world's
    disagreement = alphas[1:-1, 1:-1, 0].detach() - (normals[1:-1, 1:-1] * surface).sum(-1)
    return torch.where(seen, disagreement, 0.0).mean()


def depth_normals(depths: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Normals of a depth map [H, W] in the camera's frame, turned to the camera, and where there are any.

    Returns:
        [H - 2, W - 2, 3] unit vectors from central differences, and [H - 2, W - 2] whether all four neighbors were hit.
    """
    height, width = depths.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=depths.device) + 0.5, torch.arange(width, device=depths.device) + 0.5, indexing="ij"
    )
    points = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)], -1) * depths[..., None]
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    # Right times down points away from the camera in OpenCV's frame, so down times right comes back.
    normals = torch.nn.functional.normalize(torch.cross(down, across, dim=-1), dim=-1)
    hit = depths > 0
    seen = hit[1:-1, 2:] & hit[1:-1, :-2] & hit[2:, 1:-1] & hit[:-2, 1:-1]
    return normals, seen
