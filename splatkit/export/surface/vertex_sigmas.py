"""How certain each vertex of a mesh is, carried from mesh to mesh."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.export.surface.cleaning import keep_faces
from splatkit.io.mesh import Mesh


def with_sigmas(mesh: Mesh, places: NDArray[np.floating], sigmas: NDArray[np.floating], farthest: float) -> Mesh:
    """The mesh with the standard deviation known at the nearest of some places.

    Args:
        mesh: any.
        places: [N, 3] at least one.
        sigmas: [N] there; not finite where nothing is known.
        farthest: where no place is nearer, nothing is known.
    """
    distances, nearest = cKDTree(places).query(mesh.vertices, workers=-1)
    found = np.where(distances <= farthest, sigmas[nearest], np.nan)
    return replace(mesh, vertex_sigmas=np.where(np.isfinite(found), found, np.nan).astype(np.float32))


def confidences(sigmas: NDArray[np.floating], length: float) -> NDArray[np.float64]:
    """[V] 1 / (1 + (sigma / length)^2): 1 for what is certain, 0 for what is not known at all."""
    known = np.where(np.isfinite(sigmas), sigmas, np.inf).astype(np.float64)
    return np.asarray(1 / (1 + (known / length) ** 2))


def drop_doubtful(mesh: Mesh, least: float, length: float) -> tuple[Mesh, int]:
    """Drop faces with a corner of less confidence; returns how many.

    Args:
        mesh: with sigmas.
        least: confidence.
        length: at which it is a half.
    """
    assert mesh.vertex_sigmas is not None
    kept = (confidences(mesh.vertex_sigmas, length) >= least)[mesh.faces].all(1)
    return keep_faces(mesh, kept), int((~kept).sum())
