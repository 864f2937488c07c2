"""A surface taken from a scalar field, with all that losses on it need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from splatkit.isosurface.sparse_rows import Rows
from splatkit.ops.isosurface import SurfaceTopology


@dataclass(frozen=True)
class Surface:
    """Triangles of one or several fields; V vertices (Q centers of quads among them in training), F faces."""

    vertices: Tensor  # [V, 3]
    faces: Tensor  # [F, 3] int64, counter-clockwise seen from outside
    features: Tensor | None  # [V, C] taken over from the grid
    deviations: Tensor  # [S] of crossings from their vertex's mean distance; empty outside of training
    topology: SurfaceTopology
    values: Tensor  # [B] of the field at the corners of active cells
    weights: dict[str, Rows]  # raw alphas [A, 8], betas [A, 12], gammas [A, 1], deformation [B, 3]; {} without

    def field_faces(self, field: int) -> Tensor:
        """Faces [F_n, 3] of one field; their indices are those of all vertices."""
        per_quad = len(self.faces) // max(len(self.topology.quads), 1)
        first, last = (self.topology.field_quads[field : field + 2] * per_quad).tolist()
        return self.faces[first:last]

    @property
    def mesh(self) -> "SurfaceMesh":
        """For whoever takes a `TriangleMesh`: metrics, ray casting, files."""
        return SurfaceMesh(self.vertices.detach().double().cpu().numpy(), self.faces.cpu().numpy())


@dataclass(frozen=True)
class SurfaceMesh:
    """Vertices and triangles outside of torch."""

    vertices: NDArray[np.floating]  # [V, 3]
    faces: NDArray[np.integer]  # [F, 3]
