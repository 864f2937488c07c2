"""From the planes of all views to a field on a grid: how fine the voxels are, and what is cut off."""

import math
from dataclasses import dataclass

from torch import Tensor

from splatkit.errors import EmptyMeshError
from splatkit.export.surface.field_grid import BYTES_PER_VERTEX, FieldGrid, dense_grid, grid_shape
from splatkit.export.surface.sparse_tsdf import BLOCK, BYTES_PER_VOXEL, SparseTsdf, touched_blocks
from splatkit.export.surface.view_planes import PlaneViews
from splatkit.progress import Progress, track

_FOOTPRINTS = 1.5  # of a median pixel in a voxel: depth errs by about one, and noise is no detail
_CELLS_PER_BLOCK = 25  # of the surface, in a block of its band; measured
_MAX_VERTICES = 1 << 30  # of the dense grid: half of what 32-bit indices reach


@dataclass(frozen=True)
class Fusion:
    """A field, and how it came about."""

    grid: FieldGrid
    truncation: float  # scene units
    blocks: int  # of 8 x 8 x 8 voxels
    memory_gb: float  # of blocks and dense grid


def fuse(
    planes: PlaneViews,
    *,
    voxel_size: float | None,
    truncation_voxels: float,
    min_views: int,
    memory_limit_gb: float,
    max_cells: int,
    progress: Progress,
) -> Fusion:
    """Fuse all views.

    Args:
        planes: of the views.
        voxel_size: scene units; None: see `_FOOTPRINTS`, or more where memory or cells would not suffice.
        truncation_voxels: half width of the band round surfaces; thinner parts lose their two sides.
        min_views: a surface that fewer views agree on is dropped (lowered to the number of views).
        memory_limit_gb: of blocks and dense grid.
        max_cells: about how many cells the surface may pass, where the voxel size is automatic.
        progress: shows how many views are done.

    Raises:
        EmptyMeshError: no block was touched.
        ValueError: a given voxel size needs more memory than the limit.
    """
    chosen, keys = _choose_voxel_size(planes, voxel_size, truncation_voxels, memory_limit_gb, max_cells)
    if len(keys) == 0:
        raise EmptyMeshError("fusion found no surface: no pixel has a direction that can be trusted")
    tsdf = SparseTsdf.empty(keys, chosen, truncation_voxels * chosen)
    views = list(range(len(planes)))
    for _, view in zip(track(views, "fusing depth", progress, len(views)), planes, strict=True):
        tsdf.integrate(view)
    tsdf.finish()
    grid = dense_grid(tsdf, min(min_views, len(planes)))
    return Fusion(grid, tsdf.truncation, len(keys), _gigabytes(len(keys), math.prod(grid.values.shape)))


def _choose_voxel_size(
    planes: PlaneViews, voxel_size: float | None, truncation_voxels: float, memory_limit_gb: float, max_cells: int
) -> tuple[float, Tensor]:
    """The voxel size, and the keys of the blocks that it needs."""
    chosen = voxel_size or _FOOTPRINTS * planes.median_footprint()
    while True:
        keys = touched_blocks(planes, chosen, truncation_voxels * chosen)
        vertices = math.prod(grid_shape(keys)[1].tolist()) if len(keys) else 0
        needed = _gigabytes(len(keys), vertices)
        cells = _CELLS_PER_BLOCK * len(keys)
        excess = max(needed / memory_limit_gb, vertices / _MAX_VERTICES)
        if voxel_size is not None:
            if excess > 1:
                raise ValueError(
                    f"voxel_size: {chosen:g} needs about {needed:.2g} GB, more than the limit of "
                    f"{memory_limit_gb:g} GB; take larger voxels, a smaller max_depth or a higher limit"
                )
            return chosen, keys
        if max(excess, cells / max_cells) <= 1:
            return chosen, keys
        # Blocks along a surface grow with the square, the box round them with the cube.
        chosen *= 1.03 * max(excess ** (1 / 3), math.sqrt(cells / max_cells), 1.0)


def _gigabytes(blocks: int, vertices: int) -> float:
    return (blocks * BLOCK**3 * BYTES_PER_VOXEL + vertices * BYTES_PER_VERTEX) / 1e9
