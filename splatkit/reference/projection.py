"""Projection of 3-D splats to 2-D by the local affine approximation (EWA splatting).

Sources: EWA splatting (Zwicker et al. 2001); 3D Gaussian Splatting (arXiv 2308.04079). What differs: the support of a
splat is the ellipse where it still reaches the smallest composited alpha, for its own opacity and exponent, instead of
three standard deviations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.geometry.lens_models import LENS_MODELS
from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.reference.antialiasing import filter_splats
from splatkit.reference.profiles import PROFILES

ALPHA_MIN = 1.0 / 255.0  # one step of an 8-bit image; contributions below it are skipped, as in 3D Gaussian Splatting
FRUSTUM_MARGIN = 0.3  # the affine approximation is frozen beyond the image border plus this share of its half width


class ProjectedSplats(NamedTuple):
    """Splats in pixels of each camera."""

    means2d: Tensor  # [C, N, 2] px
    conics: Tensor  # [C, N, 3] upper triangle (A, B, C) of the inverse 2-D covariance, 1/px^2
    depths: Tensor  # [C, N] z in camera coordinates
    extents: Tensor  # [C, N, 2] half width and height of the support in px; (0, 0) where the splat is not visible
    opacities: Tensor  # [C, N] as each camera sees them: the splats' own, unless antialiased
    betas: Tensor  # [C, N]


def project_splats(
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
    camera_model: str = "pinhole",
    distortions: Tensor | None = None,
    antialiased: bool = False,
    kernel: str = "generalized_exponential",
) -> ProjectedSplats:
    """Project splats into cameras.

    Args:
        means: [N, 3] world.
        quats: [N, 4] wxyz, any non-zero norm.
        scales: [N, 3] standard deviations along the splat's axes, world units.
        opacities: [N] in [0, 1].
        betas: [N] exponents.
        viewmats: [C, 4, 4] world to camera, OpenCV axes.
        Ks: [C, 3, 3] px, no skew.
        width: px.
        height: px.
        near: splats with z <= near are not visible.
        far: splats with z >= far are not visible.
        eps2d: px^2, added to the diagonal of the 2-D covariance; antialiased: the variance of a pixel.
        camera_model: "pinhole", "orthographic" or "fisheye".
        distortions: [C, 4] k1 to k4 of fisheye cameras.
        antialiased: see `reference.antialiasing`.
        kernel: the profile, a name of `reference.profiles`.

    Returns:
        ProjectedSplats; culled splats have extents (0, 0) and zeros elsewhere.
    """
    rotations, translations = viewmats[:, None, :3, :3], viewmats[:, None, :3, 3]
    points = (rotations @ means[None, :, :, None])[..., 0] + translations  # [C, N, 3]
    z = points[..., 2]
    in_depth = (z > near) & (z < far)
    points = torch.where(in_depth[..., None], points, torch.tensor([0.1, 0.1, 1.0], dtype=points.dtype))
    if camera_model == "pinhole":
        means2d, jacobian = _pinhole_image(points, Ks, width, height)
    else:
        means2d, jacobian = _lens_image(points, Ks, distortions)
    factors = quat_to_rotmat(quats) * scales[:, None, :]
    projected = jacobian @ rotations @ factors[None]  # [C, N, 2, 3], square root of the 2-D covariance
    covars2d = projected @ projected.transpose(-1, -2)
    opacities, betas = opacities.expand(z.shape), betas.expand(z.shape)
    if antialiased:
        covars2d, opacities, betas = filter_splats(covars2d, opacities, betas, eps2d)
    else:
        covars2d = covars2d + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    xx, xy, yy = covars2d[..., 0, 0], covars2d[..., 0, 1], covars2d[..., 1, 1]
    determinant = xx * yy - xy * xy
    valid = in_depth & (determinant > 0) & torch.isfinite(determinant)
    safe_determinant = torch.where(valid, determinant, torch.ones_like(determinant))
    conics = torch.stack([yy, -xy, xx], -1) / safe_determinant[..., None]

    with torch.no_grad():
        q_max = PROFILES[kernel].support(opacities, betas, alpha_min=ALPHA_MIN)
        extents = torch.stack([xx, yy], -1).mul(q_max[..., None]).sqrt()
        size = torch.tensor([width, height], dtype=means.dtype, device=means.device)
        inside = ((means2d + extents > 0) & (means2d - extents < size)).all(-1)
        visible = valid & inside & (q_max > 0)
    return ProjectedSplats(
        torch.where(visible[..., None], means2d, 0.0),
        torch.where(visible[..., None], conics, 0.0),
        torch.where(visible, z, 0.0),
        torch.where(visible[..., None], extents, 0.0),
        torch.where(visible, opacities, 0.0),
        torch.where(visible, betas, 0.0),
    )


def _lens_image(points: Tensor, Ks: Tensor, distortions: Tensor | None) -> tuple[Tensor, Tensor]:
    """means2d [C, N, 2] px and Jacobians [C, N, 2, 3] of points [C, N, 3]: a fisheye's; without distortions [C, 4], an
    orthographic camera's, whose focal lengths are px per world unit."""
    lens = LENS_MODELS["orthographic" if distortions is None else "kannala_brandt"]
    coefficients = [] if distortions is None else [k[:, None] for k in distortions.unbind(-1)]
    plane, slopes, _ = lens.linearize(points, coefficients)
    focal = torch.stack([Ks[:, 0, 0], Ks[:, 1, 1]], -1)[:, None]  # [C, 1, 2]
    return plane * focal + Ks[:, None, :2, 2], slopes * focal[..., None]


def _pinhole_image(points: Tensor, Ks: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """means2d [C, N, 2] px and Jacobians [C, N, 2, 3] of points [C, N, 3] in front of the cameras."""
    x, y, z = points.unbind(-1)
    fx, fy, cx, cy = Ks[:, 0, 0, None], Ks[:, 1, 1, None], Ks[:, 0, 2, None], Ks[:, 1, 2, None]
    slope_x, slope_y = x / z, y / z
    with torch.no_grad():  # the border is a constant: it freezes the approximation, it is not part of it
        margin_x, margin_y = FRUSTUM_MARGIN * 0.5 * width / fx, FRUSTUM_MARGIN * 0.5 * height / fy
        low_x, high_x = -cx / fx - margin_x, (width - cx) / fx + margin_x
        low_y, high_y = -cy / fy - margin_y, (height - cy) / fy + margin_y
    frozen_x = torch.minimum(torch.maximum(slope_x, low_x), high_x)
    frozen_y = torch.minimum(torch.maximum(slope_y, low_y), high_y)
    zero = torch.zeros_like(z)
    rows = [
        torch.stack([fx / z, zero, -fx * frozen_x / z], -1),
        torch.stack([zero, fy / z, -fy * frozen_y / z], -1),
    ]
    return torch.stack([fx * slope_x + cx, fy * slope_y + cy], -1), torch.stack(rows, -2)
