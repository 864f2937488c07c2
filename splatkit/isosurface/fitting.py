"""Fit a field on a grid, and the weights of its surface, to a target: the recipe of FlexiCubes (arXiv 2308.05371).

What differs from the release: targets need no rasterizer (`supervision`), and step counts are for minutes on a CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from splatkit.isosurface.regularization import deviation_loss, sign_change_loss, weight_loss
from splatkit.isosurface.supervision import SurfaceLoss
from splatkit.isosurface.surface import Surface

Target = Callable[[Tensor, Tensor], SurfaceLoss]
Observer = Callable[[int, Surface, float], None]  # gets the number of a step, the surface and the loss


@dataclass(frozen=True)
class FitSettings:
    """How a surface is fitted; the weights of terms are for targets about as large as a cube of side 2."""

    steps: int = 200
    field_rate: float = 0.0015  # learning rate of the field: a fortieth of a cell's side
    weight_rate: float = 0.05  # learning rate of raw weights and deformation
    final_rate_share: float = 0.1  # of the learning rates at the last step
    distance_weight: float = 1000.0
    normal_weight: float = 1.0
    outline_weight: float = 0.02  # a pixel
    deviation_weight: float = 0.5  # L_dev (release: 0.5)
    sign_weight: float = 0.05  # falls from 20 times this value in the first quarter (release: 0.2 to 0.01)
    weight_weight: float = 0.02  # of raw alphas and betas (release: 0.1)


def fit_surface(
    surface_of: nn.Module, field: nn.Parameter, target: Target, settings: FitSettings, observer: Observer | None = None
) -> None:
    """Optimize a field and the parameters of a module in place.

    Args:
        surface_of: field -> Surface, such as `FlexiCubes`; its `follow`, if it has one, is told the optimizer.
        field: [X + 1, Y + 1, Z + 1] values at the start; its surface must not be empty.
        target: what to fit to.
        settings: of the fit.
        observer: called after each step.

    Raises:
        ValueError: where the field comes to have one sign everywhere.
    """
    groups = [{"params": [field], "lr": settings.field_rate}]
    if weights := list(surface_of.parameters()):
        groups.append({"params": weights, "lr": settings.weight_rate})
    optimizer = torch.optim.Adam(groups)
    if (follow := getattr(surface_of, "follow", None)) is not None:
        follow(optimizer)
    schedule = torch.optim.lr_scheduler.ExponentialLR(
        optimizer, settings.final_rate_share ** (1 / max(settings.steps, 1))
    )
    surface_of.train()
    for step in range(settings.steps):
        surface = surface_of(field)
        loss = _loss(surface, target, settings, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if observer is not None:
            observer(step, surface, float(loss.detach()))


def _loss(surface: Surface, target: Target, settings: FitSettings, step: int) -> Tensor:
    terms = target(surface.vertices, surface.faces)
    early = max(0.0, 1 - step / max(settings.steps / 4, 1))
    return (
        settings.distance_weight * terms.distance
        + settings.normal_weight * terms.normal
        + settings.outline_weight * terms.outline_px
        + settings.deviation_weight * deviation_loss(surface)
        + settings.sign_weight * (1 + 19 * early) * sign_change_loss(surface)
        + settings.weight_weight * weight_loss(surface)
    )
