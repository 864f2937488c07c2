"""Real spherical harmonics up to degree 3, with the signs and order that the splatting field stores.

The basis is the one of 3D Gaussian Splatting (arXiv 2308.04079): bands in order, within a band from m = -l to l, with
the Condon-Shortley phase (degree 1 is (-y, z, -x)). A color is `0.5 + sum_k basis_k(direction) * coefficient_k`,
clamped at 0 by the caller.
"""

import math

import torch
from torch import Tensor

SH_C0 = 0.5 / math.sqrt(math.pi)  # the constant harmonic, Y_00


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """Values of the basis at unit directions.

    Args:
        directions: [..., 3] unit vectors.
        degree: 0 to 3.

    Returns:
        [..., (degree + 1)^2] basis values.
    """
    if not 0 <= degree <= 3:
        raise ValueError(f"degree: expected 0 to 3, got {degree}")
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, SH_C0)]
    if degree >= 1:
        c1 = math.sqrt(3 / (4 * math.pi))
        values += [-c1 * y, c1 * z, -c1 * x]
    if degree >= 2:
        c2 = math.sqrt(15 / (4 * math.pi))
        c2_zz = math.sqrt(5 / (16 * math.pi))
        values += [c2 * x * y, -c2 * y * z, c2_zz * (2 * z * z - x * x - y * y), -c2 * x * z, c2 / 2 * (x * x - y * y)]
    if degree >= 3:
        c33 = math.sqrt(35 / (32 * math.pi))
        c32 = math.sqrt(105 / (4 * math.pi))
        c31 = math.sqrt(21 / (32 * math.pi))
        c30 = math.sqrt(7 / (16 * math.pi))
        values += [
            -c33 * y * (3 * x * x - y * y),
            c32 * x * y * z,
            -c31 * y * (4 * z * z - x * x - y * y),
            c30 * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -c31 * x * (4 * z * z - x * x - y * y),
            c32 / 2 * z * (x * x - y * y),
            -c33 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(values, -1)


def rgb_to_sh0(rgb: Tensor) -> Tensor:
    """Degree-0 coefficients that show the color rgb (in [0, 1]) from everywhere. [..., 3] -> [..., 3]."""
    return (rgb - 0.5) / SH_C0


def sh0_to_rgb(sh0: Tensor) -> Tensor:
    """The color of degree-0 coefficients. [..., 3] -> [..., 3]."""
    return sh0 * SH_C0 + 0.5


def rotate_sh(coefficients: Tensor, rotation: Tensor) -> Tensor:
    """Coefficients of the same radiance after the world was turned by `rotation`.

    Each band is closed under rotation, so its matrix is found exactly by evaluating the basis at more directions
    than unknowns and solving (in float64) for the map between the two sets of values.

    Args:
        coefficients: [..., (degree + 1)^2, channels], degree 0 to 3.
        rotation: [3, 3] R_new_old: directions in the new frame are R_new_old @ directions in the old frame.

    Returns:
        Coefficients in the new frame, same shape and dtype.
    """
    degree = math.isqrt(coefficients.shape[-2]) - 1
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(64, 3, generator=generator, dtype=torch.float64)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    old = sh_basis(directions, degree)
    new = sh_basis(directions @ rotation.detach().double().cpu().T, degree)
    out = coefficients.clone()
    for band in range(1, degree + 1):
        span = slice(band * band, (band + 1) ** 2)
        matrix = torch.linalg.lstsq(new[:, span], old[:, span]).solution.to(coefficients)
        out[..., span, :] = matrix @ coefficients[..., span, :]
    return out
