"""Agreement of views that found surfaces for themselves, and texture of windows, by their definition.

Source: forward and backward reprojection of Schoenberger et al. 2016, section 3.5. Conventions are those of
`reference.stereo_matching`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.reference.stereo_matching import (
    from_first_center,
    gradients,
    inverse_depths,
    nearest_grays,
    nearest_planes,
    project,
    rays,
    window_of,
    window_offsets,
)

SEES_THROUGH = 0.02  # a surface farther than the point by this share of its depth, and ...
THROUGH_PIXELS = 4.0  # ... by this much parallax, px, is seen through it
LIKE_ITS_MIDDLE = (0.8, 1.25)  # inverse depths of a pixel's plane beside its center, as shares of that in it


class Tolerances(NamedTuple):
    """When a neighbor's plane agrees; as `ops.stereo.AgreementSettings`."""

    most_pixels: float  # px
    most_share: float  # of the depth
    least_cosine: float  # between normals
    trusted_cost: float


class Neighbor(NamedTuple):
    """A view whose planes are compared with a reference's."""

    planes: Tensor  # [h, w, 3]
    costs: Tensor  # [h, w]
    K: Tensor  # [3, 3] px, pixel centers at +0.5
    T: Tensor  # [4, 4] T_neighbor_reference


class Opinion(NamedTuple):
    """What one neighbor says of each of P pixels."""

    agrees: Tensor  # [P] bool
    differences: Tensor  # [P] of its depth, taken to the pixel, from the pixel's own
    slopes: Tensor  # [P] (px of parallax a unit of depth)^2
    through: Tensor  # [P] bool: it sees a surface behind


def check_agreement(planes: Tensor, K: Tensor, neighbors: list[Neighbor], tolerances: Tolerances) -> Tensor:
    """Agreement [H, W, 5] of planes [H, W, 3] with neighbors; as `ops.stereo.check_agreement`, in the order there."""
    H, W, _ = planes.shape
    row, column = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    points, flat = torch.stack([column, row], -1).reshape(-1, 2).double(), planes.reshape(-1, 3)
    there = inverse_depths(flat, points) > 0
    depths = 1 / torch.where(there, inverse_depths(flat, points), 1)
    zero = torch.zeros_like(depths)
    opinions = [opinion_of(neighbor, flat, K, points, tolerances) for neighbor in neighbors]
    differences = torch.stack([zero, *(torch.where(o.agrees, o.differences, 0) for o in opinions)], -1)
    agreeing = sum((o.agrees.double() for o in opinions), zero)
    information = sum((torch.where(o.agrees, o.slopes, 0) for o in opinions), zero)
    shift = differences.sum(-1) / (agreeing + 1)
    spread = (differences.square().sum(-1) / (agreeing + 1) - shift**2).clamp_min(0).sqrt()
    through = sum((o.through.double() for o in opinions), zero)
    found = torch.stack([depths + shift, agreeing, information, spread, through], -1)
    return torch.where(there[:, None], found, 0).view(H, W, 5)


def opinion_of(neighbor: Neighbor, planes: Tensor, K: Tensor, points: Tensor, tolerances: Tolerances) -> Opinion:
    """Of a neighbor on planes [P, 3] at pixels [P, 2]."""
    R, t = neighbor.T[:3, :3], neighbor.T[:3, 3]
    depths = 1 / inverse_depths(planes, points)
    X = (rays(K, points) * depths[:, None]) @ R.T + t
    place = project(neighbor.K, X)
    surface, inside = nearest_planes(neighbor.planes, place)
    pixel = (place + 0.5).floor()
    middle, inverse = inverse_depths(surface, pixel), inverse_depths(surface, place)
    sees = (X[:, 2] > 0) & inside & (middle > 0)

    slopes = squared_slopes(neighbor.K, X, rays(K, points) @ R.T)
    gap = 1 / middle - X[:, 2]
    trusted = nearest_grays(neighbor.costs, torch.where(inside[:, None], pixel, 0)) < tolerances.trusted_cost
    through = trusted & (gap > SEES_THROUGH * X[:, 2]) & (gap**2 * slopes > THROUGH_PIXELS**2)

    back = (rays(neighbor.K, place) / inverse[:, None] - t) @ R
    error = (project(K, back) - points).norm(dim=-1)
    normals = gradients(neighbor.K, surface) @ R
    cosine = torch.cosine_similarity(normals, gradients(K, planes), dim=-1, eps=1e-300)
    least, most = LIKE_ITS_MIDDLE
    agrees = (inverse > least * middle) & (inverse < most * middle) & (back[:, 2] > 0)
    agrees &= (error < tolerances.most_pixels) & (cosine > tolerances.least_cosine)
    agrees &= (back[:, 2] - depths).abs() < tolerances.most_share * depths
    return Opinion(sees & agrees, back[:, 2] - depths, slopes, sees & through)


def squared_slopes(K: Tensor, X: Tensor, directions: Tensor) -> Tensor:
    """|d(u, v) / ds|^2 [P] of the pixels of points X + s direction [P, 3] at s = 0."""
    moved = directions[:, :2] - X[:, :2] / X[:, 2:] * directions[:, 2:]
    return (moved / X[:, 2:] @ from_first_center(K)[:2, :2].T).square().sum(-1)


def window_texture(grays: Tensor, least: float, color_sigma: float, space_sigma: float) -> tuple[Tensor, Tensor]:
    """Variances of weighted windows of an image [H, W], and the shares of windows where those are more than `least`."""
    H, W = grays.shape
    row, column = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    points = torch.stack([column, row], -1).double()
    window = window_of(grays, points, color_sigma, space_sigma)
    textured = nearest_grays(window.variances, points[..., None, :] + window_offsets()) > least
    return window.variances, (window.weights * textured).sum(-1)
