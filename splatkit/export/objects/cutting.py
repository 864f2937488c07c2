"""An object cut from its support, closed: one thing with a volume, to print, to show or to play with.

The mesh is cut a little above the support, where noise and shade round its foot; what is cut goes down to the support
there, and a flat cap closes it. The connected piece on the support that fills the middle of most photographs is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import mapbox_earcut
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.errors import RefusedError
from splatkit.evaluation.mesh_topology import measure_topology
from splatkit.export.objects.support import Support, find_support
from splatkit.export.surface.cleaning import boundary_loops, close_holes, face_components, keep_faces, make_manifold
from splatkit.export.surface.vertex_sigmas import with_sigmas
from splatkit.geometry.camera import PosedCamera
from splatkit.io.mesh import Mesh

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_SPREADS = 4.0  # of the support, that the cut lies above it
_EDGES = 1.0  # median edges that the cut lies above it at least
_RAYS, _MIDDLE = 32, 0.5  # in each direction, over the middle of a photograph: a half of its width and height
_APART = 0.01  # of the way to the neighbors, that vertices at one place move
_AT_CUT = 0.5  # share of a loop's vertices, for it to be the object's foot


@dataclass(frozen=True)
class CutObject:
    """A closed mesh, and how it came about."""

    mesh: Mesh
    record: dict[str, Any]  # for export.json; lengths in units of the mesh


def cut_object(mesh: Mesh, cameras: Sequence[PosedCamera]) -> CutObject:
    """What cameras look at from around, without its support, closed.

    Args:
        mesh: the scene; what its vertices have besides places is lost, but for their standard deviations.
        cameras: in the frame of the mesh.

    Raises:
        RefusedError: nothing stands on a support that cameras look at from around.
    """
    support = find_support(mesh, cameras)
    edges = mesh.vertices[mesh.faces[:, 0]] - mesh.vertices[mesh.faces[:, 1]]
    height = max(_SPREADS * support.spread, _EDGES * float(np.median(np.linalg.norm(edges, axis=1))))
    above, at_cut = _cut(mesh, support.heights(mesh.vertices) - height)
    if len(above.faces) == 0:
        raise RefusedError("object: nothing stands on the support; leave out --object")
    labels = face_components(above)
    chosen = _in_the_middle(above, labels, cameras)
    areas = np.bincount(labels, above.face_areas())
    piece = keep_faces(above, labels == chosen)
    cut_vertices = at_cut[np.unique(above.faces[labels == chosen])]
    if not cut_vertices.any():
        raise RefusedError("object: what cameras look at does not touch a support; use --watertight instead")
    down = np.where(cut_vertices, support.heights(piece.vertices), 0)
    piece = Mesh(piece.vertices - down[:, None] * support.normal, piece.faces)
    closed, what = _close(piece, support)
    if mesh.vertex_sigmas is not None:
        closed = with_sigmas(closed, mesh.vertices, mesh.vertex_sigmas, 2 * height)
    return CutObject(
        closed,
        {
            "support": {"normal": support.normal.tolist(), "offset": support.offset, "spread": support.spread},
            "cut_above_support": height,
            "pieces_dropped": len(areas) - 1,
            "area_share_of_dropped": float(1 - areas[chosen] / areas.sum()),
            **what,
            "watertight": measure_topology(closed).watertight,
        },
    )


def describe_object(mesh: Mesh, units: str) -> dict[str, Any]:
    """Size and volume of a closed mesh for export.json, and what units these are in."""
    return {
        "size": np.ptp(mesh.vertices, axis=0).tolist(),
        "volume": volume_of(mesh),
        "units": units,
        "metric": units == "m",
    }


def object_verdict(record: Mapping[str, Any]) -> str:
    """One line for people, of what export.json has."""
    size = " x ".join(f"{length:.4g}" for length in record["size"])
    scale = "m" if record["metric"] else f"{record['units']} (no metric scale)"
    closed = "watertight" if record["watertight"] else "not watertight"
    return f"object: {size} {scale}, volume {record['volume']:.4g}, {closed}"


def volume_of(mesh: Mesh) -> float:
    """Of a closed mesh, cubed units of its vertices."""
    corners = (mesh.vertices - mesh.vertices.mean(0))[mesh.faces].astype(np.float64)
    return float(np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def _cut(mesh: Mesh, heights: Array) -> tuple[Mesh, NDArray[np.bool_]]:
    """The part of a mesh where heights [V] are positive, and which of its vertices lie at the cut."""
    up = heights > 0
    count = up[mesh.faces].sum(1)
    mixed = mesh.faces[(count == 1) | (count == 2)]
    alone = np.where(up[mixed].sum(1) == 1, up[mixed].argmax(1), up[mixed].argmin(1))
    a, b, c = (mixed[np.arange(len(mixed)), (alone + k) % 3] for k in range(3))  # a is alone on its side
    ends = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)]), axis=1)
    ends, number = np.unique(ends, axis=0, return_inverse=True)
    ab, ac = (number.reshape(-1) + len(mesh.vertices)).reshape(2, -1)
    first, second = heights[ends[:, 0]], heights[ends[:, 1]]
    share = (first / (first - second))[:, None]
    added = (1 - share) * mesh.vertices[ends[:, 0]] + share * mesh.vertices[ends[:, 1]]
    tip = up[a]
    faces = [mesh.faces[count == 3], np.stack([a, ab, ac], 1)[tip]]
    faces += [np.stack([ab, b, c], 1)[~tip], np.stack([ab, c, ac], 1)[~tip]]
    whole = Mesh(np.concatenate([mesh.vertices, added]), np.concatenate(faces).astype(np.int64))
    used = np.unique(whole.faces)
    return keep_faces(whole, np.ones(len(whole.faces), bool)), used >= len(mesh.vertices)


def _in_the_middle(mesh: Mesh, labels: Indices, cameras: Sequence[PosedCamera]) -> int:
    """The piece that most rays meet through the middle of photographs."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )
    shares = (np.arange(_RAYS) + 0.5) / _RAYS * _MIDDLE + (1 - _MIDDLE) / 2
    met = np.zeros(int(labels.max()) + 1)
    for posed in cameras:
        x, y = np.meshgrid(shares * posed.camera.width, shares * posed.camera.height)
        origins, directions = posed.rays(np.stack([x.ravel(), y.ravel()], -1))
        rays = np.concatenate([np.broadcast_to(origins, directions.shape), directions], 1).astype(np.float32)
        rays = rays[np.isfinite(rays).all(1)]
        found = scene.cast_rays(o3d.core.Tensor(rays))
        hit = np.isfinite(found["t_hit"].numpy())
        met += np.bincount(labels[found["primitive_ids"].numpy()[hit].astype(np.int64)], minlength=len(met))
    if met.max() == 0:
        raise RefusedError("object: nothing stands on the support in the middle of photographs; leave out --object")
    return int(met.argmax())


def _close(piece: Mesh, support: Support) -> tuple[Mesh, dict[str, Any]]:
    """Close a piece at its foot by a flat cap, and everywhere else."""
    piece, untangled = make_manifold(piece)
    size = float(np.ptp(piece.vertices, axis=0).max())
    down = np.abs(support.heights(piece.vertices)) < 1e-5 * size
    feet = [loop for loop in boundary_loops(piece) if down[loop].mean() >= _AT_CUT]
    cap = _cap(piece.vertices, feet, support.normal)
    capped, again = make_manifold(Mesh(piece.vertices, np.concatenate([piece.faces, cap])))
    closed, holes = close_holes(capped, float("inf"))
    dropped = untangled.dropped_faces + again.dropped_faces
    closed = _with_vertices_apart(closed)
    cap_area = float(Mesh(piece.vertices, cap).face_areas().sum())
    return closed, {"cap_area": cap_area, "untangled_faces": dropped, "closed": asdict(holes)}


def _with_vertices_apart(mesh: Mesh) -> Mesh:
    """Vertices at one place move a little toward their own neighbors.

    Programs that read an .stl take them for one, and then more than two faces may meet at an edge.
    """
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces
    _, number, uses = np.unique(vertices.astype(np.float32), axis=0, return_inverse=True, return_counts=True)
    together = np.flatnonzero(uses[number.reshape(-1)] > 1)
    for vertex in together:
        around = faces[(faces == vertex).any(1)]
        vertices[vertex] += _APART * (mesh.vertices[around].mean((0, 1)) - mesh.vertices[vertex])
    return Mesh(vertices, faces)


def _cap(vertices: NDArray[np.floating], loops: Sequence[Indices], normal: Array) -> Indices:
    """Faces [M, 3] that fill loops on a plane and look down; loops inside of others are openings."""
    right = np.linalg.svd(normal[None])[2][1]
    flat = vertices @ np.stack(
        [right, np.cross(right, normal)], 1
    )  # seen from below, so that caps go counter-clockwise
    areas = [_area(flat[loop]) for loop in loops]
    faces = [np.zeros((0, 3), np.int64)]
    outer = [k for k, area in enumerate(areas) if area > 0]
    inside_of = {k: _smallest_around(flat, loops, k, outer, areas) for k, area in enumerate(areas) if area <= 0}
    for k in outer:
        rings = [loops[k], *(loops[hole] for hole, around in inside_of.items() if around == k)]
        numbers = np.concatenate(rings)
        ends = np.cumsum([len(ring) for ring in rings]).astype(np.uint32)
        found = mapbox_earcut.triangulate_float64(np.ascontiguousarray(flat[numbers], dtype=np.float64), ends)
        triangles = numbers[np.asarray(found, dtype=np.int64).reshape(-1, 3)]
        backward = np.array([_area(flat[triangle]) < 0 for triangle in triangles], dtype=bool)
        triangles[backward] = triangles[backward][:, ::-1]
        faces.append(triangles)
    return np.concatenate(faces)


def _area(flat: NDArray[np.floating]) -> float:
    """Of a polygon [N, 2], positive counter-clockwise."""
    x, y = (flat - flat[0]).T.astype(np.float64)
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _smallest_around(
    flat: NDArray[np.floating], loops: Sequence[Indices], hole: int, outer: Sequence[int], areas: Sequence[float]
) -> int | None:
    """The smallest outer loop that a hole lies in."""
    x, y = flat[loops[hole][0]]
    around = [
        k for k in outer if cv2.pointPolygonTest(flat[loops[k]].astype(np.float32), (float(x), float(y)), False) > 0
    ]
    return min(around, key=lambda k: areas[k], default=None)
