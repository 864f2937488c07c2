"""Triangle meshes as seen by whoever measures or draws them."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class TriangleMesh(Protocol):
    """Anything with vertices and triangles, e.g. `splatkit.io.mesh.Mesh`."""

    @property
    def vertices(self) -> NDArray[np.floating]:
        """[V, 3]."""

    @property
    def faces(self) -> NDArray[np.integer]:
        """[F, 3] vertex indices."""


def sample_triangles(mesh: TriangleMesh, count: int, generator: torch.Generator) -> Tensor:
    """Points uniform by area on a mesh: [count, 3] float64."""
    return sample_faces(mesh, count, generator)[0]


def sample_faces(mesh: TriangleMesh, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points uniform by area on a mesh, [count, 3] float64, and the face [count] of each.

    A point of a triangle is drawn from its parallelogram and folded back (Turk, Graphics Gems 1990).
    """
    corners = torch.from_numpy(np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces)])  # [F, 3, 3]
    a, edge_b, edge_c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ends = torch.linalg.cross(edge_b, edge_c).norm(dim=-1).cumsum(0)
    if len(ends) == 0 or not ends[-1] > 0:
        raise ValueError("mesh: expected at least one triangle with an area, got none")
    # By the sums of areas and not by torch.multinomial, which takes no more than 2^24 triangles.
    places = torch.rand(count, generator=generator, dtype=torch.float64) * ends[-1]
    chosen = torch.searchsorted(ends, places, right=True).clamp_max(len(ends) - 1)
    uv = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    uv = torch.where(uv.sum(-1, keepdim=True) > 1, 1 - uv, uv)
    return a[chosen] + uv[:, :1] * edge_b[chosen] + uv[:, 1:] * edge_c[chosen], chosen
