"""Rendering of generalized exponential splats."""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.ops import MAX_CHANNELS, intersect_tiles, project_splats, rasterize_splats, sh_colors


class Rendering(NamedTuple):
    """What `rasterization` returns, for C cameras and N splats."""

    colors: Tensor  # [C, H, W, D] composited over the background
    alphas: Tensor  # [C, H, W, 1] accumulated opacity
    depths: Tensor  # [C, H, W, 1] expected z-depth, weighted by contribution; 0 where nothing was hit
    means2d: Tensor  # [C, N, 2] px, part of the graph: call retain_grad() on it for densification
    extents: Tensor  # [C, N, 2] px, half width and height of each splat's support; (0, 0) where not visible


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    betas: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    sh_degree: int | None = None,
    near: float = 0.01,
    far: float = 1e10,
    eps2d: float = 0.3,
    backgrounds: Tensor | None = None,
    absgrad_probe: Tensor | None = None,
) -> Rendering:
    """Render splats with the exact generalized exponential kernel.

    A splat's alpha at a pixel is `opacity * exp(-u / 2)`, `u = (Q + eps)^(beta/2) - eps^(beta/2)`, with Q the squared
    Mahalanobis distance of the pixel center in the image plane. Q equals the smallest 3-D distance along the (affine)
    ray, so alpha is the opacity times the largest value of the 3-D generalized exponential on the ray (GES,
    arXiv 2402.10128, eq. 2, without its approximation).

    Args:
        means: [N, 3] world.
        quats: [N, 4] wxyz, any non-zero norm.
        scales: [N, 3] standard deviations, world units.
        opacities: [N] in [0, 1].
        betas: [N] exponents in [1, 8]; 2 is the Gaussian.
        colors: [N, K, 3] spherical-harmonics coefficients if sh_degree is given (K >= (sh_degree + 1)^2),
            else [N, D] features.
        viewmats: [C, 4, 4] world to camera, OpenCV axes.
        Ks: [C, 3, 3] px, no skew.
        width: px.
        height: px.
        sh_degree: 0 to 3, the degree to evaluate; None for plain features.
        near: z below which splats are dropped.
        far: z above which splats are dropped.
        eps2d: px^2, added to the diagonal of the 2-D covariances.
        backgrounds: [C, D], or None for black.
        absgrad_probe: [C, N, 2] zeros that require a gradient; after backward their gradient holds the sum over pixels
            of the absolute gradient of means2d (AbsGS, arXiv 2404.10484). At most 4 features then. None: not computed.

    Returns:
        Rendering. Gradients flow to all tensors, viewmats and Ks included.
    """
    means2d, conics, depths, extents = project_splats(
        means, quats, scales, opacities, betas, viewmats, Ks, width, height, near, far, eps2d
    )
    if sh_degree is None:
        features = colors.expand(viewmats.shape[0], *colors.shape)
    else:
        features = sh_colors(means, viewmats, colors, extents, sh_degree)
    features = torch.cat([features, depths[..., None]], -1)
    if absgrad_probe is not None and features.shape[-1] > MAX_CHANNELS:
        raise ValueError(f"absgrad_probe: works with at most {MAX_CHANNELS - 1} features, got {features.shape[-1] - 1}")
    geometry = (means2d, conics, depths, extents)
    lists = intersect_tiles(*geometry, opacities, betas, width, height)
    parts: list[tuple[Tensor, Tensor]] = []
    for part in features.split(
        MAX_CHANNELS, -1
    ):  # every pass composites the same alphas; gradients of the passes add up
        image, alphas = rasterize_splats(
            *geometry, part, opacities, betas, lists, width, height, None if parts else absgrad_probe
        )
        parts.append((image, alphas))
    image, alphas = torch.cat([part[0] for part in parts], -1), parts[0][1][..., None]
    rendered = image[..., :-1]
    if backgrounds is not None:
        rendered = rendered + (1 - alphas) * backgrounds[:, None, None, :]
    expected_depth = torch.where(alphas > 0, image[..., -1:] / alphas.clamp_min(1e-10), 0.0)
    return Rendering(rendered, alphas, expected_depth, means2d, extents)
