"""What photographs say about the vertices of a surface, and how far they are to be believed.

Photographs are asked about faces (`photo_views`). They are believed as far as they agree and as their offset is more
certain than what is known without them; and not where the other side lies within a few cells: at the edges of thin
parts photographs mix what is behind with what is before, and both sides would come to cross.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import open3d as o3d
import torch
from torch import Tensor
from torch.nn.functional import normalize

from splatkit.export.consistency.photo_views import PhotoOffsets, PhotoViews

_START = 0.01  # cells behind a face where the way to the other side begins


@dataclass(frozen=True)
class BeliefSettings:
    """When photographs are believed; lengths in cells."""

    prior: float = 0.4  # standard deviation of what is known without them
    doubted: float = 0.5  # correlation up to which they are not believed
    trusted: float = 0.85  # from which on they are
    thin: float = 6.0  # photographs of parts thinner than this are believed less, and not at all at half of it


class VertexAnswers(NamedTuple):
    """Of V vertices; lengths in cells."""

    offsets: Tensor  # [V] along the vertex normal
    beliefs: Tensor  # [V] 0 to 1: how far they replace what is known without photographs
    variances: Tensor  # [V] of the offsets; infinite where photographs say nothing
    face_beliefs: Tensor  # [F]


def ask_photographs(
    photos: PhotoViews, places: Tensor, faces: Tensor, spacing: float, settings: BeliefSettings = BeliefSettings()
) -> VertexAnswers:
    """Ask photographs, once they were blurred and have looked at the surface.

    Args:
        photos: of the surface.
        places: [V, 3] float32 vertices, world.
        faces: [F, 3] int64.
        spacing: of the cells, scene units.
        settings: see there.
    """
    corners = places[faces]
    crosses = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = crosses.norm(dim=-1)
    normals, centers = normalize(crosses, dim=-1), corners.mean(1)
    found = photos.ask(centers.numpy(), normals.numpy())
    beliefs = _agreement(found, settings) * _solidity(places, faces, centers, normals, spacing, settings.thin)
    variances = found.variances / spacing**2
    shares = beliefs * settings.prior**2 / (settings.prior**2 + variances)
    weights = shares * areas
    totals = _at_vertices(faces, len(places), weights)
    known = totals > 0
    offsets = _at_vertices(faces, len(places), weights * found.offsets / spacing)
    spreads = _at_vertices(faces, len(places), weights * torch.where(weights > 0, variances, 0))
    around = _at_vertices(faces, len(places), torch.ones(len(faces)))
    return VertexAnswers(
        torch.where(known, offsets / totals, 0),
        _at_vertices(faces, len(places), shares) / around.clamp_min(1),
        torch.where(known, spreads / totals, torch.inf),
        shares,
    )


def _agreement(found: PhotoOffsets, settings: BeliefSettings) -> Tensor:
    """[F] 0 to 1, by correlation; of fewer than two photographs 0."""
    share = (found.correlations - settings.doubted) / (settings.trusted - settings.doubted)
    return torch.where(found.counts >= 2, share.clamp(0, 1), 0)


def _solidity(places: Tensor, faces: Tensor, centers: Tensor, normals: Tensor, spacing: float, thin: float) -> Tensor:
    """[F] 0 to 1, by how far it is through the solid to the other side."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.ascontiguousarray(places.numpy())), o3d.core.Tensor(faces.numpy().astype(np.uint32))
    )
    rays = torch.cat([centers - _START * spacing * normals, -normals], 1)
    depths = torch.from_numpy(scene.cast_rays(o3d.core.Tensor(rays.numpy()))["t_hit"].numpy()) / spacing
    return (2 * depths / thin - 1).clamp(0, 1)


def _at_vertices(faces: Tensor, count: int, values: Tensor) -> Tensor:
    """[count] sums of values [F] of the faces around each vertex."""
    sums = torch.zeros(count)
    for corner in range(3):
        sums.index_add_(0, faces[:, corner], values)
    return sums
