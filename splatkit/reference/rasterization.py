"""Alpha compositing of projected splats by its definition: every pixel meets every splat, front to back.

Source: 3D Gaussian Splatting (arXiv 2308.04079), section 4 and its limits (alpha at most 0.99 and at least 1/255, stop
before the transmittance falls to 1e-4), with the exact generalized exponential kernel as the weight.
"""

import torch
from torch import Tensor

from splatkit.reference.profiles import PROFILES
from splatkit.reference.projection import ALPHA_MIN

ALPHA_MAX = 0.99  # keeps 1 - alpha invertible
TRANSMITTANCE_MIN = 1e-4  # a pixel is finished before it falls to this


def rasterize_splats(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    extents: Tensor,
    colors: Tensor,
    opacities: Tensor,
    betas: Tensor,
    width: int,
    height: int,
    rows_per_chunk: int = 16,
    kernel: str = "generalized_exponential",
) -> tuple[Tensor, Tensor]:
    """Composite splats over black.

    Args:
        means2d: [C, N, 2] px.
        conics: [C, N, 3] inverse 2-D covariances (upper triangle).
        depths: [C, N], order of compositing; equal depths keep their index order.
        extents: [C, N, 2] px, (0, 0) where a splat is not visible.
        colors: [C, N, D] features.
        opacities: [N] in [0, 1].
        betas: [N] exponents.
        width: px.
        height: px.
        rows_per_chunk: image rows in memory at a time.
        kernel: the profile, a name of `reference.profiles`.

    Returns:
        Features [C, H, W, D] and alphas [C, H, W].
    """
    images, alphas = [], []
    for camera in range(means2d.shape[0]):
        ids = torch.nonzero(extents[camera, :, 0] > 0)[:, 0]
        ids = ids[torch.argsort(depths[camera, ids], stable=True)]
        rows, row_alphas = [], []
        for top in range(0, height, rows_per_chunk):
            ys = torch.arange(top, min(top + rows_per_chunk, height), dtype=means2d.dtype, device=means2d.device) + 0.5
            xs = torch.arange(width, dtype=means2d.dtype, device=means2d.device) + 0.5
            dx = xs[None, :, None] - means2d[camera, ids, 0]  # [1, W, n]
            dy = ys[:, None, None] - means2d[camera, ids, 1]  # [h, 1, n]
            a, b, c = conics[camera, ids].unbind(-1)
            q = a * dx * dx + 2 * b * dx * dy + c * dy * dy
            weight = PROFILES[kernel].weight(q.clamp_min(0), betas[ids])
            alpha = (opacities[ids] * weight).clamp_max(ALPHA_MAX)
            alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
            after = torch.cumprod(1 - alpha, -1)
            before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], -1)
            weights = torch.where(after > TRANSMITTANCE_MIN, alpha * before, 0.0)
            rows.append(weights @ colors[camera, ids])
            row_alphas.append(weights.sum(-1))
        images.append(torch.cat(rows))
        alphas.append(torch.cat(row_alphas))
    return torch.stack(images), torch.stack(alphas)
