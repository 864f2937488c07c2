"""FlexiCubes by its definition: a dual surface of a scalar field whose vertices are moved by weights.

FlexiCubes (arXiv 2308.05371, section 4): every loop of a cell's crossed edges holds one vertex, the mean of the edges'
crossings weighted by beta; a crossing lies where the field, scaled at both corners by alpha, would be zero; every
crossed edge of the grid has a quad between its four cells, triangulated round a center weighted by gamma.

What is ours: beyond the grid the field counts as plus infinity, so that the surface closes exactly on the border and
never leaves the grid; a crossing there falls on the inside corner. The table of loops is derived (`case_table`).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.reference.case_table import CASES, edge_corners

_OFFSETS = tuple((corner & 1, corner >> 1 & 1, corner >> 2 & 1) for corner in range(8))


class Crossing(NamedTuple):
    """An edge of a cell that its surface crosses, as a part of one vertex."""

    cell: int  # number of the active cell
    vertex: int  # number of the surface's vertex
    edge: int  # of the cell


class Topology(NamedTuple):
    """What of a surface depends on the signs of its field alone. A active cells, B grid vertices at their corners."""

    cells: list[tuple[int, int, int]]  # [A] coordinates, by x, y, z; -1 or the resolution where beyond the grid
    cases: list[int]  # [A] after the resolution of problem faces
    grid_vertices: list[tuple[int, int, int]]  # [B] coordinates, by x, y, z
    corners: list[list[int]]  # [A, 8] grid vertices; -1 beyond the grid
    crossings: list[Crossing]  # cell by cell, loop by loop
    vertex_count: int
    quads: list[list[int]]  # [Q, 4] vertices, counter-clockwise seen from outside


def find_topology(field: Tensor, closed: bool = True) -> Topology:
    """Cells that the surface passes, and how its vertices are joined.

    Args:
        field: [X + 1, Y + 1, Z + 1], inside where negative.
        closed: whether the surface closes on the border of the grid; otherwise it ends there.
    """
    inside = {tuple(index) for index in (field < 0).nonzero().tolist()}
    size = field.shape
    low, high = (-1, 0) if closed else (0, -1)

    def case_at(cell: tuple[int, ...]) -> int:
        if not all(low <= cell[i] < size[i] + high for i in range(3)):
            return 0
        return sum(1 << c for c, corner in enumerate(_OFFSETS) if _plus(cell, corner) in inside)

    cells, cases = [], []
    for x in range(low, size[0] + high):
        for y in range(low, size[1] + high):
            for z in range(low, size[2] + high):
                case = case_at((x, y, z))
                if case in (0, 255):
                    continue
                face = CASES[case].problem_face
                if face >= 0:
                    step = [0, 0, 0]
                    step[face // 2] = 2 * (face % 2) - 1
                    if CASES[case_at(_plus((x, y, z), step))].problem_face >= 0:
                        case = 255 - case
                cells.append((x, y, z))
                cases.append(case)
    present = [(i, _plus(cell, corner)) for i, cell in enumerate(cells) for corner in _OFFSETS]
    within = [all(0 <= p[i] < size[i] for i in range(3)) for _, p in present]
    grid_vertices = sorted({p for (_, p), is_real in zip(present, within, strict=True) if is_real})
    row_of = {place: row for row, place in enumerate(grid_vertices)}
    corners = [[row_of.get(_plus(cell, corner), -1) for corner in _OFFSETS] for cell in cells]
    crossings, count = [], 0
    for number, case in enumerate(cases):
        for loop in CASES[case].loops:
            crossings += [Crossing(number, count, edge) for edge in loop]
            count += 1
    quads = _find_quads(cells, cases, crossings, inside)
    return Topology(cells, cases, grid_vertices, corners, crossings, count, quads)


def _plus(a: tuple[int, ...], b: tuple[int, ...] | list[int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _find_quads(
    cells: list[tuple[int, int, int]], cases: list[int], crossings: list[Crossing], inside: set[tuple[int, ...]]
) -> list[list[int]]:
    """One for each crossed edge that four cells share, by the edge's lower end, then its axis."""
    # Where an edge lies: its lower end and axis -> around it, (edge of the cell, vertex).
    around: dict[tuple[tuple[int, int, int], int], dict[int, int]] = {}
    for crossing in crossings:
        axis, place = divmod(crossing.edge, 4)
        low = _plus(cells[crossing.cell], _OFFSETS[edge_corners(crossing.edge)[0]])
        around.setdefault((low, axis), {})[place] = crossing.vertex
    quads = []
    for low, axis in sorted(around):
        vertices = around[low, axis]
        if len(vertices) == 4:
            order = (3, 2, 0, 1) if low in inside else (3, 1, 0, 2)  # the cells counter-clockwise round the axis
            quads.append([vertices[place] for place in order])
    return quads


def find_vertices(
    topology: Topology, values: Tensor, points: Tensor, alphas: Tensor | None = None, betas: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Vertices of the surface and how far their crossings are from lying on a sphere round them.

    Args:
        topology: from `find_topology`.
        values: [B] of the field, at the active cells' corners.
        points: [B, 3 + F] positions of these corners, and features that vertices take over by the same weights.
        alphas: [A, 8] > 0, of each cell's corners; None: 1.
        betas: [A, 12] > 0, of each cell's edges; None: 1.

    Returns:
        Vertices [V, 3 + F], and for each crossing |d - mean(d)| [S], d: the distance between vertex and the crossing
        without alphas, its mean over the vertex (L_dev of the paper is the mean of all).
    """
    crossings = torch.tensor(topology.crossings, dtype=torch.int64).reshape(-1, 3)
    cell, vertex, edge = crossings.unbind(-1)
    ends = torch.tensor([edge_corners(e) for e in range(12)])[edge]  # [S, 2]
    corners = torch.tensor(topology.corners, dtype=torch.int64).reshape(-1, 8)
    rows = corners[cell[:, None], ends]  # [S, 2]
    rows = torch.where(rows < 0, rows.flip(-1), rows)  # beyond the grid: the inside corner twice
    at_border = rows[:, 0] == rows[:, 1]
    s = values[rows]
    # Any two values of opposite sign do at the border, where both ends are one point.
    s = torch.where(at_border[:, None], s.new_tensor([-1.0, 1.0]), s)
    scaled = s if alphas is None else s * torch.where(at_border[:, None], 1.0, alphas[cell[:, None], ends])
    beta = torch.ones_like(s[:, 0]) if betas is None else betas[cell, edge]
    low, high = points[rows].unbind(1)
    weight = beta / _sum_by(vertex, beta, topology.vertex_count)[vertex]
    crossing = low + _zero_of(scaled)[:, None] * (high - low)
    vertices = _sum_by(vertex, weight[:, None] * crossing, topology.vertex_count)
    plain = low[:, :3] + _zero_of(s)[:, None] * (high - low)[:, :3]
    distance = (vertices[vertex, :3] - plain).norm(dim=-1)
    sizes = _sum_by(vertex, torch.ones_like(distance), topology.vertex_count)
    mean = _sum_by(vertex, distance, topology.vertex_count) / sizes
    return vertices, (distance - mean[vertex]).abs()


def _zero_of(ends: Tensor) -> Tensor:
    """Where between 0 and 1 a linear function with the values [..., 2] at the ends is zero."""
    return ends[..., 0] / (ends[..., 0] - ends[..., 1])


def _sum_by(group: Tensor, values: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add(0, group, values)


def find_centers(topology: Topology, vertices: Tensor, gammas: Tensor | None = None) -> Tensor:
    """Centers of the quads [Q, 3 + F]: between the middles of both diagonals, by the products of gammas at their ends.

    Args:
        topology: from `find_topology`.
        vertices: [V, 3 + F].
        gammas: [A] > 0, of each cell; None: equal ones.
    """
    quads = torch.tensor(topology.quads, dtype=torch.int64).reshape(-1, 4)
    cell_of = torch.zeros(topology.vertex_count, dtype=torch.int64)
    for crossing in topology.crossings:
        cell_of[crossing.vertex] = crossing.cell
    gamma = torch.ones_like(vertices[:, 0]) if gammas is None else gammas[cell_of]
    g, v = gamma[quads], vertices[quads]
    even, odd = g[:, 0] * g[:, 2], g[:, 1] * g[:, 3]
    share = (even / (even + odd))[:, None]
    return share * (v[:, 0] + v[:, 2]) / 2 + (1 - share) * (v[:, 1] + v[:, 3]) / 2
