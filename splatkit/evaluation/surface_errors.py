"""The error of views of a mesh, gathered on its surface."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatkit.evaluation.mesh_rendering import SurfaceHits
from splatkit.io.mesh import Mesh


class SurfaceErrors:
    """Means of squared errors at the vertices of a mesh, over all pixels that show their faces."""

    def __init__(self, mesh: Mesh) -> None:
        self._faces, self._count = np.asarray(mesh.faces, dtype=np.int64), len(mesh.vertices)
        self._sums, self._weights = np.zeros(self._count), np.zeros(self._count)

    def add(self, hits: SurfaceHits, errors: NDArray[np.floating]) -> None:
        """Add a view by its squared errors [H, W], NaN where they are not known."""
        known = (hits.faces >= 0) & np.isfinite(errors)
        corners = self._faces[hits.faces[known]].reshape(-1)
        weights = hits.weights[known].astype(np.float64)
        self._weights += np.bincount(corners, weights.reshape(-1), self._count)
        weighted = weights * errors[known][:, None]
        self._sums += np.bincount(corners, weighted.reshape(-1), self._count)

    def vertex_errors(self) -> NDArray[np.float32]:
        """[V] roots of the means; NaN where no view looks.

        Faces smaller than a pixel may lie between the rays: vertices that no ray met take the mean of their neighbors
        if rays met at least half of these.
        """
        edges = np.concatenate([self._faces[:, [0, 1]], self._faces[:, [1, 2]], self._faces[:, [2, 0]]])
        ones = np.ones(len(edges), np.float32)
        once = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(self._count, self._count)).tocsr()
        neighbors = once + once.T
        met = self._weights > 0
        between = ~met & (neighbors @ met >= 0.5 * neighbors.sum(1)) & (neighbors @ met > 0)
        sums = np.where(between, neighbors @ self._sums, self._sums)
        weights = np.where(between, neighbors @ self._weights, self._weights)
        means = np.divide(sums, weights, out=np.full(self._count, np.nan), where=weights > 0)
        return np.sqrt(means).astype(np.float32)
