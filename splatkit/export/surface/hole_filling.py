"""Where nothing was measured beside a surface: the fused field goes on, where no view looks through the place.

Depth is missing where photographs say nothing: in shadow, on dark or plain parts, between things that stand close. The
field goes on there as smoothly as it can: it is harmonic between the values that were observed (Davis et al., 3DPVT
2002, diffuse it instead), but for places that a view looked through, which are empty. Of the surface that comes about,
that part stays which explains pixels without depth of at least two views that face it.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import cg
from torch import Tensor
from torch.nn.functional import normalize

from splatkit.export.surface.field_grid import FieldGrid, seen_faces
from splatkit.export.surface.view_planes import PlaneViews, ViewPlanes
from splatkit.ops.isosurface import find_surface, surface_faces, surface_vertices

_SURFACE = 2.0  # cells from the surface within which its field is continued
_TOLERANCE, _ITERATIONS = 1e-3, 200  # of the harmonic field; its zeros are refined afterwards
_LEAST_COSINE = 0.2  # with a surface's normal, from which a view faces it


class Filled(NamedTuple):
    """What `fill_holes` did."""

    filled_vertices: int  # of the surface
    left_open: int  # vertices of the surface that too few views ask for


def fill_holes(grid: FieldGrid, planes: PlaneViews, truncation: float, width: int, min_views: int) -> Filled:
    """Continue the surface over its holes; the grid's values and what counts as observed are changed.

    Args:
        grid: fused.
        planes: of the views.
        truncation: how far behind a place a view must look to look through it, scene units.
        width: cells from where it ends up to which the surface is continued.
        min_views: that face what is filled and know no depth there.
    """
    unknown = _near_rims(grid, width)
    free, asked = _looked_at(grid, unknown, planes, truncation)
    values, observed = grid.values.view(-1), grid.observed.view(-1)
    values[unknown[free]] = truncation / grid.spacing
    observed[unknown[free]] = True
    wanted = unknown[asked & ~free]
    values[wanted] = _harmonic(grid, wanted)
    return _keep_what_views_face(grid, unknown[asked | free], planes, min_views)


def _near_rims(grid: FieldGrid, width: int) -> Tensor:
    """[U] numbers of unobserved vertices up to `width` steps from where the surface stops to be observed, ascending."""
    observed, values = grid.observed.view(-1), grid.values.view(-1)
    inner = torch.zeros_like(grid.observed)
    inner[1:-1, 1:-1, 1:-1] = True  # so that all neighbors are on the grid
    inner = inner.view(-1)
    front = (grid.observed.view(-1) & inner).nonzero()[:, 0]
    front = front[values[front].abs() <= _SURFACE]
    found = []
    reached = observed | ~inner
    for _ in range(width):
        front = torch.unique(torch.cat([front + step for step in _steps(grid)]))
        front = front[~reached[front]]
        reached[front] = True
        found.append(front)
    return torch.cat(found).sort().values


def _steps(grid: FieldGrid) -> list[int]:
    """Differences of the numbers of a vertex and its six neighbors."""
    _, height, depth = grid.values.shape
    return [height * depth, -height * depth, depth, -depth, 1, -1]


def _looked_at(grid: FieldGrid, numbers: Tensor, planes: PlaneViews, margin: float) -> tuple[Tensor, Tensor]:
    """[U] which vertices lie clearly before what a view sees at their pixel, and at whose pixel one knows nothing."""
    free, asked = (torch.zeros(len(numbers), dtype=torch.bool) for _ in range(2))
    points = grid.places(torch.stack(torch.unravel_index(numbers, grid.values.shape), -1))
    for view in planes:
        local, inside, depths = _pixels_of(points, view)
        free[inside] |= depths - local[inside, 2] > margin
        asked[inside] |= depths == 0
    return free, asked


def _pixels_of(points: Tensor, view: ViewPlanes) -> tuple[Tensor, Tensor, Tensor]:
    """Points [M, 3] in the camera's frame, numbers of those in the image [N], and depths [N] of their pixels."""
    local = points @ view.viewmat[:3, :3].T + view.viewmat[:3, 3]
    z = local[:, 2]
    projected = local[:, :2] / z.clamp_min(1e-6)[:, None] * view.K[[0, 1], [0, 1]] + view.K[:2, 2]
    inside = (z > 0) & (projected >= 0).all(1) & (projected[:, 0] < view.width) & (projected[:, 1] < view.height)
    numbers = inside.nonzero()[:, 0]
    column, row = projected[numbers].long().unbind(1)
    return local, numbers, view.depths[row, column]


def _harmonic(grid: FieldGrid, unknown: Tensor) -> Tensor:
    """[U] values at unobserved vertices of which each is the mean of its neighbors'; those beyond do not count."""
    values, observed, count = grid.values.view(-1), grid.observed.view(-1), len(unknown)
    diagonal, known = np.zeros(count), np.zeros(count)
    rows, columns = [], []
    for step in _steps(grid):
        beside = unknown + step
        fixed = observed[beside].numpy()
        diagonal += fixed
        known += np.where(fixed, values[beside].numpy(), 0)
        place = torch.searchsorted(unknown, beside).clamp_max(count - 1)
        free = (unknown[place] == beside).numpy()
        diagonal += free
        rows.append(np.flatnonzero(free))
        columns.append(place.numpy()[free])
    row, column = np.concatenate(rows), np.concatenate(columns)
    own = np.arange(count)
    weights = np.concatenate([np.full(len(row), -1.0), diagonal])
    matrix = coo_array((weights, (np.r_[row, own], np.r_[column, own])), shape=(count, count)).tocsr()
    found, _ = cg(matrix, known, rtol=_TOLERANCE, maxiter=_ITERATIONS)
    return torch.from_numpy(found).float()


def _keep_what_views_face(grid: FieldGrid, filled: Tensor, planes: PlaneViews, min_views: int) -> Filled:
    """Count as observed the cells of that part of the surface through filled vertices that views ask for."""
    observed = grid.observed.view(-1)
    mine = torch.zeros_like(observed)
    observed[filled] = mine[filled] = True
    topology = find_surface(grid.values[None], closed=False)
    near = grid.values.reshape(-1)[topology.grid_vertices]
    places = grid.places(surface_vertices(topology, near, topology.coordinates.float())[0])
    faces = surface_faces(topology, places)
    faces = faces[seen_faces(grid, topology, faces)]
    corners = topology.corners.long()[topology.vertex_cells.long()].clamp_min(0)  # [V, 8] rows of grid_vertices
    added = torch.zeros(len(places), dtype=torch.bool)
    added[faces.unique()] = True
    added &= mine[topology.grid_vertices][corners].any(1)
    numbers = added.nonzero()[:, 0]
    wanted = _faced_by(places, _normals(places, faces), numbers, planes) >= min_views
    observed[filled] = False
    used = topology.grid_vertices[corners[numbers[wanted]].unique()].long()
    observed[used[mine[used]]] = True
    return Filled(int(wanted.sum()), int((~wanted).sum()))


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """[V, 3] unit."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    crosses = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(vertices)
    for k in range(3):
        sums.index_add_(0, faces[:, k], crosses)
    return normalize(sums, dim=-1)


def _faced_by(places: Tensor, normals: Tensor, numbers: Tensor, planes: PlaneViews) -> Tensor:
    """[M] how many views face the places of these numbers and know no depth at their pixel."""
    counts = torch.zeros(len(numbers), dtype=torch.int64)
    points, directions = places[numbers], normals[numbers]
    for view in planes:
        local, inside, depths = _pixels_of(points, view)
        toward = -((directions @ view.viewmat[:3, :3].T) * normalize(local, dim=-1)).sum(1)
        counts[inside] += (depths == 0) & (toward[inside] > _LEAST_COSINE)
    return counts
