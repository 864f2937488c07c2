"""Surfaces on octrees, with the weights of FlexiCubes: no cracks, and never an edge of more than two faces.

What holds cell by cell on a grid holds leaf by leaf here (FlexiCubes, arXiv 2308.05371, section 4.6; dual marching
cubes, Nielson 2004): on each minimal face, segments join the crossings of its sides and cut off the inside corners; in
each leaf they close to loops; a loop is one vertex; and round every crossed edge the vertices of its three or four
leaves make a polygon. Two polygons have an edge in common for every segment. Only where a face's two segments lie in
one loop in both of its leaves would four polygons meet in one edge: such a face's segments cut off its outside corners
instead, which splits the loop in both leaves, and no later split can undo that. On a grid this is `FlexiCubes`.

Plain torch on the CPU, differentiable.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from splatkit.isosurface.octree import Octree
from splatkit.isosurface.surface import SurfaceMesh

_MAX_VALUE = 1e30  # as in `splatkit.ops.isosurface`


@dataclass(frozen=True)
class OctreeSurface:
    """Triangles; V vertices, centers of quads behind them in the form for training."""

    vertices: Tensor  # [V, 3]
    faces: Tensor  # [F, 3] int64, counter-clockwise seen from outside
    deviations: Tensor  # [S] of crossings from their vertex's mean distance, as `FlexiCubes` has them
    leaves: Tensor  # of each vertex, without the centers

    @property
    def mesh(self) -> SurfaceMesh:
        """For whoever takes a `TriangleMesh`."""
        return SurfaceMesh(self.vertices.detach().double().numpy(), self.faces.numpy())


@dataclass(frozen=True)
class _Nodes:
    """A crossed edge in one of its leaves, S of them: part of one vertex."""

    edge: Tensor  # [C] crossed minimal edges
    around: Tensor  # [C, 4] nodes of the leaves round each, counter-clockwise about its axis; a wide leaf's twice
    leaf: Tensor  # [S]
    crossing: Tensor  # [S] which of the C


def extract_octree(
    octree: Octree,
    values: Tensor,
    alphas: Tensor | None = None,
    betas: Tensor | None = None,
    gammas: Tensor | None = None,
    *,
    centers: bool = False,
) -> OctreeSurface:
    """The surface of a field on an octree; gradients reach values and weights.

    Args:
        octree: with L leaves and V vertices.
        values: [V] of the field at `octree.points()`, negative inside, outside on the border of the box; those at
            vertices that divide an edge or a face are not used (the sign constraint).
        alphas: [L, 8] > 0, scale the field at the leaves' corners, and linearly in between; None: 1.
        betas: [L, 12] > 0, weigh crossings of the leaves' edges, and linearly in between; None: 1.
        gammas: [L] > 0, weigh the diagonals of quads; None: equal ones.
        centers: quads become four triangles round their centers, the form for training; otherwise two.

    Raises:
        ValueError: where an argument has another shape, values are not finite or beyond 1e30, or the border of the box
            lies inside.
    """
    _check(octree, values, {"alphas": (alphas, 8), "betas": (betas, 12), "gammas": (gammas, 0)})
    values = octree.constrain(values)
    inside = values.detach() < 0
    nodes = _find_nodes(octree, inside)
    vertex, vertex_leaf = _find_loops(octree, inside, nodes)
    vertices, deviations = _place(octree, values, nodes, vertex, len(vertex_leaf), alphas, betas)
    polygons = vertex[nodes.around]
    starts_inside = inside[octree.edges.ends[nodes.edge, 0]]
    polygons = torch.where(starts_inside[:, None], polygons, polygons[:, [0, 3, 2, 1]])
    vertices, faces = _cut(vertices, polygons, None if gammas is None else gammas[vertex_leaf], centers)
    return OctreeSurface(vertices, faces, deviations, vertex_leaf)


def _check(octree: Octree, values: Tensor, weights: dict[str, tuple[Tensor | None, int]]) -> None:
    leaves = len(octree.sizes)
    if values.device.type != "cpu":
        raise ValueError(f"values: expected a tensor on the CPU, where octrees are, got one on {values.device}")
    if values.shape != (len(octree.vertices),):
        raise ValueError(f"values: expected shape [{len(octree.vertices)}], got {list(values.shape)}")
    for name, (weight, width) in weights.items():
        shape = [leaves, width] if width else [leaves]
        if weight is not None and list(weight.shape) != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {list(weight.shape)}")
    if not (values.detach().abs() <= _MAX_VALUE).all():
        raise ValueError("values: expected finite values of magnitude up to 1e30")
    if (values.detach()[octree.on_border] < 0).any():
        raise ValueError("values: negative on the border of the box, where the surface would end; enlarge the box")


def _find_nodes(octree: Octree, inside: Tensor) -> _Nodes:
    edges = octree.edges
    crossed = (edges.middle < 0) & (inside[edges.ends[:, 0]] != inside[edges.ends[:, 1]])
    edge = crossed.nonzero()[:, 0]
    leaves = edges.leaves[edge]
    own = leaves != leaves.roll(1, 1)  # a leaf of which the edge divides a face comes twice, in a row
    number = own.reshape(-1).long().cumsum(0).reshape(-1, 4) - 1
    around = torch.where(own, number, number.roll(1, 1))
    return _Nodes(edge, around, leaves[own], own.nonzero()[:, 0])


def _find_loops(octree: Octree, inside: Tensor, nodes: _Nodes) -> tuple[Tensor, Tensor]:
    """The vertex [S] of each node, and the leaf [V] of each vertex."""
    face, sides, leaves = _crossed_faces(octree, inside)
    crossing = torch.full((len(octree.edges.axis),), -1)
    crossing[nodes.edge] = torch.arange(len(nodes.edge))
    crossings = crossing[sides]  # [F, 4], -1 where a side is not crossed

    def node(crossings: Tensor, leaf: Tensor) -> Tensor:
        where = (octree.edges.leaves[nodes.edge[crossings]] == leaf[:, None]).long().argmax(1)
        return nodes.around[crossings, where]

    # Faces with two crossed sides have one segment, those with four have two.
    count = (crossings >= 0).sum(1)
    simple = crossings[count == 2].sort(1).values[:, 2:]
    ends = [torch.stack([node(simple[:, k], leaves[count == 2, s]) for k in (0, 1)], -1) for s in (0, 1)]
    double = (count == 4).nonzero()[:, 0]
    ambiguous = torch.stack(
        [torch.stack([node(crossings[double, k], leaves[double, s]) for k in range(4)], -1) for s in (0, 1)], 1
    )  # [D, leaf, side] nodes
    cut = (~inside[octree.faces.corners[face[double], 0]]).long()  # the first of the two corners that are cut off
    while True:
        segments = _cut_corners(ambiguous, cut)  # [D, leaf, segment, end]
        loop = _components(len(nodes.leaf), torch.cat([*ends, segments.reshape(-1, 2)]))
        joined = (loop[segments[..., 0, 0]] == loop[segments[..., 1, 0]]).all(1).nonzero()[:, 0]
        if len(joined) == 0:
            break
        cut[joined[_apart(leaves[double[joined]], len(octree.sizes))]] ^= 1
    # Vertices in the order of their leaves.
    first = torch.full((int(loop.max()) + 1 if len(loop) else 0,), 0).index_copy(0, loop, nodes.leaf)
    order = first.argsort(stable=True)
    rank = torch.empty_like(order).index_copy(0, order, torch.arange(len(order)))
    return rank[loop], first[order]


def _crossed_faces(octree: Octree, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Faces [F] with crossed sides, the minimal edge on each side that could be crossed [F, 4], and their leaves."""
    faces, edges = octree.faces, octree.edges
    signs = inside[faces.corners]
    face = (signs.any(1) & ~signs.all(1)).nonzero()[:, 0]
    sides = faces.sides[face]
    while (edges.middle[sides] >= 0).any():
        low, middle = edges.ends[sides, 0], edges.middle[sides]
        in_low = inside[low] != inside[middle.clamp_min(0)]
        part = torch.where(in_low, edges.halves[sides, 0], edges.halves[sides, 1])
        sides = torch.where(middle >= 0, part, sides)
    return face, sides, faces.leaves[face]


def _cut_corners(ambiguous: Tensor, cut: Tensor) -> Tensor:
    """[D, leaf, segment, end]: round corner k the segment from side k - 1 to side k; cut: 0 or 1, the first such k."""
    around = torch.tensor([[[3, 0], [1, 2]], [[0, 1], [2, 3]]])[cut]  # [D, segment, end]
    return ambiguous[:, :, None].expand(-1, -1, 2, -1).gather(3, around[:, None].expand(-1, 2, -1, -1))


def _components(count: int, pairs: Tensor) -> Tensor:
    if count == 0:
        return torch.zeros(0, dtype=torch.int64)
    rows, columns = pairs.numpy().T
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()


def _apart(pairs: Tensor, leaves: int) -> Tensor:
    """Which of the faces between pairs of leaves [D, 2] are the first of both: no two have a leaf in common."""
    number = torch.arange(len(pairs))
    first = torch.full((leaves,), len(pairs)).scatter_reduce(0, pairs.reshape(-1), number.repeat_interleave(2), "amin")
    return (first[pairs] == number[:, None]).all(1)


def _place(
    octree: Octree,
    values: Tensor,
    nodes: _Nodes,
    vertex: Tensor,
    count: int,
    alphas: Tensor | None,
    betas: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Vertices [V, 3], and deviations [S] of their crossings."""
    edge, leaf = nodes.edge[nodes.crossing], nodes.leaf
    ends = octree.edges.ends[edge]
    value = values[ends]
    local = (octree.vertices[ends] - octree.corners[leaf][:, None]).to(values) / octree.sizes[leaf][:, None, None]
    scaled = value if alphas is None else value * _between_corners(alphas[leaf], local)
    beta = torch.ones_like(value[:, 0])
    if betas is not None:
        beta = _between_edges(betas[leaf], local[:, 0], octree.edges.axis[edge])
    low, high = octree.points().to(values)[ends].unbind(1)
    weight = beta / _sum(vertex, beta, count)[vertex]
    crossing = low + _zero(scaled)[:, None] * (high - low)
    vertices = _sum(vertex, weight[:, None] * crossing, count)
    plain = low + _zero(value)[:, None] * (high - low)
    distance = (vertices[vertex] - plain).norm(dim=-1)
    mean = _sum(vertex, distance, count) / _sum(vertex, torch.ones_like(distance), count)
    return vertices, (distance - mean[vertex]).abs()


def _between_corners(weights: Tensor, local: Tensor) -> Tensor:
    """Weights [S, 8] of corners at points [S, E, 3] of unit cubes, trilinear: [S, E]."""
    between = weights[:, None]
    for axis in (2, 1, 0):
        low, high = between.chunk(2, -1)
        share = local[..., axis, None]
        between = low * (1 - share) + high * share
    return between[..., 0]


def _between_edges(weights: Tensor, local: Tensor, axis: Tensor) -> Tensor:
    """Weights [S, 12] of edges, for lines along an axis [S] through points [S, 3] of unit cubes, bilinear: [S]."""
    u, v = (local.gather(1, ((axis + k) % 3)[:, None])[:, 0] for k in (1, 2))
    along = weights.reshape(-1, 3, 4).gather(1, axis[:, None, None].expand(-1, 1, 4))[:, 0]
    return (1 - v) * ((1 - u) * along[:, 0] + u * along[:, 1]) + v * ((1 - u) * along[:, 2] + u * along[:, 3])


def _zero(ends: Tensor) -> Tensor:
    """Where between 0 and 1 a linear function with the values [S, 2] at its ends is zero."""
    span = ends[:, 0] - ends[:, 1]
    return torch.where(span == 0, 0.5, ends[:, 0] / torch.where(span == 0, 1.0, span))


def _sum(group: Tensor, values: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add(0, group, values)


def _cut(vertices: Tensor, polygons: Tensor, gammas: Tensor | None, centers: bool) -> tuple[Tensor, Tensor]:
    """Vertices with the quads' centers behind if wanted, and triangles [F, 3] of polygons [C, 4]; triangles among these
    have a vertex twice."""
    twice = polygons == polygons.roll(-1, 1)
    triangle = twice.any(1)
    # A triangle begins behind the second of its equal vertices.
    start = (twice[triangle].long().argmax(1)[:, None] + torch.arange(1, 4)) % 4
    triangles, quads = polygons[triangle].gather(1, start), polygons[~triangle]
    corner = vertices[quads]
    gamma = torch.ones_like(corner[..., 0]) if gammas is None else gammas[quads]
    even, odd = gamma[:, 0] * gamma[:, 2], gamma[:, 1] * gamma[:, 3]
    if centers:
        share = (even / (even + odd))[:, None]
        middle = (share * (corner[:, 0] + corner[:, 2]) + (1 - share) * (corner[:, 1] + corner[:, 3])) / 2
        center = (len(vertices) + torch.arange(len(quads)))[:, None]
        parts = [torch.cat([quads[:, [k, (k + 1) % 4]], center], 1) for k in range(4)]
        return torch.cat([vertices, middle]), torch.cat([triangles, torch.stack(parts, 1).reshape(-1, 3)])
    with torch.no_grad():
        lengths = [(corner[:, k] - corner[:, k + 2]).norm(dim=-1) for k in (0, 1)]
        along_even = (even > odd) | ((even == odd) & (lengths[0] <= lengths[1]))
        turned = torch.where(along_even[:, None], quads, quads.roll(-1, 1))
    return vertices, torch.cat([triangles, turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)])
