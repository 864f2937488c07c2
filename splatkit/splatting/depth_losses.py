"""Losses that use measured depths and normals: rendered depths should agree with them, what lies before them is empty,
and splats are disks in the surface.

Some measurements are wrong, and a pixel shows more than one depth. So residuals count in units of what measurement and
model can tell apart, and grow logarithmically.

The loss of normals needs no rendering: a splat whose center a camera sees in a pixel is compared with the normal that
was measured there, if its depth is near enough to be of that surface.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from splatkit.geometry.rotation import quat_to_rotmat

_LARGEST_FLOOR, _LEAST_FLOOR = 0.01, 0.001  # of a depth
_FLOOR_DEVIATIONS = 5.0  # typical ones of the dataset: a floor of LiDARs and of stereo alike


@dataclass(frozen=True)
class DepthSettings:
    """How training uses the depths of a dataset; without effect where it has none."""

    weight: float = 0.05
    """Weight of the depth loss at the beginning; 0 ignores measured depths."""
    final_share: float = 0.1
    """Share of the weight that is left at the end; it falls exponentially."""
    median_share: float = 0.5
    """Share of the loss that acts on the median depth; the rest acts on the expected one."""
    floor_share: float | None = None
    """Share of a depth that is added to its standard deviation: what a pixel and a splat cannot resolve. Default: five
    times the typical standard deviation of the dataset, from 0.1 to 1 %; 1 % where most are unknown."""
    normal_weight: float = 0.1
    """Weight of the angle between the shortest axes of splats and the normals measured in their pixels."""
    normal_sigmas: float = 5.0
    """Within how many standard deviations, with the floor, a splat belongs to the surface measured in its pixel."""
    carving_weight: float = 0.05
    """Weight of the opacity of splats where a ray has passed: in front of measured depths, and in empty space."""
    carving_sigmas: float = 5.0
    """How far in front, in standard deviations with the floor."""


def floor_share_for(settings: DepthSettings, typical_share: float | None) -> float:
    """The floor that is set, or else what fits a dataset.

    Args:
        settings: see there.
        typical_share: median deviation of its depths, as a share of the depth; None where most are not known.
    """
    if settings.floor_share is not None:
        return settings.floor_share
    if typical_share is None:
        return _LARGEST_FLOOR
    return min(max(_FLOOR_DEVIATIONS * typical_share, _LEAST_FLOOR), _LARGEST_FLOOR)


def depth_deviations(depths: Tensor, sigmas: Tensor, floor_share: float) -> Tensor:
    """Deviations [M] of measured depths: their own, and a share of the depth."""
    return torch.hypot(sigmas, floor_share * depths)


def depth_certainties(depths: Tensor, deviations: Tensor, floor_share: float) -> Tensor:
    """How much measured depths [M] with deviations from `depth_deviations` count, in (0, 1]."""
    return floor_share * depths / deviations


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
    certainty = depth_certainties(depths, deviations, floor_share)
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
    pooled = -_largest_nearby(nearest.reshape(height, width))
    return torch.where(pooled.isfinite(), pooled, 0.0)


def in_free_space(means2d: Tensor, far_ends: Tensor, free: Tensor) -> Tensor:
    """Which splats [N] lie where rays have passed.

    Args:
        means2d: [N, 2] px.
        far_ends: [N] z-depth to which splats reach; negative ones count for nothing.
        free: [H, W] from `free_depths`.
    """
    return (far_ends > 0) & (far_ends < _values_at(means2d, free))


def before_nothing(means2d: Tensor, confidences: Tensor) -> Tensor:
    """How sure it is that splats lie where nothing is, [N]: as sure as at the least sure pixel around their center.

    Args:
        means2d: [N, 2] px.
        confidences: [H, W] in [0, 1] that nothing is there.
    """
    return _values_at(means2d, -_largest_nearby(-confidences))


def _largest_nearby(image: Tensor) -> Tensor:
    """The largest value of an image [H, W] within a pixel. Whole rows at once: `max_pool2d` takes ten times as long."""
    for axis in (0, 1):
        count = image.shape[axis] - 1
        first, last = image.narrow(axis, 0, count), image.narrow(axis, 1, count)
        image = image.clone()
        for side, other in ((0, last), (1, first)):
            nearby = image.narrow(axis, side, count)
            torch.maximum(nearby, other, out=nearby)
    return image


def _values_at(means2d: Tensor, image: Tensor) -> Tensor:
    """Values of an image [H, W] at positions [N, 2] (px); 0 outside of it."""
    height, width = image.shape
    columns, rows = means2d.floor().long().unbind(-1)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return torch.where(inside, image[rows.clamp(0, height - 1), columns.clamp(0, width - 1)], 0.0)


def normal_loss(axes: Tensor, normals: Tensor, certainties: Tensor) -> Tensor:
    """Mean of c |sin| of the angle between lines along unit axes [M, 3] and along normals [M, 3].

    It grows with the angle, not with its square, so that the median of what views measured wins.

    Args:
        axes: of splats.
        normals: unit, measured in their pixels.
        certainties: [M] c of `depth_certainties`: where depths are uncertain normals are, too.
    """
    across = torch.linalg.cross(axes, normals)
    return (certainties * (across.square().sum(1) + 1e-8).sqrt()).mean()


def shortest_axes(quats: Tensor, scales: Tensor) -> Tensor:
    """Unit vectors [M, 3] along the shortest axes of splats with rotations [M, 4] and scales [M, 3]."""
    shortest = scales.argmin(-1)[:, None, None].expand(-1, 3, 1)
    return quat_to_rotmat(quats).gather(2, shortest)[..., 0]
