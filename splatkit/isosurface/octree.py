"""Octrees whose leaves carry a surface: fine cells where it has detail, coarse ones elsewhere.

Leaves of any sizes may meet. Where they do, corners of one divide an edge or a face of the other; edges and faces that
nothing divides are minimal. A surface crosses minimal edges, and its course on a minimal face is one for the leaves on
both sides: so it has no cracks (`octree_surface`).

The sign constraint of FlexiCubes (arXiv 2308.05371, section 4.6): a vertex that divides an edge or a face has the mean
of its ends or corners in place of a value of its own. So an edge is crossed once or never, whichever leaf looks at it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.memory import require_memory

_MAX_RESOLUTION = 1 << 17  # finest cells along an axis: place, axis and size of an edge fit a key of 63 bits
_STRIDE = _MAX_RESOLUTION + 1
_CORNERS = torch.tensor([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)])
_LEAF_BYTES = 3500  # of memory while an octree is made; measured
_UNIT = torch.eye(3, dtype=torch.int64)

Wanted = Callable[[Tensor, Tensor], Tensor]
"""Low and high corners of cells, [M, 3] float64 each -> [M] bool: which of them to divide."""


class Edges(NamedTuple):
    """Edges of leaves, and the parts into which others divide them."""

    ends: Tensor  # [E, 2] vertices, low and high
    axis: Tensor  # [E]
    middle: Tensor  # [E] vertex that divides it; -1: the edge is minimal
    halves: Tensor  # [E, 2] edges, low and high; -1
    leaves: Tensor  # [E, 4] round a minimal edge, counter-clockwise about the axis from low-low on; -1 beyond the box


class Faces(NamedTuple):
    """Minimal faces between two leaves."""

    corners: Tensor  # [F, 4] vertices in cyclic order
    sides: Tensor  # [F, 4] edges, from each corner to the next
    leaves: Tensor  # [F, 2]


class Octree:
    """Leaves that fill a box, and how their corners, edges and faces lie; on the CPU. Made by `Octree.divide`.

    Lengths and places are in units of the finest cell. L leaves, V vertices: the corners of leaves.

    Args:
        corners: [L, 3] int64 low corners of the leaves.
        sizes: [L] int64, powers of two.
        resolution: finest cells along each axis.
        low: corner of the box.
        high: corner of the box.
    """

    def __init__(
        self, corners: Tensor, sizes: Tensor, resolution: int, low: Sequence[float], high: Sequence[float]
    ) -> None:
        order = _keys(corners).argsort()
        self.corners, self.sizes, self.resolution = corners[order], sizes[order], resolution
        self.low, self.high = (torch.tensor(list(corner), dtype=torch.float64) for corner in (low, high))
        self._levels = sorted(set(sizes.tolist()), reverse=True)
        self._leaf_rows = {size: (self.sizes == size).nonzero()[:, 0] for size in self._levels}
        self._leaf_keys = {size: _keys(self.corners[rows]) for size, rows in self._leaf_rows.items()}
        places = (self.corners[:, None] + _CORNERS * self.sizes[:, None, None]).reshape(-1, 3)
        self._vertex_keys, found = torch.unique(_keys(places), return_inverse=True)
        self.leaf_vertices = found.reshape(-1, 8)  # [L, 8]
        self.vertices = places.new_zeros(len(self._vertex_keys), 3).index_copy(0, found, places)  # [V, 3]
        self.on_border = ((self.vertices == 0) | (self.vertices == resolution)).any(1)  # [V]
        self._means: list[tuple[Tensor, Tensor]] = []  # dividing vertices and what they are means of
        self.edges, self.faces = self._divide_edges_and_faces()

    @classmethod
    def divide(
        cls,
        resolution: int,
        levels: int,
        wanted: Wanted,
        low: Sequence[float] = (-1.0, -1.0, -1.0),
        high: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> "Octree":
        """Divide a grid's cells where that is wanted, and their parts again.

        Args:
            resolution: cells along each axis to begin with.
            levels: how often a cell can be divided, at least 0.
            wanted: which cells to divide.
            low: corner of the box.
            high: corner of the box, larger along every axis.

        Raises:
            ValueError: where an argument is out of its range.
            MemoryError: where the octree would not fit.
        """
        if resolution < 1 or levels < 0 or resolution << levels > _MAX_RESOLUTION:
            raise ValueError(
                f"resolution, levels: expected at least 1 and 0, and at most {_MAX_RESOLUTION} finest cells along an"
                f" axis, got {resolution}, {levels}"
            )
        box = torch.tensor([list(low), list(high)], dtype=torch.float64)
        if box.shape != (2, 3) or not torch.isfinite(box).all() or not (box[1] > box[0]).all():
            raise ValueError(f"low, high: expected corners of a box, low below high, got {list(low)} and {list(high)}")
        require_memory("the octree", _LEAF_BYTES * resolution**3, "begin with fewer cells")
        step = (box[1] - box[0]) / (resolution << levels)
        axis = torch.arange(resolution) << levels
        cells = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        corners, sizes = [], []
        for level in range(levels, -1, -1):
            size = 1 << level
            more = torch.zeros(len(cells), dtype=torch.bool)
            if level > 0 and len(cells) > 0:
                more = wanted(box[0] + cells * step, box[0] + (cells + size) * step)
                if more.shape != (len(cells),) or more.dtype != torch.bool:
                    raise ValueError(f"wanted: expected [{len(cells)}] bool, got {list(more.shape)} {more.dtype}")
            corners.append(cells[~more])
            sizes.append(torch.full((len(corners[-1]),), size))
            leaves = sum(map(len, corners)) + 8 * int(more.sum())
            require_memory("the octree", _LEAF_BYTES * leaves, "divide fewer cells")
            cells = (cells[more][:, None] + _CORNERS * (size // 2)).reshape(-1, 3)
        return cls(torch.cat(corners), torch.cat(sizes), resolution << levels, low, high)

    def points(self) -> Tensor:
        """[V, 3] float64 positions of the vertices."""
        return self.low + self.vertices * ((self.high - self.low) / self.resolution)

    def constrain(self, values: Tensor) -> Tensor:
        """Values [V] with those of dividing vertices replaced by means, from the largest edges and faces on."""
        for vertices, sources in self._means:
            values = values.index_put((vertices,), values[sources].mean(1))
        return values

    def leaf_at(self, cells: Tensor) -> Tensor:
        """Leaves [M] that hold cells [M, 3] of the finest grid; -1 beyond the box."""
        found = torch.full((len(cells),), -1)
        within = ((cells >= 0) & (cells < self.resolution)).all(1)
        for size in self._levels:
            at = _find(self._leaf_keys[size], _keys(cells // size * size))
            hit = (at >= 0) & within
            found[hit] = self._leaf_rows[size][at[hit]]
        return found

    def _vertex_at(self, places: Tensor) -> Tensor:
        """Vertices at places [..., 3]; -1 where there is none."""
        return _find(self._vertex_keys, _keys(places))

    def _divide_edges_and_faces(self) -> tuple[Edges, Faces]:
        """Collect edges and faces from the largest on: those of leaves, and the parts of larger ones."""
        parts = _Lines(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        sub_faces = parts
        edges: list[tuple[_Lines, int, Tensor]] = []
        faces: list[tuple[_Lines, int]] = []
        size = self._levels[0]
        while size > 0:
            corners, half = self.corners[self.sizes == size], size // 2
            here = _unique([*_leaf_edges(corners, size), parts])
            middle = self._vertex_at(here.place + half * here.along) if half > 0 else torch.full_like(here.axis, -1)
            edges.append((here, size, middle))
            divided = middle >= 0
            ends = torch.stack([self._vertex_at(here.place), self._vertex_at(here.place + size * here.along)], -1)
            self._means.append((middle[divided], ends[divided]))
            halves = _Lines(here.place[divided], here.axis[divided]).halves(half)
            here = _unique([*_leaf_faces(corners, size), sub_faces])
            center = self._vertex_at(here.center(half)) if half > 0 else torch.full_like(here.axis, -1)
            divided = center >= 0
            faces.append((_Lines(here.place[~divided], here.axis[~divided]), size))
            here = _Lines(here.place[divided], here.axis[divided])
            self._means.append((center[divided], self._vertex_at(here.square(size))))
            crosses, sub_faces = here.quarters(half)
            parts = _unique([*halves, *crosses])
            size = half
        return self._finish(edges, faces)

    def _finish(
        self, edges: list[tuple["_Lines", int, Tensor]], faces: list[tuple["_Lines", int]]
    ) -> tuple[Edges, Faces]:
        """Number the edges, and see what lies round them and round minimal faces."""
        keys = torch.cat([lines.keys(size) for lines, size, _ in edges])
        keys, order = keys.sort()

        def number(lines: _Lines, size: int) -> Tensor:
            return _find(keys, lines.keys(size))

        ends, halves, leaves = [], [], []
        for lines, size, middle in edges:
            tips = torch.stack([lines.place, lines.place + size * lines.along], 1)
            ends.append(self._vertex_at(tips))
            low, high = (number(part, size // 2) for part in lines.halves(size // 2))
            halves.append(torch.where(middle[:, None] >= 0, torch.stack([low, high], -1), -1))
            around = [lines.place - down_u * lines.u - down_v * lines.v for down_u, down_v in _ROUND]
            leaves.append(torch.stack([self.leaf_at(cells) for cells in around], -1))
        found = Edges(
            torch.cat(ends)[order],
            torch.cat([lines.axis for lines, _, _ in edges])[order],
            torch.cat([middle for _, _, middle in edges])[order],
            torch.cat(halves)[order],
            torch.cat(leaves)[order],
        )
        corners, sides, pairs = [], [], []
        for lines, size in faces:
            corners.append(self._vertex_at(lines.square(size)))
            sides.append(torch.stack([number(side, size) for side in lines.square_sides(size)], -1))
            pairs.append(torch.stack([self.leaf_at(lines.place - lines.along), self.leaf_at(lines.place)], -1))
        inner = (torch.cat(pairs) >= 0).all(1)
        return found, Faces(torch.cat(corners)[inner], torch.cat(sides)[inner], torch.cat(pairs)[inner])


_ROUND = ((1, 1), (0, 1), (0, 0), (1, 0))  # cells round an edge, counter-clockwise: steps down along u and v


class _Lines(NamedTuple):
    """Edges along an axis, or faces across it, of one size; u and v are the axes after it."""

    place: Tensor  # [M, 3] low corner
    axis: Tensor  # [M]

    @property
    def along(self) -> Tensor:
        return _UNIT[self.axis]

    @property
    def u(self) -> Tensor:
        return _UNIT[(self.axis + 1) % 3]

    @property
    def v(self) -> Tensor:
        return _UNIT[(self.axis + 2) % 3]

    def keys(self, size: int) -> Tensor:
        """Of edges or faces of any size."""
        return (_keys(self.place) * 3 + self.axis) * 20 + size.bit_length()

    def halves(self, half: int) -> list["_Lines"]:
        """Of edges: the low ones, then the high ones."""
        return [self, _Lines(self.place + half * self.along, self.axis)]

    def center(self, half: int) -> Tensor:
        """[M, 3] of faces."""
        return self.place + half * (self.u + self.v)

    def square(self, size: int) -> Tensor:
        """[M, 4, 3] corners of faces in cyclic order."""
        u, v = size * self.u, size * self.v
        return torch.stack([self.place, self.place + u, self.place + u + v, self.place + v], 1)

    def square_sides(self, size: int) -> list["_Lines"]:
        """Sides of faces, from each corner to the next."""
        along_u, along_v = (self.axis + 1) % 3, (self.axis + 2) % 3
        up, right = self.place + size * self.v, self.place + size * self.u
        return [_Lines(self.place, along_u), _Lines(right, along_v), _Lines(up, along_u), _Lines(self.place, along_v)]

    def quarters(self, half: int) -> tuple[list["_Lines"], "_Lines"]:
        """Of faces: the edges of the cross that divides them, and the four parts."""
        u, v = half * self.u, half * self.v
        along_u, along_v = (self.axis + 1) % 3, (self.axis + 2) % 3
        cross = [_Lines(self.place + v + i * u, along_u) for i in (0, 1)]
        cross += [_Lines(self.place + u + i * v, along_v) for i in (0, 1)]
        places = [self.place + i * u + j * v for i in (0, 1) for j in (0, 1)]
        return cross, _Lines(torch.cat(places), self.axis.repeat(4))


def _leaf_edges(corners: Tensor, size: int) -> list[_Lines]:
    found = []
    for axis in range(3):
        lines = _Lines(corners, torch.full((len(corners),), axis))
        found += [_Lines(lines.place + size * (i * lines.u + j * lines.v), lines.axis) for i in (0, 1) for j in (0, 1)]
    return found


def _leaf_faces(corners: Tensor, size: int) -> list[_Lines]:
    found = []
    for axis in range(3):
        lines = _Lines(corners, torch.full((len(corners),), axis))
        found += lines.halves(size)  # the faces below and above
    return found


def _unique(lines: list[_Lines]) -> _Lines:
    """Each of the edges or faces once, all of one size."""
    place, axis = torch.cat([x.place for x in lines]), torch.cat([x.axis for x in lines])
    keys, found = torch.unique(_Lines(place, axis).keys(1), return_inverse=True)
    first = found.new_zeros(len(keys)).index_copy(0, found, torch.arange(len(found)))
    return _Lines(place[first], axis[first])


def _keys(places: Tensor) -> Tensor:
    """One number for each place [..., 3] within 0 to _MAX_RESOLUTION; others get some number of another place."""
    x, y, z = places.unbind(-1)
    return (x * _STRIDE + y) * _STRIDE + z


def _find(keys: Tensor, wanted: Tensor) -> Tensor:
    """Rows of ascending keys; -1 where there is none."""
    at = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return torch.where(keys[at] == wanted, at, -1)
