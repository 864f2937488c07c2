"""What measured depths add to the training of the method `ges`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from splatkit.geometry.se3 import transform_points
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.view import View
from splatkit.splatting.depth_losses import (
    DepthSettings,
    depth_deviations,
    free_depths,
    in_free_space,
    robust_depth_loss,
)
from splatkit.splatting.rendering import Rendering
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class Shown:
    """What a training step rendered, for losses beyond colors."""

    splats: Splats
    view: View
    rendering: Rendering


def depth_losses(shown: Shown, measured: MeasuredDepth, settings: DepthSettings, progress: float) -> dict[str, Tensor]:
    """Terms by name; none where nothing was measured.

    Args:
        shown: rendered with median depths if those have a share.
        measured: in the image that was rendered.
        settings: see there.
        progress: of training, in [0, 1].
    """
    if len(measured) == 0:
        return {}
    decay = float(settings.final_share**progress)  # exponentially, to the final share
    losses = {}
    if settings.weight > 0:
        losses["depth"] = settings.weight * decay * _disagreement(shown.rendering, measured, settings)
    if settings.carving_weight > 0:
        losses["carving"] = settings.carving_weight * decay * _front_opacity(shown, measured, settings)
    return losses


def _disagreement(rendering: Rendering, measured: MeasuredDepth, settings: DepthSettings) -> Tensor:
    indices = measured.indices.long()
    kinds = [(1 - settings.median_share, rendering.depths)]
    if rendering.median_depths is not None:
        kinds.append((settings.median_share, rendering.median_depths))
    terms = []
    for share, depths in kinds:
        rendered = depths.flatten()[indices]
        hit = rendered > 0  # of a pixel that nothing covers no depth can be moved
        values = (rendered[hit], measured.depths[hit], measured.sigmas[hit])
        terms.append(share * hit.float().mean() * robust_depth_loss(*values, settings.floor_share) if hit.any() else 0)
    return torch.as_tensor(sum(terms), device=indices.device)


def _front_opacity(shown: Shown, measured: MeasuredDepth, settings: DepthSettings) -> Tensor:
    """Opacity of splats in proven empty space, as a share of the visible ones' count."""
    splats, view, rendering = shown.splats, shown.view, shown.rendering
    with torch.no_grad():
        margin = settings.carving_sigmas * depth_deviations(measured.depths, measured.sigmas, settings.floor_share)
        free = free_depths(measured.indices, measured.depths - margin, measured.width, measured.height)
        depths = transform_points(view.viewmats[0], splats.means)[:, 2]
        visible = rendering.extents[0].amax(1) > 0
        far_ends = depths + splats.scales.amin(1)
        empty = visible & in_free_space(rendering.means2d[0], far_ends, free)
    return splats.opacities[empty].sum() / visible.sum().clamp_min(1)
