"""Colors that depend on the direction of view by a few lobes: 6 numbers each, instead of 45 harmonics.

Deformable Beta Splatting (arXiv 2501.18630, section 3.3): a lobe adds its color where the direction of view is near
its axis, `rgb * max(0, axis . direction)^(4 exp(b))`. Its six numbers are rgb, the polar and azimuth angle of the axis
(rad), and b.
"""

import math

import torch
from torch import Tensor

from splatkit.geometry.spherical_harmonics import sh_basis

NUMBERS = 6  # of a lobe
_SHARPNESS = 4.0  # of b = 0
_DIRECTIONS = 200  # that lobes are fitted at: harmonics of degree 3 have 16 coefficients
_CHUNK = 20_000  # splats fitted at once


def seed_lobes(n: int, count: int, generator: torch.Generator) -> Tensor:
    """Black lobes [n, count, 6] with axes spread over the sphere at random: training finds their colors first."""
    lobes = torch.zeros(n, count, NUMBERS)
    lobes[..., 3] = torch.acos(2 * torch.rand(n, count, generator=generator) - 1)
    lobes[..., 4] = 2 * math.pi * torch.rand(n, count, generator=generator)
    return lobes


def lobe_axes(lobes: Tensor) -> Tensor:
    """Axes of lobes [..., 6] as unit vectors [..., 3]."""
    polar, azimuth = lobes[..., 3], lobes[..., 4]
    return torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], -1)


def lobe_colors(lobes: Tensor, directions: Tensor) -> Tensor:
    """What lobes add to the colors of splats.

    Args:
        lobes: [N, L, 6].
        directions: [N, 3] unit vectors from the camera to the splats.

    Returns:
        [N, 3].
    """
    along = (lobe_axes(lobes) * directions[:, None]).sum(-1)
    # The floor keeps the logarithm finite behind the axis, where the power is as good as zero.
    weights = torch.exp(_SHARPNESS * lobes[..., 5].exp() * along.clamp_min(1e-4).log())
    return (weights[..., None] * lobes[..., :3]).sum(1)


def rotate_lobes(lobes: Tensor, rotation: Tensor) -> Tensor:
    """Lobes [N, L, 6] whose axes are turned by a rotation [3, 3]."""
    axes = lobe_axes(lobes) @ rotation.to(lobes).T
    polar = torch.acos(axes[..., 2].clamp(-1, 1))
    azimuth = torch.atan2(axes[..., 1], axes[..., 0])
    return torch.cat([lobes[..., :3], polar[..., None], azimuth[..., None], lobes[..., 5:]], -1)


def lobes_as_harmonics(lobes: Tensor, degree: int = 3) -> Tensor:
    """The harmonics nearest to lobes [N, L, 6], for viewers that know no lobes: [N, (degree + 1)^2, 3].

    Least squares over directions spread evenly over the sphere.
    """
    k = torch.arange(_DIRECTIONS, dtype=lobes.dtype, device=lobes.device)
    z = 1 - (2 * k + 1) / _DIRECTIONS  # a spiral from pole to pole that turns by the golden angle
    turn = k * (math.pi * (3 - math.sqrt(5)))
    radius = (1 - z * z).sqrt()
    directions = torch.stack([radius * turn.cos(), radius * turn.sin(), z], -1)
    fit = torch.linalg.pinv(sh_basis(directions, degree))  # [K, directions]
    out = []
    for part in lobes.split(_CHUNK):
        colors = torch.stack([lobe_colors(part, d.expand(len(part), 3)) for d in directions], 1)
        out.append(torch.einsum("kd,ndc->nkc", fit, colors))
    return torch.cat(out)
