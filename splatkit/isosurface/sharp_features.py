"""Surfaces with sharp edges and corners from a field whose gradient is known, without optimization.

Vertices minimize the squared distances to the planes at their crossings (dual contouring of Hermite data, Ju et al.
2002; FlexiCubes, arXiv 2308.05371, section 4.3). They are held to their cells, so that the surface does not fold.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from splatkit.isosurface.flexicubes import Field, FlexiCubes
from splatkit.isosurface.surface import Surface
from splatkit.ops.isosurface import surface_crossings

_PULL = 1e-3  # toward the mean of the crossings, where planes leave a direction free

_REFINEMENTS = 8  # of crossings, where the field is a function


@torch.no_grad()
def extract_sharp(cubes: FlexiCubes, field: Field, gradient: Callable[[Tensor], Tensor]) -> Surface:
    """The final form of a field's surface, its vertices where the planes at their crossings meet. No gradients.

    Args:
        cubes: the grid; its weights play no part.
        field: as in `FlexiCubes.forward`.
        gradient: of the field at points [M, 3] -> [M, 3], of any length.
    """
    plain = (
        FlexiCubes(
            cubes.cells, cubes.low.tolist(), cubes.high.tolist(), weights=False, deform=False, closed=cubes.closed
        )
        .to(cubes.low.device)
        .eval()
    )
    surface = plain(field)
    topology = surface.topology
    vertex, ends = surface_crossings(topology)
    places = plain.low + topology.coordinates * plain.spacing
    low, high = places[ends].unbind(1)
    a, b = surface.values[ends].to(places).unbind(-1)
    crossing = _find_zeros(field if callable(field) else None, low, high, a, b)
    normal = torch.nn.functional.normalize(gradient(crossing).to(places), dim=-1)
    vertices = _meet(vertex, crossing, normal, surface.vertices)
    cells = _cell_boxes(vertex, low, plain.spacing, len(vertices))
    vertices = vertices.clamp(*cells)
    mean_normal = torch.nn.functional.normalize(torch.zeros_like(vertices).index_add(0, vertex, normal), dim=-1)
    return Surface(
        vertices, _cut(topology.quads.long(), mean_normal), None, surface.deviations, topology, surface.values, {}
    )


def _find_zeros(field: Callable[[Tensor], Tensor] | None, low: Tensor, high: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Zeros [S, 3] between points with values a and b of unlike signs; a function is asked for what lies between.

    Regula falsi in its Illinois form: an end that stays twice has its value halved.
    """
    stayed = torch.zeros_like(a)
    crossing = low
    for _ in range(_REFINEMENTS if field is not None else 1):
        share = torch.where(a != b, a / torch.where(a != b, a - b, 1.0), 0.0)[:, None]
        crossing = low + share * (high - low)
        if field is None:
            break
        value = field(crossing).to(a)
        same = (value < 0) == (a < 0)  # the low end moves
        b = torch.where(same & (stayed > 0), b / 2, b)
        a = torch.where(~same & (stayed < 0), a / 2, a)
        low, a = torch.where(same[:, None], crossing, low), torch.where(same, value, a)
        high, b = torch.where(same[:, None], high, crossing), torch.where(same, b, value)
        stayed = torch.where(same, 1.0, -1.0).to(a)
    return crossing


def _meet(vertex: Tensor, crossing: Tensor, normal: Tensor, start: Tensor) -> Tensor:
    """Where the planes of each vertex come closest to meeting, seen from its start."""
    away = (normal * (crossing - start[vertex])).sum(-1, keepdim=True)
    products = (normal[:, :, None] * normal[:, None, :]).double()
    matrix = _PULL * torch.eye(3, dtype=torch.float64, device=start.device).repeat(len(start), 1, 1)
    matrix.index_add_(0, vertex, products)
    right = torch.zeros(len(start), 3, dtype=torch.float64, device=start.device)
    right.index_add_(0, vertex, (away * normal).double())
    return start + torch.linalg.solve(matrix, right).to(start)


def _cell_boxes(vertex: Tensor, edge_starts: Tensor, spacing: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Corners [V, 3] of the least box that holds a vertex's edges, at most its cell."""
    index = vertex[:, None].expand(-1, 3)
    low = torch.full((count, 3), torch.inf).to(edge_starts).scatter_reduce(0, index, edge_starts, "amin")
    return low, low + spacing


def _cut(quads: Tensor, normals: Tensor) -> Tensor:
    """Triangles along the diagonal whose ends have the more alike normals: along a sharp edge, not across it."""
    n = normals[quads]
    even = (n[:, 0] * n[:, 2]).sum(-1) >= (n[:, 1] * n[:, 3]).sum(-1)
    turned = torch.where(even[:, None], quads, quads.roll(-1, 1))
    return turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
