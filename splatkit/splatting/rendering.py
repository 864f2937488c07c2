"""Rendering of generalized exponential splats, and the steps that it consists of.

A rendering is three steps: `see` projects the splats into cameras, `seen_features` finds what they show there, and
`composite` lays them over each other. `render_splats` is what splatkit itself calls; `rasterization` takes the same
steps under gsplat's names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.ops import (
    MAX_CHANNELS,
    full_precision,
    intersect_tiles,
    median_depths,
    project_splats,
    project_splats_antialiased,
    rasterize_splats,
    sh_colors,
)
from splatkit.splatting.kernels.table import profile_named

EXTRA_OUTPUTS = ("median_depths", "normals")


class Rendering(NamedTuple):
    """What `render_splats` returns, for C cameras and N splats."""

    colors: Tensor  # [C, H, W, D] composited over the background
    alphas: Tensor  # [C, H, W, 1] accumulated opacity
    depths: Tensor  # [C, H, W, 1] expected z-depth, weighted by contribution; 0 where nothing was hit
    means2d: Tensor  # [C, N, 2] px, part of the graph: call retain_grad() on it for densification
    extents: Tensor  # [C, N, 2] px, half width and height of each splat's support; (0, 0) where not visible
    median_depths: Tensor | None = None  # [C, H, W, 1] z-depth where half of the light is gone, 0 where it never is
    normals: Tensor | None = None  # [C, H, W, 3] world, composited: length at most the accumulated opacity


class SeenSplats(NamedTuple):
    """N splats in the pixels of C cameras."""

    means2d: Tensor  # [C, N, 2] px
    conics: Tensor  # [C, N, 3] upper triangle of the inverse 2-D covariance, 1/px^2
    depths: Tensor  # [C, N] z
    extents: Tensor  # [C, N, 2] px, half width and height of the support; (0, 0) where not visible
    opacities: Tensor  # [N], or [C, N] where each camera sees its own: antialiased
    betas: Tensor  # like opacities


@full_precision
def render_splats(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    betas: Tensor,
    colors: Tensor | tuple[Tensor, Tensor],
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
    arXiv 2402.10128, eq. 2, without its approximation; for that see `generalized_exponential.approximate_scales`).

    Args:
        means: [N, 3] world.
        quats: [N, 4] wxyz, any non-zero norm.
        scales: [N, 3] standard deviations, world units.
        opacities: [N] in [0, 1].
        betas: [N] exponents in [1, 8]; 2 is the Gaussian.
        colors: [N, K, 3] spherical-harmonics coefficients if sh_degree is given (K >= (sh_degree + 1)^2),
            else [N, D] features; with C in front, [C, N, ...], where each camera sees its own. Coefficients may be two
            tensors, [N, 3] of degree 0 and [N, K - 1, 3] of the others: training keeps them apart, and joining costs.
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
        kernel: the profile: "generalized_exponential", or another of `kernels.table.PROFILES`, such as "compact_beta"
            (Deformable Beta Splatting; betas > 0), a control.
        outputs: what of "median_depths" and "normals" to render besides. A splat's normal is its shortest axis,
            turned to the camera.

    Returns:
        Rendering. Gradients flow to all tensors, viewmats and Ks included; from median_depths only along the ray.
        Autocast is off inside: it would round poses.
    """
    unknown = [name for name in outputs if name not in EXTRA_OUTPUTS]
    if unknown:
        raise ValueError(f"outputs: expected names out of {', '.join(EXTRA_OUTPUTS)}, got {unknown[0]!r}")
    splats = (means, quats, scales, opacities, betas)
    seen = see(
        *splats, viewmats, Ks, width, height, near, far, eps2d, camera_model, distortions, rasterize_mode, kernel
    )
    shown = [seen_features(means, viewmats, colors, seen.extents, sh_degree)]
    if "normals" in outputs:
        shown.append(camera_facing_normals(means, quats, scales, viewmats))
    shown.append(seen.depths[..., None])
    features = torch.cat(shown, -1)
    if absgrad_probe is not None and features.shape[-1] > MAX_CHANNELS:
        raise ValueError(f"absgrad_probe: works with at most {MAX_CHANNELS - 1} features, got {features.shape[-1] - 1}")
    wants_median = "median_depths" in outputs
    image, alphas, medians = composite(seen, features, width, height, kernel, absgrad_probe, wants_median)
    rendered, *normals, depth_sums = image.split([part.shape[-1] for part in shown], -1)
    return Rendering(
        rendered if backgrounds is None else over_background(rendered, alphas, backgrounds),
        alphas,
        expected_depths(depth_sums, alphas),
        seen.means2d,
        seen.extents,
        medians,
        normals[0] if normals else None,
    )


def see(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    betas: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near: float,
    far: float,
    eps2d: float,
    camera_model: str,
    distortions: Tensor | None,
    rasterize_mode: str,
    kernel: str,
) -> SeenSplats:
    """Project splats into cameras; arguments as in `render_splats`."""
    splats = (means, quats, scales, opacities, betas, viewmats, Ks)
    camera = (width, height, near, far, eps2d, camera_model, distortions)
    if rasterize_mode == "classic":
        return SeenSplats(*project_splats(*splats, *camera, kernel), opacities, betas)
    if rasterize_mode != "antialiased":
        raise ValueError(f"rasterize_mode: expected classic or antialiased, got {rasterize_mode!r}")
    if not profile_named(kernel).antialiased:
        raise ValueError(f"rasterize_mode: the kernel {kernel} has no antialiased projection")
    return SeenSplats(*project_splats_antialiased(*splats, *camera))


def seen_features(
    means: Tensor,
    viewmats: Tensor,
    colors: Tensor | tuple[Tensor, Tensor],
    extents: Tensor,
    sh_degree: int | None,
) -> Tensor:
    """What splats show to each camera, [C, N, D]: their colors evaluated, or their plain features.

    Args:
        means: [N, 3] world.
        viewmats: [C, 4, 4] world to camera.
        colors: as `render_splats` takes them.
        extents: [C, N, 2] px, (0, 0) where not visible.
        sh_degree: 0 to 3, or None for plain features.
    """
    if isinstance(colors, tuple):
        if sh_degree is None:
            raise ValueError("colors: expected features [N, D] without sh_degree, got two tensors")
        return sh_colors(means, viewmats, colors[0], extents, sh_degree, colors[1])
    if sh_degree is None:
        return colors.expand(len(viewmats), *colors.shape[-2:])
    if colors.ndim == 3:
        return sh_colors(means, viewmats, colors, extents, sh_degree)
    one_by_one = zip(viewmats.split(1), colors, extents.split(1), strict=True)
    return torch.cat([sh_colors(means, viewmat, own, extent, sh_degree) for viewmat, own, extent in one_by_one])


def composite(
    seen: SeenSplats,
    features: Tensor,
    width: int,
    height: int,
    kernel: str,
    absgrad_probe: Tensor | None = None,
    wants_median: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Lay splats over black, front to back.

    Args:
        seen: of C cameras.
        features: [C, N, D], any D; with a probe at most MAX_CHANNELS.
        width: px.
        height: px.
        kernel: as `render_splats` names it.
        absgrad_probe: [C, N, 2], see `render_splats`.
        wants_median: whether to find median depths.

    Returns:
        Features [C, H, W, D], alphas [C, H, W, 1], and median depths [C, H, W, 1] if wanted.
    """
    if seen.opacities.ndim == 1:
        return _composite(seen, features, width, height, kernel, absgrad_probe, wants_median)
    one_by_one = []
    for c in range(len(features)):  # the native pass takes one opacity and exponent for each splat
        alone = SeenSplats._make([*(x[c : c + 1] for x in seen[:4]), seen.opacities[c], seen.betas[c]])
        probe = None if absgrad_probe is None else absgrad_probe[c : c + 1]
        one_by_one.append(_composite(alone, features[c : c + 1], width, height, kernel, probe, wants_median))
    images, alphas, medians = zip(*one_by_one, strict=True)
    return torch.cat(images), torch.cat(alphas), torch.cat(medians) if wants_median else None


def over_background(rendered: Tensor, alphas: Tensor, backgrounds: Tensor) -> Tensor:
    """Features [C, H, W, D] over black, seen before backgrounds [C, D]."""
    return rendered + (1 - alphas) * backgrounds[:, None, None, :]


def expected_depths(depth_sums: Tensor, alphas: Tensor) -> Tensor:
    """Composited depths [C, H, W, 1] divided by the opacity that they stand for; 0 where nothing was hit."""
    return depth_sums / alphas.clamp_min(1e-10)  # where alphas are 0, so are the sums


def camera_facing_normals(means: Tensor, quats: Tensor, scales: Tensor, viewmats: Tensor) -> Tensor:
    """The shortest axis of each splat, turned towards each camera's center. -> [C, N, 3] unit vectors, world."""
    rotations = quat_to_rotmat(quats)
    shortest = scales.argmin(-1)[:, None, None].expand(-1, 3, 1)
    axes = rotations.gather(2, shortest)[..., 0]  # [N, 3]
    centers = -(viewmats[:, :3, :3].transpose(1, 2) @ viewmats[:, :3, 3:])[..., 0]
    away = ((means - centers[:, None]) * axes).sum(-1, keepdim=True) > 0
    return torch.where(away, -axes, axes)


def _composite(
    seen: SeenSplats,
    features: Tensor,
    width: int,
    height: int,
    kernel: str,
    absgrad_probe: Tensor | None,
    wants_median: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`composite` for cameras that see the same opacities and exponents [N]."""
    geometry, size = seen[:4], (width, height)
    lists = intersect_tiles(*geometry, *size)
    parts: list[tuple[Tensor, Tensor]] = []
    # Every pass composites the same alphas; gradients of the passes add up.
    for part in features.split(MAX_CHANNELS, -1):
        probe = None if parts else absgrad_probe
        parts.append(rasterize_splats(*geometry, part, seen.opacities, seen.betas, lists, *size, probe, kernel))
    medians = None
    if wants_median:
        medians = median_depths(*geometry, seen.opacities, seen.betas, lists, *size, kernel)[..., None]
    image = parts[0][0] if len(parts) == 1 else torch.cat([part[0] for part in parts], -1)
    return image, parts[0][1][..., None], medians
