"""Rendering of generalized exponential splats."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.ops import (
    MAX_CHANNELS,
    intersect_tiles,
    median_depths,
    project_splats,
    project_splats_antialiased,
    rasterize_splats,
    sh_colors,
)

EXTRA_OUTPUTS = ("median_depths", "normals")


class Rendering(NamedTuple):
    """What `rasterization` returns, for C cameras and N splats."""

    colors: Tensor  # [C, H, W, D] composited over the background
    alphas: Tensor  # [C, H, W, 1] accumulated opacity
    depths: Tensor  # [C, H, W, 1] expected z-depth, weighted by contribution; 0 where nothing was hit
    means2d: Tensor  # [C, N, 2] px, part of the graph: call retain_grad() on it for densification
    extents: Tensor  # [C, N, 2] px, half width and height of each splat's support; (0, 0) where not visible
    median_depths: Tensor | None = None  # [C, H, W, 1] z-depth where half of the light is gone, 0 where it never is
    normals: Tensor | None = None  # [C, H, W, 3] world, composited: length at most the accumulated opacity


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
    rasterize_mode: str = "classic",
    camera_model: str = "pinhole",
    distortions: Tensor | None = None,
    kernel: str = "generalized_exponential",
    outputs: Sequence[str] = (),
) -> Rendering:
    """Render splats with the exact generalized exponential kernel.

    A splat's alpha at a pixel is `opacity * exp(-u / 2)`, `u = (Q + eps)^(beta/2) - eps^(beta/2)`, with Q the squared
    Mahalanobis distance of the pixel center in the image plane. Q equals the smallest 3-D distance along the (affine)
    ray, so alpha is the opacity times the largest value of the 3-D generalized exponential on the ray (GES,
    arXiv 2402.10128, eq. 2, without its approximation; for that one see `kernel.approximate_scales`).

    Args:
        means: [N, 3] world.
        quats: [N, 4] wxyz, any non-zero norm.
        scales: [N, 3] standard deviations, world units.
        opacities: [N] in [0, 1].
        betas: [N] exponents in [1, 8]; 2 is the Gaussian.
        colors: [N, K, 3] spherical-harmonics coefficients if sh_degree is given (K >= (sh_degree + 1)^2),
            else [N, D] features.
        viewmats: [C, 4, 4] world to camera, OpenCV axes.
        Ks: [C, 3, 3] px, no skew; px per world unit if orthographic.
        width: px.
        height: px.
        sh_degree: 0 to 3, the degree to evaluate; None for plain features.
        near: z below which splats are dropped.
        far: z above which splats are dropped.
        eps2d: px^2, added to the diagonal of the 2-D covariances; antialiased: the variance of a pixel.
        backgrounds: [C, D], or None for black.
        absgrad_probe: [C, N, 2] zeros that require a gradient; after backward their gradient holds the sum over pixels
            of the absolute gradient of means2d (AbsGS, arXiv 2404.10484). At most 4 features then. None: not computed.
        rasterize_mode: "classic", or "antialiased": variance, kurtosis and mass of each splat are those of its
            convolution with a pixel (Mip-Splatting's 2-D filter, arXiv 2311.16493, for every exponent).
        camera_model: "pinhole", "orthographic", or "fisheye" (Kannala-Brandt, in front of the camera only).
        distortions: [C, 4] k1 to k4 of fisheye cameras, without gradient.
        kernel: "generalized_exponential", or "compact_beta" (Deformable Beta Splatting; betas > 0) as a control.
        outputs: what of "median_depths" and "normals" to render besides. A splat's normal is its shortest axis,
            turned to the camera.

    Returns:
        Rendering. Gradients flow to all tensors, viewmats and Ks included; from median_depths only along the ray.
    """
    unknown = [name for name in outputs if name not in EXTRA_OUTPUTS]
    if unknown:
        raise ValueError(f"outputs: expected names out of {', '.join(EXTRA_OUTPUTS)}, got {unknown[0]!r}")
    splats = (means, quats, scales, opacities, betas, viewmats, Ks)
    camera = (width, height, near, far, eps2d, camera_model, distortions)
    seen: tuple[Tensor, Tensor] | None = None  # opacities and betas [C, N], where cameras see different ones
    if rasterize_mode == "antialiased":
        if kernel != "generalized_exponential":
            raise ValueError(f"rasterize_mode: antialiased needs the generalized exponential kernel, got {kernel!r}")
        means2d, conics, depths, extents, *rest = project_splats_antialiased(*splats, *camera)
        seen = (rest[0], rest[1])
    elif rasterize_mode == "classic":
        means2d, conics, depths, extents = project_splats(*splats, *camera, kernel)
    else:
        raise ValueError(f"rasterize_mode: expected classic or antialiased, got {rasterize_mode!r}")
    if sh_degree is None:
        features = colors.expand(viewmats.shape[0], *colors.shape)
    else:
        features = sh_colors(means, viewmats, colors, extents, sh_degree)
    extra = [camera_facing_normals(means, quats, scales, viewmats)] if "normals" in outputs else []
    features = torch.cat([features, *extra, depths[..., None]], -1)
    if absgrad_probe is not None and features.shape[-1] > MAX_CHANNELS:
        raise ValueError(f"absgrad_probe: works with at most {MAX_CHANNELS - 1} features, got {features.shape[-1] - 1}")
    geometry = (means2d, conics, depths, extents)
    wants_median = "median_depths" in outputs
    if seen is None:
        image, alphas, medians = _composite(
            geometry, features, opacities, betas, width, height, absgrad_probe, kernel, wants_median
        )
    else:
        one_by_one = [
            _composite(
                tuple(x[c : c + 1] for x in geometry),
                features[c : c + 1],
                seen[0][c],
                seen[1][c],
                width,
                height,
                None if absgrad_probe is None else absgrad_probe[c : c + 1],
                kernel,
                wants_median,
            )
            for c in range(len(viewmats))
        ]
        image, alphas, medians = (torch.cat(x) for x in zip(*one_by_one, strict=True))
    rendered, normals, depth_sums = image.split([image.shape[-1] - 1 - 3 * len(extra), 3 * len(extra), 1], -1)
    if backgrounds is not None:
        rendered = rendered + (1 - alphas) * backgrounds[:, None, None, :]
    expected_depth = depth_sums / alphas.clamp_min(1e-10)  # where alphas are 0, so are the sums
    return Rendering(
        rendered,
        alphas,
        expected_depth,
        means2d,
        extents,
        medians if wants_median else None,
        normals if extra else None,
    )


def camera_facing_normals(means: Tensor, quats: Tensor, scales: Tensor, viewmats: Tensor) -> Tensor:
    """The shortest axis of each splat, turned towards each camera's center. -> [C, N, 3] unit vectors, world."""
    rotations = quat_to_rotmat(quats)
    shortest = scales.argmin(-1)[:, None, None].expand(-1, 3, 1)
    axes = rotations.gather(2, shortest)[..., 0]  # [N, 3]
    centers = -(viewmats[:, :3, :3].transpose(1, 2) @ viewmats[:, :3, 3:])[..., 0]
    away = ((means - centers[:, None]) * axes).sum(-1, keepdim=True) > 0
    return torch.where(away, -axes, axes)


def _composite(
    geometry: tuple[Tensor, ...],
    features: Tensor,
    opacities: Tensor,
    betas: Tensor,
    width: int,
    height: int,
    absgrad_probe: Tensor | None,
    kernel: str,
    wants_median: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [C, H, W, D], alphas [C, H, W, 1] and median depths [C, H, W, 1] (no pixels unless wanted)."""
    means2d, conics, depths, extents = geometry
    lists = intersect_tiles(means2d, conics, depths, extents, width, height)
    parts: list[tuple[Tensor, Tensor]] = []
    # Every pass composites the same alphas; gradients of the passes add up.
    for part in features.split(MAX_CHANNELS, -1):
        composited = rasterize_splats(
            means2d,
            conics,
            depths,
            extents,
            part,
            opacities,
            betas,
            lists,
            width,
            height,
            None if parts else absgrad_probe,
            kernel,
        )
        parts.append(composited)
    medians = depths.new_empty(len(depths), 0)
    if wants_median:
        medians = median_depths(means2d, conics, depths, extents, opacities, betas, lists, width, height, kernel)[
            ..., None
        ]
    image = parts[0][0] if len(parts) == 1 else torch.cat([part[0] for part in parts], -1)
    return image, parts[0][1][..., None], medians
