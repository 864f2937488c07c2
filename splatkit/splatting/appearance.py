"""The colors that splats show to one camera: harmonics, and lobes where they have some."""

import torch
from torch import Tensor

from splatkit.geometry.spherical_harmonics import sh_basis
from splatkit.splatting.spherical_beta import lobe_colors
from splatkit.splatting.splats import Splats


def seen_colors(splats: Splats, viewmat: Tensor, sh_degree: int) -> Tensor:
    """Colors [N, 3] >= 0 from a camera, viewmat [4, 4] world to camera; harmonics up to sh_degree."""
    center = -viewmat[:3, :3].T @ viewmat[:3, 3]
    directions = torch.nn.functional.normalize(splats.means - center, dim=-1)
    basis = sh_basis(directions, min(sh_degree, splats.sh_degree))
    colors = torch.einsum("nk,nkd->nd", basis, splats.sh[:, : basis.shape[1]]) + 0.5
    if splats.lobes.shape[1]:
        colors = colors + lobe_colors(splats.lobes, directions)
    return colors.clamp_min(0)


def color_arguments(
    splats: Splats, viewmat: Tensor, sh_degree: int
) -> tuple[Tensor | tuple[Tensor, Tensor], int | None]:
    """`colors` and `sh_degree` of `render_splats` for one camera: the native harmonics where there are no lobes."""
    if splats.lobes.shape[1]:
        return seen_colors(splats, viewmat, sh_degree), None
    return (splats.sh0, splats.shN), sh_degree
