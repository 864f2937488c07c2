"""Projection of 3-D splats to 2-D by the local affine approximation (EWA splatting), pinhole cameras.

Sources: EWA splatting (Zwicker et al. 2001); 3D Gaussian Splatting (arXiv 2308.04079). What differs: the support of a
splat is the ellipse where it still reaches the smallest composited alpha, for its own opacity and exponent, instead of
three standard deviations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.reference.gef_weight import gef_support

ALPHA_MIN = 1.0 / 255.0  # one step of an 8-bit image; contributions below it are skipped, as in 3D Gaussian Splatting
GEF_EPS = 1e-4  # rounds the cusp of beta < 2 (README, "What differs from the papers")
FRUSTUM_MARGIN = 0.3  # the affine approximation is frozen beyond the image border plus this share of its half width


class ProjectedSplats(NamedTuple):
    """Splats in pixels of each camera."""

    means2d: Tensor  # [C, N, 2] px
    conics: Tensor  # [C, N, 3] upper triangle (A, B, C) of the inverse 2-D covariance, 1/px^2
    depths: Tensor  # [C, N] z in camera coordinates
    extents: Tensor  # [C, N, 2] half width and height of the support in px; (0, 0) where the splat is not visible


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
) -> ProjectedSplats:
    """Project splats into pinhole cameras.

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
        eps2d: px^2, added to the diagonal of the 2-D covariance.

    Returns:
        ProjectedSplats; culled splats have extents (0, 0) and zeros elsewhere.
    """
    rotations, translations = viewmats[:, None, :3, :3], viewmats[:, None, :3, 3]
    points = (rotations @ means[None, :, :, None])[..., 0] + translations  # [C, N, 3]
    z = points[..., 2]
    in_depth = (z > near) & (z < far)
    safe_z = torch.where(in_depth, z, torch.ones_like(z))
    fx, fy, cx, cy = Ks[:, 0, 0, None], Ks[:, 1, 1, None], Ks[:, 0, 2, None], Ks[:, 1, 2, None]
    slope_x, slope_y = points[..., 0] / safe_z, points[..., 1] / safe_z
    means2d = torch.stack([fx * slope_x + cx, fy * slope_y + cy], -1)

    with torch.no_grad():  # the border is a constant: it freezes the approximation, it is not part of it
        margin_x, margin_y = FRUSTUM_MARGIN * 0.5 * width / fx, FRUSTUM_MARGIN * 0.5 * height / fy
        low_x, high_x = -cx / fx - margin_x, (width - cx) / fx + margin_x
        low_y, high_y = -cy / fy - margin_y, (height - cy) / fy + margin_y
    frozen_x = torch.minimum(torch.maximum(slope_x, low_x), high_x)
    frozen_y = torch.minimum(torch.maximum(slope_y, low_y), high_y)
    zero = torch.zeros_like(safe_z)
    jacobian = torch.stack(
        [
            torch.stack([fx / safe_z, zero, -fx * frozen_x / safe_z], -1),
            torch.stack([zero, fy / safe_z, -fy * frozen_y / safe_z], -1),
        ],
        -2,
    )  # [C, N, 2, 3]
    factors = quat_to_rotmat(quats) * scales[:, None, :]
    projected = jacobian @ rotations @ factors[None]  # [C, N, 2, 3], square root of the 2-D covariance
    covars2d = projected @ projected.transpose(-1, -2) + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    xx, xy, yy = covars2d[..., 0, 0], covars2d[..., 0, 1], covars2d[..., 1, 1]
    determinant = xx * yy - xy * xy
    valid = in_depth & (determinant > 0) & torch.isfinite(determinant)
    safe_determinant = torch.where(valid, determinant, torch.ones_like(determinant))
    conics = torch.stack([yy, -xy, xx], -1) / safe_determinant[..., None]

    with torch.no_grad():
        q_max = gef_support(opacities, betas, GEF_EPS, ALPHA_MIN)
        extents = torch.stack([xx, yy], -1).mul(q_max[None, :, None]).sqrt()
        size = torch.tensor([width, height], dtype=means.dtype, device=means.device)
        inside = ((means2d + extents > 0) & (means2d - extents < size)).all(-1)
        visible = valid & inside & (q_max > 0)
    return ProjectedSplats(
        torch.where(visible[..., None], means2d, 0.0),
        torch.where(visible[..., None], conics, 0.0),
        torch.where(visible, z, 0.0),
        torch.where(visible[..., None], extents, 0.0),
    )
