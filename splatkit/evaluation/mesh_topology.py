"""Whether a mesh is a surface: holes, where it branches, pieces, and faces that pass through each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from splatkit.geometry.triangles import TriangleMesh

_PAIRS_AT_A_TIME = 1 << 20
_MARGIN = 1e-9  # relative: edges that end on a face do not pass through it


@dataclass(frozen=True)
class MeshTopology:
    """Counts that are zero for a closed manifold, and its shape."""

    boundary_edges: int  # of one face
    non_manifold_edges: int  # of more than two faces
    flipped_edges: int  # of two faces that go along it in the same direction
    non_manifold_vertices: int  # whose faces are not one fan
    components: int  # pieces that share no vertex
    euler_characteristic: int  # vertices - edges + faces; 2 - 2 genus for each closed piece

    @property
    def watertight(self) -> bool:
        """Whether every edge has exactly two faces."""
        return self.boundary_edges == 0 and self.non_manifold_edges == 0


def measure_topology(mesh: TriangleMesh) -> MeshTopology:
    """Topology of a mesh by the indices of its faces; vertices that no face uses do not count."""
    faces = np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3)
    if len(faces) == 0:
        return MeshTopology(0, 0, 0, 0, 0, 0)
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges, edge_of, uses = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True, return_counts=True)
    edge_of = edge_of.reshape(-1)
    forward = np.bincount(edge_of, directed[:, 0] < directed[:, 1], len(edges))
    used, labels = np.unique(faces), faces.reshape(-1)
    return MeshTopology(
        boundary_edges=int((uses == 1).sum()),
        non_manifold_edges=int((uses > 2).sum()),
        flipped_edges=int(((uses == 2) & (forward != 1)).sum()),
        non_manifold_vertices=int((_fans(edge_of, labels) > 1).sum()),
        components=_components(faces.reshape(-1, 3)[:, [0, 1, 1, 2]].reshape(-1, 2), len(mesh.vertices), used),
        euler_characteristic=len(used) - len(edges) + len(faces),
    )


def self_intersecting_faces(mesh: TriangleMesh) -> NDArray[np.bool_]:
    """[F] whether an edge of a face passes through another face, or another's edge through it.

    Pairs with a common edge do not count, nor do faces that only touch. Meant for faces of similar size.
    """
    faces = np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[faces]
    hit = np.zeros(len(faces), dtype=bool)
    if len(faces) == 0:
        return hit
    centers = corners.mean(1)
    radii = np.linalg.norm(corners - centers[:, None], axis=-1).max(1)
    tree = cKDTree(centers)
    chunk = max(1, int(_PAIRS_AT_A_TIME // 64))
    for first in range(0, len(faces), chunk):
        own = np.arange(first, min(first + chunk, len(faces)))
        near = tree.query_ball_point(centers[own], radii[own] + radii.max())
        a = np.repeat(own, [len(found) for found in near])
        b = np.concatenate([np.asarray(found, dtype=np.int64) for found in near])
        close = (a < b) & (np.linalg.norm(centers[a] - centers[b], axis=-1) <= radii[a] + radii[b])
        a, b = a[close], b[close]
        crossing = _edges_pass(faces, corners, a, b) | _edges_pass(faces, corners, b, a)
        hit[a[crossing]] = hit[b[crossing]] = True
    return hit


def _edges_pass(
    faces: NDArray[np.int64], corners: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """[P] whether an edge of face a that shares no vertex with face b passes through face b's inside."""
    p, q, r = corners[b, 0], corners[b, 1], corners[b, 2]
    found = np.zeros(len(a), dtype=bool)
    for k in range(3):
        ends = faces[a][:, [k, (k + 1) % 3]]
        apart = (ends[:, :, None] != faces[b][:, None, :]).all((1, 2))
        start, end = corners[a, k], corners[a, (k + 1) % 3]
        low, high = _volume(p, q, r, start), _volume(p, q, r, end)
        sides = [_volume(start, end, u, v) for u, v in ((p, q), (q, r), (r, p))]
        margin = _MARGIN * (np.abs(low) + np.abs(high) + sum(np.abs(side) for side in sides))
        parted = ((low > margin) & (high < -margin)) | ((low < -margin) & (high > margin))
        within = np.logical_and.reduce([s > margin for s in sides]) | np.logical_and.reduce(
            [s < -margin for s in sides]
        )
        found |= apart & parted & within
    return found


def _volume(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Six times the signed volumes of tetrahedra."""
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a)


def _fans(edge_of: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many fans of faces meet at each vertex. Corners of faces are joined where their faces share an edge there.

    Args:
        edge_of: [3 F] edge from each corner of a face to its next.
        labels: [3 F] vertex of each corner.
    """
    corners = np.arange(len(labels))
    following = corners - corners % 3 + (corners + 1) % 3
    # Each half edge has two ends: (edge, vertex) -> corner.
    keys = np.stack([np.concatenate([edge_of, edge_of]), np.concatenate([labels, labels[following]])])
    members = np.concatenate([corners, following])
    order = np.lexsort(keys)
    same = (keys[:, order[1:]] == keys[:, order[:-1]]).all(0)
    left, right = members[order[:-1]][same], members[order[1:]][same]
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(len(labels), len(labels)))
    count, fan = connected_components(graph, directed=False)
    vertex_of_fan = np.zeros(count, dtype=np.int64)
    vertex_of_fan[fan] = labels
    return np.bincount(vertex_of_fan)


def _components(edges: NDArray[np.int64], vertices: int, used: NDArray[np.int64]) -> int:
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(vertices, vertices))
    return connected_components(graph, directed=False)[0] - (vertices - len(used))
