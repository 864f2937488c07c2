"""Normals of vertices, and colors for those that no photograph shows."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatkit.io.mesh import Mesh

_MOST_ROUNDS = 200  # edges that colors spread over
_GREY = 128.0


def vertex_normals(mesh: Mesh) -> NDArray[np.float32]:
    """Unit normals [V, 3]: those of the mesh, or means over the faces around, weighted by area."""
    if mesh.vertex_normals is not None:
        return np.asarray(mesh.vertex_normals, dtype=np.float32)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(mesh.vertices), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(mesh.faces[:, corner], crosses[:, axis], len(normals))
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0).astype(np.float32)


def spread_colors(mesh: Mesh, colors: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Colors [V, 3] of 0 to 255 at all vertices: where they are not known the mesh's own, or the neighbors' mean."""
    if known.all():
        return colors
    if mesh.vertex_colors is not None:
        return np.where(known[:, None], colors, mesh.vertex_colors).astype(np.float32)
    if not known.any():
        return np.full_like(colors, _GREY)
    count = len(mesh.vertices)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).astype(np.int64)
    ones = np.ones(len(edges), np.float32)
    neighbors = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    neighbors = neighbors + neighbors.T
    out = np.where(known[:, None], colors, 0).astype(np.float32)
    weight = known.astype(np.float32)
    for _ in range(_MOST_ROUNDS):
        reached = neighbors @ weight
        fresh = (weight == 0) & (reached > 0)
        if not fresh.any():
            break
        out[fresh] = (neighbors @ out)[fresh] / reached[fresh, None]
        weight[fresh] = 1
    out[weight == 0] = out[weight > 0].mean(0)
    return out
