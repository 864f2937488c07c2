"""What measured depths and normals add to the training of the method `ges`."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from splatkit.geometry.se3 import transform_points
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.view import View
from splatkit.splatting.depth_losses import (
    DepthSettings,
    before_nothing,
    depth_certainties,
    depth_deviations,
    free_depths,
    in_free_space,
    normal_loss,
    robust_depth_loss,
    shortest_axes,
)
from splatkit.splatting.rendering import Rendering
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class Shown:
    """What a training step rendered, for losses beyond colors."""

    splats: Splats
    view: View
    rendering: Rendering
    shell: SkyShell | None = None


def depth_losses(
    shown: Shown,
    measured: MeasuredDepth | None,
    background: Tensor | None,
    settings: DepthSettings,
    floor_share: float,
    progress: float,
) -> dict[str, Tensor]:
    """Terms by name; none of an image about which nothing is known.

    Args:
        shown: rendered with median depths if those have a share.
        measured: in the image that was rendered.
        background: [H, W] of that image, in [0, 1]: how sure it is that nothing is there.
        settings: see there.
        floor_share: of a depth, the smallest deviation; see `floor_share_for`.
        progress: of training, in [0, 1].
    """
    decay = float(settings.final_share**progress)  # exponentially, to the final share
    measured = None if measured is None or len(measured) == 0 else measured
    losses = {}
    if settings.carving_weight > 0 and not (measured is None and background is None):
        front = _front_opacity(shown, measured, background, settings, floor_share)
        losses["carving"] = settings.carving_weight * decay * front
    if measured is None:
        return losses
    if settings.weight > 0:
        losses["depth"] = settings.weight * decay * _disagreement(shown.rendering, measured, settings, floor_share)
    if measured.normals is not None and settings.normal_weight > 0:
        losses["measured_normals"] = (
            settings.normal_weight * decay * _off_normals(shown, measured, settings, floor_share)
        )
    return losses


def _disagreement(rendering: Rendering, measured: MeasuredDepth, settings: DepthSettings, floor_share: float) -> Tensor:
    indices = measured.indices.long()
    kinds = [(1 - settings.median_share, rendering.depths)]
    if rendering.median_depths is not None:
        kinds.append((settings.median_share, rendering.median_depths))
    terms = []
    for share, depths in kinds:
        rendered = depths.flatten()[indices]
        hit = rendered > 0  # of a pixel that nothing covers no depth can be moved
        values = (rendered[hit], measured.depths[hit], measured.sigmas[hit])
        terms.append(share * hit.float().mean() * robust_depth_loss(*values, floor_share) if hit.any() else 0)
    return torch.as_tensor(sum(terms), device=indices.device)


@torch.no_grad()
def _emptiness(
    shown: Shown,
    measured: MeasuredDepth | None,
    background: Tensor | None,
    settings: DepthSettings,
    floor_share: float,
) -> Tensor:
    """How sure it is that splats [N] are where rays have passed, in [0, 1]."""
    splats, means2d = shown.splats, shown.rendering.means2d[0]
    sure = torch.zeros_like(splats.opacities)
    if measured is not None:
        margin = settings.carving_sigmas * depth_deviations(measured.depths, measured.sigmas, floor_share)
        free = free_depths(measured.indices, measured.depths - margin, measured.width, measured.height)
        far_ends = transform_points(shown.view.viewmats[0], splats.means)[:, 2] + splats.scales.amin(1)
        sure = in_free_space(means2d, far_ends, free).to(sure)
    if background is not None:
        nothing = before_nothing(means2d, background)
        if shown.shell is not None:
            nothing = torch.where(shown.shell.holds(splats.means), 0.0, nothing)
        sure = torch.maximum(sure, nothing)
    return sure


def _front_opacity(
    shown: Shown,
    measured: MeasuredDepth | None,
    background: Tensor | None,
    settings: DepthSettings,
    floor_share: float,
) -> Tensor:
    """Opacity of splats in proven empty space, as a share of the visible ones' count."""
    visible = shown.rendering.extents[0].amax(1) > 0
    sure = _emptiness(shown, measured, background, settings, floor_share)
    empty = visible & (sure > 0)
    return (sure[empty] * shown.splats.opacities[empty]).sum() / visible.sum().clamp_min(1)


def _off_normals(shown: Shown, measured: MeasuredDepth, settings: DepthSettings, floor_share: float) -> Tensor:
    """How far splats in measured surfaces are turned from the normals measured in their pixels."""
    splats, view = shown.splats, shown.view
    assert measured.normals is not None
    with torch.no_grad():
        which, rows = _measured_splats(shown.rendering, measured)
        depths, normals = measured.depths[rows], measured.normals[rows].float()
        deviations = depth_deviations(depths, measured.sigmas[rows], floor_share)
        off = transform_points(view.viewmats[0], splats.means[which])[:, 2] - depths
        near = (off.abs() < settings.normal_sigmas * deviations) & normals.any(1)
        certainties = depth_certainties(depths, deviations, floor_share)[near]
    if len(certainties) == 0:
        return splats.means.new_zeros(())
    axes = shortest_axes(splats.quats[which[near]], splats.scales[which[near]].detach())
    return normal_loss(axes @ view.viewmats[0, :3, :3].detach().T, normals[near], certainties)


def _measured_splats(rendering: Rendering, measured: MeasuredDepth) -> tuple[Tensor, Tensor]:
    """Visible splats [M] whose centers lie in measured pixels, and the places [M] of these in the list."""
    columns, rows = rendering.means2d[0].floor().long().unbind(-1)
    inside = (columns >= 0) & (columns < measured.width) & (rows >= 0) & (rows < measured.height)
    which = torch.nonzero(inside & (rendering.extents[0].amax(1) > 0))[:, 0]
    places = torch.full((measured.height * measured.width,), -1, dtype=torch.int32, device=which.device)
    places[measured.indices.long()] = torch.arange(len(measured), dtype=torch.int32, device=which.device)
    found = places[(rows * measured.width + columns)[which]].long()
    return which[found >= 0], found[found >= 0]


def reduced_confidences(background: Tensor, width: int) -> Tensor:
    """Confidences [h, w] in [0, 1] of an image of a width (px), of bytes [H, W] of a larger one: its least."""
    factor, confidences = background.shape[1] // width, background.float() / 255
    return confidences if factor == 1 else -max_pool2d(-confidences[None], factor)[0]
