"""The inside of a surface as tetrahedra whose outer faces are the surface's triangles.

FlexiCubes (arXiv 2308.05371), section 4.4: vertices of the surface, inner grid vertices and the centers of cells that
lie wholly inside. What differs: which of a cell's vertices stands for it at one of its faces is derived, not tabulated,
and no gaps are left.

Round a crossed grid edge, every triangle of its quad makes a tetrahedron with the end inside. Round an edge with both
ends inside, (a, b, w, w') does for neighboring cells that share a face, w and w' standing for the cells there: the
vertex of the one loop that crosses the face, or else any vertex of the cell, or its center. Where two faces of one cell
at the edge have different ones, these two and the edge make one more. Where both cells at an ambiguous face part the
outside corners, the inside passes through the face: four tetrahedra lie round the diagonal between its inside corners.
"""

import torch
from torch import Tensor

from splatkit.isosurface.surface import Surface
from splatkit.ops import native
from splatkit.ops.isosurface import surface_crossings


def fill_tetrahedra(surface: Surface, points: Tensor) -> tuple[Tensor, Tensor]:
    """Tetrahedra of the inside of a closed surface of one field.

    Args:
        surface: closed, in either form.
        points: [X + 1, Y + 1, Z + 1, 3] positions of the grid vertices, those of active cells deformed as the surface's
            own, such as `FlexiCubes.moved_points`.

    Returns:
        Vertices [V', 3], the surface's first, and tetrahedra [T, 4] int64 with positive volumes where the surface does
        not fold: det(v1 - v0, v2 - v0, v3 - v0) > 0.

    Raises:
        ValueError: where the surface is open or of several fields.
    """
    topology = surface.topology
    if len(topology.field_quads) != 2 or bool((topology.crossing_quads < 0).any()):
        raise ValueError("surface: expected a closed one of a single field; an open one has no inside")
    cells = _Cells(surface, points.shape[:3])
    vertices, tetrahedra = [surface.vertices], [cells.at_crossed_edges()]
    start = len(surface.vertices)
    vertices.append(points.reshape(-1, 3)[cells.inner_vertices].to(surface.vertices))
    vertices.append(cells.centers(points).to(surface.vertices))
    tetrahedra += [*(cells.at_inner_edges(axis) for axis in range(3)), cells.at_joined_faces()]
    numbered = torch.cat(tetrahedra)
    return torch.cat(vertices), cells.numbered(numbered, start)


class _Cells:
    """The padded lattice of cells, looked up by place. Vertices of three kinds are told apart by offsets until the end.

    Surface vertices count from 0, inner grid vertices from `grid` and centers from `center`, by their place.
    """

    def __init__(self, surface: Surface, size: torch.Size) -> None:
        topology = surface.topology
        self.surface, self.device = surface, topology.cases.device
        self.size = torch.tensor(size, device=self.device)
        self.padded = tuple(int(n) + 1 for n in size)  # cells, with one more layer on each side
        corners = topology.corners.long()
        first = (corners >= 0).long().argmax(1)  # the first corner that exists
        row = corners.gather(1, first[:, None])[:, 0]
        offset = first[:, None] >> torch.arange(3, device=self.device) & 1
        self.places = topology.coordinates.long()[row] - offset + 1  # [A, 3] in the padded lattice
        self.active = torch.full(self.padded, -1, device=self.device)
        self.active[tuple(self.places.unbind(-1))] = torch.arange(len(corners), device=self.device)
        self.inside = self._inside(surface, corners)
        self.inner_vertices = self.inside.reshape(-1).nonzero()[:, 0]
        self.grid = 1 << 40
        self.center = 2 << 40

    def _inside(self, surface: Surface, corners: Tensor) -> Tensor:
        """[X + 1, Y + 1, Z + 1] whether grid vertices lie inside: known at active cells, and carried along z beyond."""
        topology = surface.topology
        inside = torch.zeros(tuple(self.size.tolist()), dtype=torch.int8, device=self.device)
        known = torch.zeros_like(inside)
        places = tuple(topology.coordinates.long().unbind(-1))
        inside[places] = (surface.values < 0).to(torch.int8)
        known[places] = 1
        # A vertex off all active cells has the sign of its neighbor: the last known one below it.
        index = torch.where(known > 0, torch.arange(inside.shape[2], device=self.device), 0).cummax(2).values
        return (inside.gather(2, index) > 0) & (known.cumsum(2) > 0)

    def at_crossed_edges(self) -> Tensor:
        """[T, 4] a triangle of the surface and the inner end of its quad's edge."""
        topology, faces = self.surface.topology, self.surface.faces
        per_quad = len(faces) // max(len(topology.quads), 1)
        quad = torch.arange(len(faces), device=self.device) // max(per_quad, 1)
        inner = torch.full((len(topology.quads),), -1, device=self.device)
        ends = surface_crossings(topology).ends
        rows = torch.where(self.surface.values[ends[:, 0]] < 0, ends[:, 0], ends[:, 1])
        inner[topology.crossing_quads.long() // 4] = topology.grid_vertices[rows]
        return torch.cat([faces.flip(1), (self.grid + inner[quad])[:, None]], 1)

    def at_inner_edges(self, axis: int) -> Tensor:
        """[T, 4] round grid edges along an axis with both ends inside."""
        u, v = (axis + 1) % 3, (axis + 2) % 3
        count = self.inside.shape[axis] - 1
        both = self.inside.narrow(axis, 0, count) & self.inside.narrow(axis, 1, count)
        low = both.nonzero()  # [E, 3] of grid vertices
        step = torch.zeros(3, dtype=torch.int64, device=self.device)
        step[axis] = 1
        ends = self.grid + torch.stack([self._vertex(low), self._vertex(low + step)], -1)
        parts = []
        # Counter-clockwise round the axis: cells low-low, high-low, high-high, low-high in u and v. Each pair of
        # neighbors shares a face: 2 axis + side of either.
        around = [(0, 0), (1, 0), (1, 1), (0, 1)]
        shared = [(2 * u + 1, 2 * u), (2 * v + 1, 2 * v), (2 * u, 2 * u + 1), (2 * v, 2 * v + 1)]
        stands: list[tuple[Tensor, Tensor]] = []
        for k, (in_u, in_v) in enumerate(around):
            place = low.clone()  # of the cell in the padded lattice: the low-low one of vertex p lies at p - 1 + 1
            place[:, axis] += 1
            place[:, u] += in_u
            place[:, v] += in_v
            before, behind = shared[k - 1][1], shared[k][0]
            stands.append((self._stand_in(place, before), self._stand_in(place, behind)))
        for k in range(4):
            first, second = stands[k][1], stands[(k + 1) % 4][0]
            parts.append(torch.stack([ends[:, 0], ends[:, 1], first, second], -1))
            parts.append(torch.stack([ends[:, 0], ends[:, 1], *stands[k]], -1)[stands[k][0] != stands[k][1]])
        return torch.cat(parts)

    def at_joined_faces(self) -> Tensor:
        """[T, 4] round the diagonals of ambiguous faces whose inside corners are joined: rare, so one by one."""
        topology = self.surface.topology
        corners = topology.corners.long()
        inside = (corners >= 0) & (self.surface.values[corners.clamp_min(0)] < 0)
        signs = (inside.long() << torch.arange(8, device=self.device)).sum(1)
        complemented = (signs != topology.cases.long()).nonzero()[:, 0].tolist()
        found = []
        for cell in complemented:
            axis, side = divmod(native().surface_case(int(signs[cell]))[1], 2)
            if side == 0:
                continue  # the cell below the face does it
            place = self.places[cell].clone()
            place[axis] += 1
            found += self._round_diagonal(cell, int(self.active[tuple(place.tolist())]), axis, int(signs[cell]))
        return torch.tensor(found, dtype=torch.int64, device=self.device).reshape(-1, 4)

    def _round_diagonal(self, low: int, high: int, axis: int, signs: int) -> list[list[int]]:
        """The four tetrahedra between the cells below and above a face."""
        topology = self.surface.topology
        u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        face = [1 << axis, 1 << axis | u, 1 << axis | u | v, 1 << axis | v]  # counter-clockwise seen from above
        first = next(k for k in range(4) if not signs >> face[k] & 1)  # an outside corner; the next one is inside
        ends = [self.grid + int(topology.grid_vertices[topology.corners[low, face[(first + k) % 4]]]) for k in (1, 3)]
        ring = []
        for cell, shift in ((low, 0), (high, 1 << axis)):
            loops = native().surface_case(int(topology.cases[cell]))[0]
            for k in (0, 2):  # the vertices that cut off one outside corner and the other
                edge = _edge_between(face[(first + k) % 4] ^ shift, face[(first + k + 1) % 4] ^ shift)
                number = next(n for n, loop in enumerate(loops) if edge in loop)
                ring.append(int(topology.first_vertex[cell]) + number)
        ring = [ring[0], ring[2], ring[3], ring[1]]
        return [[*ends, ring[k], ring[(k + 1) % 4]] for k in range(4)]

    def _vertex(self, place: Tensor) -> Tensor:
        return (place[:, 0] * self.size[1] + place[:, 1]) * self.size[2] + place[:, 2]

    def _stand_in(self, place: Tensor, face: int) -> Tensor:
        """What stands for cells [E, 3] of the padded lattice at a face."""
        cell = self.active[tuple(place.unbind(-1))]
        number = (place[:, 0] * self.padded[1] + place[:, 1]) * self.padded[2] + place[:, 2]
        topology = self.surface.topology
        if len(topology.cases) == 0:
            return self.center + number
        some = cell.clamp_min(0)
        loop = _face_table().to(self.device)[topology.cases.long()[some], face]
        return torch.where(cell < 0, self.center + number, topology.first_vertex.long()[some] + loop)

    def centers(self, points: Tensor) -> Tensor:
        """[C, 3] of the cells that lie wholly inside, in the order of their places."""
        self.full = torch.zeros(self.padded, dtype=torch.bool, device=self.device)
        inner = self.inside
        sizes = [n - 1 for n in inner.shape]
        corners = [
            (slice(i, i + sizes[0]), slice(j, j + sizes[1]), slice(k, k + sizes[2]))
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
        full = torch.stack([inner[c] for c in corners]).all(0)
        self.full[1:-1, 1:-1, 1:-1] = full
        return torch.stack([points[c][full] for c in corners]).mean(0)

    def numbered(self, tetrahedra: Tensor, start: int) -> Tensor:
        """Vertices' numbers among all: the surface's, then inner grid vertices, then centers."""
        grid = torch.full((self.inside.numel(),), -1, device=self.device)
        grid[self.inner_vertices] = start + torch.arange(len(self.inner_vertices), device=self.device)
        full = self.full.reshape(-1).nonzero()[:, 0]
        center = torch.full((self.full.numel(),), -1, device=self.device)
        center[full] = start + len(self.inner_vertices) + torch.arange(len(full), device=self.device)
        is_center, is_grid = tetrahedra >= self.center, (tetrahedra >= self.grid) & (tetrahedra < self.center)
        numbers = torch.where(is_grid, grid[torch.where(is_grid, tetrahedra - self.grid, 0)], tetrahedra)
        return torch.where(is_center, center[torch.where(is_center, tetrahedra - self.center, 0)], numbers)


def _face_table() -> Tensor:
    """[256, 6] the loop that crosses each face of a case; the first where none or two do."""
    table = torch.zeros(256, 6, dtype=torch.int64)
    for case in range(256):
        for number, loop in enumerate(native().surface_case(case)[0]):
            for face in range(6):
                axis, side = divmod(face, 2)
                on_face = [e for e in loop if e // 4 != axis and _offset(e, axis) == side]
                if on_face:
                    table[case, face] = number
    return table


def _edge_between(a: int, b: int) -> int:
    """The edge between two neighboring corners of a cell."""
    axis, low = (a ^ b).bit_length() - 1, a & b
    return 4 * axis + (low >> (axis + 1) % 3 & 1) + 2 * (low >> (axis + 2) % 3 & 1)


def _offset(edge: int, axis: int) -> int:
    """Where along an axis an edge lies that does not run along it."""
    return edge & 1 if (edge // 4 + 1) % 3 == axis else edge >> 1 & 1
