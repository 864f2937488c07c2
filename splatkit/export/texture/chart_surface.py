"""The surface on which charts are found: the mesh itself or, where that is too rough for them, an evened copy.

Noise of half an edge tilts faces by more than 45 degrees, and each that is tilted away from its neighbors would be a
chart of its own. Vertices of the copy move along averaged normals only: then what is found on it hardly stretches the
mesh, whose places along the surface it keeps.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatkit.export.texture.mesh_colors import vertex_normals
from splatkit.export.texture.projected_charts import count_charts
from splatkit.io.mesh import Mesh

_ROUNDS = 2  # halfway to the mean of the neighbors; more would wear away thin rods, which then come apart
_NORMAL_ROUNDS = 3  # of averaging normals over neighbors


def surface_for_charts(mesh: Mesh) -> Mesh:
    """The mesh or its evened copy, with the same faces: on which charts are fewer."""
    even = _evened(mesh)
    return even if count_charts(even) < count_charts(mesh) else mesh


def _evened(mesh: Mesh) -> Mesh:
    a, b = np.unique(np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0).T
    count = len(mesh.vertices)
    beside = coo_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    neighbors = np.maximum(beside.sum(1), 1)[:, None]
    normals = vertex_normals(mesh).astype(np.float64)
    for _ in range(_NORMAL_ROUNDS):
        normals = _unit(normals + beside @ normals)
    vertices = mesh.vertices.astype(np.float64)
    for _ in range(_ROUNDS):
        step = (beside @ vertices) / neighbors - vertices
        vertices = vertices + 0.5 * normals * (step * normals).sum(1, keepdims=True)
    return replace(mesh, vertices=vertices)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
