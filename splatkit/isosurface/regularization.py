"""Losses that keep an optimization of surfaces well-behaved: FlexiCubes (arXiv 2308.05371), section 4.5."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from splatkit.isosurface.surface import Surface


def deviation_loss(surface: Surface) -> Tensor:
    """L_dev: mean absolute deviation of the crossings' distances from their vertex; keeps vertices amid their edges.

    Zero for an empty surface. The surface must come from training mode.
    """
    return surface.deviations.sum() / max(len(surface.deviations), 1)


def sign_change_loss(surface: Surface) -> Tensor:
    """Mean cross entropy of the values at both ends of crossed edges with the sign of the other end.

    Shrinks what changes sign without need: inner cavities that no image sees. Edges inside of the grid count once for
    each of their four cells. Zero for an empty surface.
    """
    corners = surface.topology.corners.long()
    inside = (surface.topology.cases[:, None] >> torch.arange(8, device=corners.device) & 1).bool()
    terms = []
    for axis in range(3):
        low = [c for c in range(8) if not c >> axis & 1]
        high = [c | 1 << axis for c in low]
        crossed = (inside[:, low] != inside[:, high]) & (corners[:, low] >= 0) & (corners[:, high] >= 0)
        a, b = (surface.values[corners[:, side][crossed]] for side in (low, high))
        # Cross entropy of a with the other's sign: -log sigmoid(a) where b is positive, else -log sigmoid(-a).
        terms.append(softplus(torch.where(b > 0, -a, a)) + softplus(torch.where(a > 0, -b, b)))
    losses = torch.cat(terms)
    return losses.sum() / max(len(losses), 1)


def weight_loss(surface: Surface) -> Tensor:
    """Mean absolute raw alpha and beta of the active cells; keeps weights from saturating. Zero without weights."""
    parts = [surface.weights[name] for name in ("alphas", "betas") if name in surface.weights]
    widths = [part.parameter.shape[1] for part in parts]
    total = surface.vertices.new_zeros(())
    for part, width in zip(parts, widths, strict=True):
        total = total + part.mean_magnitude() * (width / sum(widths))
    return total
