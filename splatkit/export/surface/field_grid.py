"""The fused field on a dense grid, and the surface in it that views have seen."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.export.surface.sparse_tsdf import BLOCK, SparseTsdf, block_corners
from splatkit.io.mesh import Mesh
from splatkit.ops.isosurface import SurfaceTopology, find_surface, surface_faces, surface_vertices

_CHUNK = 1 << 18  # points whose distances are asked for at a time
_SURFACE_CELLS = 2.0  # values of vertices of cells that a surface passes are smaller
BYTES_PER_VERTEX = 10  # value, what it was before refinement, whether it was observed, and the search


class FieldGrid(NamedTuple):
    """Values at the vertices of a grid, in units of its cells: vertex (i, j, k) lies at (low + (i, j, k)) * spacing."""

    low: Tensor  # [3] int64
    spacing: float
    values: Tensor  # [X + 1, Y + 1, Z + 1] signed distances in cells, negative inside
    observed: Tensor  # [X + 1, Y + 1, Z + 1] bool; elsewhere values say nothing

    def places(self, coordinates: Tensor) -> Tensor:
        """[M, 3] float32 places of grid coordinates [M, 3], which need not be whole."""
        return ((self.low + coordinates.double()) * self.spacing).float()

    def numbers(self) -> Tensor:
        """[B] of the observed vertices."""
        return self.observed.reshape(-1).nonzero()[:, 0]


def grid_shape(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Low corner [3] and vertices along the axes [3] of the box round blocks, with one cell around."""
    corners = block_corners(keys).long()
    low = corners.amin(0) - 1
    return low, corners.amax(0) + BLOCK + 1 - low


def dense_grid(tsdf: SparseTsdf, min_views: int) -> FieldGrid:
    """The field of a TSDF whose views are all added; what fewer than `min_views` saw near does not count."""
    low, shape = grid_shape(tsdf.keys)
    values = torch.full(shape.tolist(), tsdf.truncation / tsdf.voxel_size)
    observed = torch.zeros(shape.tolist(), dtype=torch.bool)
    seen = (tsdf.weights > 0) & ((tsdf.views >= min_views) | (tsdf.distances > 0.99))
    near = tsdf.distances * (tsdf.truncation / tsdf.voxel_size)
    size = (BLOCK,) * 3
    for corner, mine, kept in zip((block_corners(tsdf.keys).long() - low).tolist(), near, seen, strict=True):
        i, j, k = corner
        place = (slice(i, i + BLOCK), slice(j, j + BLOCK), slice(k, k + BLOCK))
        values[place] = torch.where(kept, mine, tsdf.truncation / tsdf.voxel_size).reshape(size)
        observed[place] = kept.reshape(size)
    return FieldGrid(low, tsdf.voxel_size, values, observed)


def put_distances(grid: FieldGrid, distance: Callable[[Tensor], Tensor]) -> None:
    """Put a run's own signed distances in the place of fused ones, where these were observed."""
    flat, numbers = grid.values.view(-1), grid.numbers()
    for part in numbers.split(_CHUNK):
        places = torch.stack(torch.unravel_index(part, grid.values.shape), -1)
        found = distance(grid.places(places)) / grid.spacing
        flat[part] = torch.where(torch.isfinite(found), found, flat[part])


def forget_far_from(grid: FieldGrid, points: NDArray[np.floating], distance: float) -> int:
    """Count surfaces farther than `distance` from all points [N, 3] as unobserved; returns how many vertices."""
    near_surface = grid.observed & (grid.values.abs() <= _SURFACE_CELLS)
    numbers = near_surface.reshape(-1).nonzero()[:, 0]
    places = grid.places(torch.stack(torch.unravel_index(numbers, grid.values.shape), -1)).numpy()
    found, _ = cKDTree(points).query(places, distance_upper_bound=distance, workers=-1)
    far = numbers[torch.from_numpy(np.isinf(found))]
    grid.observed.view(-1)[far] = False
    return len(far)


def seen_faces(grid: FieldGrid, topology: SurfaceTopology, faces: Tensor) -> Tensor:
    """[F] which faces lie in cells all of whose corners were observed; the others close off what nobody saw."""
    rows = grid.observed.reshape(-1)[topology.grid_vertices]
    cells = (rows[topology.corners.long().clamp_min(0)] & (topology.corners >= 0)).all(1)
    return cells[topology.vertex_cells.long()][faces].all(1)


def extract_mesh(grid: FieldGrid) -> Mesh:
    """The zero level where it was observed, by dual marching cubes (`FlexiCubes` without weights)."""
    topology = find_surface(grid.values[None], closed=False)
    near = grid.values.reshape(-1)[topology.grid_vertices]
    places = grid.places(topology.coordinates)
    vertices = surface_vertices(topology, near, places)[0]
    faces = surface_faces(topology, vertices)
    return compact(vertices, faces[seen_faces(grid, topology, faces)])


def compact(vertices: Tensor, faces: Tensor) -> Mesh:
    """A mesh of the vertices that faces use."""
    used, renumbered = np.unique(faces.numpy(), return_inverse=True)
    return Mesh(vertices.detach().numpy()[used], renumbered.reshape(-1, 3).astype(np.int64))
