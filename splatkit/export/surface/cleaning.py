"""What of a mesh to keep, and repairs that are asked for: pieces, holes, edges and vertices where it branches.

Every function returns what it changed beside the mesh; nothing is repaired silently.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from splatkit.io.mesh import Mesh

_BRANCHING_PASSES = 16  # dropping faces may leave new edges of more than two faces


def face_components(mesh: Mesh) -> NDArray[np.int64]:
    """[F] number of the connected piece of each face; pieces share no edge."""
    _, edge_of = _edges(mesh.faces)
    faces = np.repeat(np.arange(len(mesh.faces)), 3)
    graph = coo_array(
        (np.ones(len(faces), np.int8), (faces, edge_of + len(mesh.faces))), shape=(_nodes(edge_of, mesh),) * 2
    )
    labels = connected_components(graph, directed=False)[1][: len(mesh.faces)]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _nodes(edge_of: NDArray[np.int64], mesh: Mesh) -> int:
    return len(mesh.faces) + (int(edge_of.max()) + 1 if len(edge_of) else 0)


@dataclass(frozen=True)
class Dropped:
    """Pieces that `drop_components` dropped."""

    components: int
    faces: int
    area_share: float


def drop_components(
    mesh: Mesh, seen: NDArray[np.bool_], min_area_share: float, min_seen_share: float
) -> tuple[Mesh, Dropped]:
    """Drop pieces that are small, and those that no camera sees; the largest seen piece always stays.

    Args:
        mesh: at least one face.
        seen: [V] whether a camera sees each vertex.
        min_area_share: of the whole area.
        min_seen_share: of a piece's faces with a corner that is seen.
    """
    labels, areas = face_components(mesh), mesh.face_areas()
    area = np.bincount(labels, weights=areas)
    visible = np.bincount(labels, weights=seen[mesh.faces].any(1)) / np.bincount(labels)
    kept = visible >= min_seen_share
    if kept.any():
        kept &= area >= min(min_area_share * area.sum(), area[kept].max())
    faces = kept[labels]
    share = float(areas[~faces].sum() / max(areas.sum(), 1e-300))
    return keep_faces(mesh, faces), Dropped(int((~kept).sum()), int((~faces).sum()), share)


def keep_faces(mesh: Mesh, kept: NDArray[np.bool_]) -> Mesh:
    """Some faces of a mesh, and the vertices that they use."""
    faces = mesh.faces[kept]
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(
        mesh.vertices[used],
        renumbered.reshape(-1, 3).astype(np.int64),
        None if mesh.vertex_colors is None else mesh.vertex_colors[used],
        None if mesh.vertex_normals is None else mesh.vertex_normals[used],
        vertex_sigmas=None if mesh.vertex_sigmas is None else mesh.vertex_sigmas[used],
    )


def boundary_loops(mesh: Mesh) -> list[NDArray[np.int64]]:
    """Vertices round each hole, in the direction in which faces that close it go along the border.

    The mesh must be a manifold: then each vertex lies on one border at most.
    """
    directed, edge_of = _edges(mesh.faces)
    single = np.bincount(edge_of)[edge_of] == 1
    following = {int(b): int(a) for a, b in directed[single]}  # against the direction of the mesh's own faces
    loops = []
    while following:
        start, vertex = next(iter(following.items()))
        del following[start]
        loop = [start]
        while vertex != start and vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        if vertex == start and len(loop) >= 3:
            loops.append(np.array(loop))
    return loops


@dataclass(frozen=True)
class Closed:
    """Holes that `close_holes` closed."""

    holes: int
    left_open: int
    faces: int
    largest: float  # length round the largest hole that was closed
    area: float  # that was added


def close_holes(mesh: Mesh, max_size: float) -> tuple[Mesh, Closed]:
    """Close holes whose extent is at most `max_size` by fans of triangles round their centers.

    Args:
        mesh: a manifold; see `make_manifold`.
        max_size: diagonal of the box round a hole, scene units; infinity closes all.
    """
    vertices, faces, loops = [mesh.vertices], [mesh.faces], boundary_loops(mesh)
    count, closed, largest = len(mesh.vertices), 0, 0.0
    for loop in loops:
        corners = mesh.vertices[loop].astype(np.float64)
        if np.linalg.norm(np.ptp(corners, axis=0)) > max_size:
            continue
        closed += 1
        largest = max(largest, float(np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).sum()))
        if len(loop) == 3:
            faces.append(loop[None])
            continue
        vertices.append(corners.mean(0, keepdims=True).astype(mesh.vertices.dtype))
        faces.append(np.stack([loop, np.roll(loop, -1), np.full(len(loop), count)], 1))
        count += 1
    result = Mesh(np.concatenate(vertices), np.concatenate(faces).astype(np.int64))
    added = Mesh(result.vertices, result.faces[len(mesh.faces) :])
    area = float(added.face_areas().sum())
    return result, Closed(closed, len(loops) - closed, len(added.faces), largest, area)


@dataclass(frozen=True)
class Untangled:
    """What `make_manifold` changed."""

    dropped_faces: int  # at edges of more than two faces, or without area by their indices
    split_vertices: int  # where several fans met


def make_manifold(mesh: Mesh) -> tuple[Mesh, Untangled]:
    """Drop the smallest faces at edges of more than two, then give each fan of faces a vertex of its own."""
    faces = mesh.faces[(mesh.faces != np.roll(mesh.faces, 1, 1)).all(1)]
    areas = Mesh(mesh.vertices, faces).face_areas()
    for _ in range(_BRANCHING_PASSES):
        surplus = _surplus_faces(faces, areas)
        if not surplus.any():
            break
        faces, areas = faces[~surplus], areas[~surplus]
    vertices, split = _split_fans(mesh.vertices, faces)
    changed = Untangled(len(mesh.faces) - len(faces), len(vertices) - len(mesh.vertices))
    return keep_faces(Mesh(vertices, split), np.ones(len(split), bool)), changed


def _surplus_faces(faces: NDArray[np.integer], areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[F] which faces to drop: at each edge and in each direction of it, all but the largest."""
    directed, edge_of = _edges(faces)
    side = edge_of * 2 + (directed[:, 0] < directed[:, 1])
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort((-areas[owner], side))
    repeated = np.zeros(len(side), bool)
    repeated[order[1:]] = side[order[1:]] == side[order[:-1]]
    surplus = np.zeros(len(faces), bool)
    surplus[owner[repeated]] = True
    return surplus


def _split_fans(
    vertices: NDArray[np.floating], faces: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Vertices and faces with a vertex for each fan. Corners of faces belong together where faces share an edge."""
    labels = faces.reshape(-1)
    corners = np.arange(len(labels))
    following = corners - corners % 3 + (corners + 1) % 3
    _, edge_of = _edges(faces)
    keys = np.stack([np.concatenate([edge_of, edge_of]), np.concatenate([labels, labels[following]])])
    members = np.concatenate([corners, following])
    order = np.lexsort(keys)
    same = (keys[:, order[1:]] == keys[:, order[:-1]]).all(0)
    left, right = members[order[:-1]][same], members[order[1:]][same]
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(labels),) * 2)
    count, fan = connected_components(graph, directed=False)
    vertex_of_fan = np.zeros(count, np.int64)
    vertex_of_fan[fan] = labels
    # The first fan of a vertex keeps its number.
    first = np.full(len(vertices), -1, np.int64)
    first[vertex_of_fan[::-1]] = np.arange(count)[::-1]
    extra = first[vertex_of_fan] != np.arange(count)
    number = vertex_of_fan.copy()
    number[extra] = len(vertices) + np.arange(extra.sum())
    return np.concatenate([vertices, vertices[vertex_of_fan[extra]]]), number[fan].reshape(-1, 3)


def _edges(faces: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[3 F, 2] directed edges of faces, and [3 F] the number of each without its direction."""
    directed = np.asarray(faces, np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = directed.min(1), directed.max(1)
    span = int(high.max()) + 1 if len(high) else 1
    return directed, np.unique(low * span + high, return_inverse=True)[1].reshape(-1)
