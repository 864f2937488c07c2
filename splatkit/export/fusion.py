"""Depth maps to a mesh: a truncated signed distance field in sparse blocks (Curless and Levoy, SIGGRAPH 1996).

Open3D's VoxelBlockGrid does the fusing; its older ScalableTSDFVolume returns an empty mesh for float depth since 0.20.
What is ours: which depths are trusted, how fine the voxels are within a memory bound known before anything is
allocated, which pieces stay, and an error that says where the surface was lost.
"""

import math
from dataclasses import dataclass

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.errors import EmptyMeshError
from splatkit.geometry.transform import invert_rigid
from splatkit.io.meshes import Mesh

_BLOCK = 8  # voxels per edge of a block
_BYTES_PER_VOXEL = 20  # float32: distance, weight, three colors
_ATTRIBUTES = {"tsdf": 1, "weight": 1, "color": 3}
_ESTIMATE_STRIDE = 2  # px: the blocks that depth reaches are counted on every second row and column
_ESTIMATE_MARGIN = 1.3  # blocks that the strided count misses; the grid can still grow past it


@dataclass(frozen=True)
class FusionSettings:
    """What to trust and how fine to fuse; the defaults suit renders of a trained field."""

    voxel_size: float | None = None  # scene units; None: the median footprint of a pixel, within the memory limit
    memory_limit_gb: float = 1.0  # of the grid; an automatic voxel size grows until the grid fits
    truncation_voxels: float = 4.0  # half width of the band around surfaces; thinner parts lose their two sides
    min_alpha: float = 0.5  # below it a pixel shows more background than surface
    max_depth: float | None = None  # scene units; None: three times the median depth, so that a backdrop costs nothing
    max_incidence_deg: float = 80.0  # steeper surfaces, and the false ones across depth edges, are left out
    min_views: int = 2  # a surface that fewer views agree on is dropped (lowered to the number of views)
    min_component_share: float = 0.002  # of the whole area; smaller connected pieces are dropped


def fuse_depths(
    depths: Tensor, colors: Tensor, alphas: Tensor, viewmats: Tensor, Ks: Tensor, settings: FusionSettings
) -> Mesh:
    """Fuse depth maps of one scene into a mesh with vertex colors, in the frame and scale of the view matrices.

    Args:
        depths: [V, H, W] z-depth; 0, negative and non-finite values mean none.
        colors: [V, H, W, 3] in [0, 1].
        alphas: [V, H, W] in [0, 1].
        viewmats: [V, 4, 4] world to camera, OpenCV axes.
        Ks: [V, 3, 3] px, pixel centers at +0.5.
        settings: see there.

    Raises:
        EmptyMeshError: no surface came out; the message says which stage lost it.
        ValueError: shapes do not match, or a given voxel size needs more memory than the limit.
    """
    _check_shapes(depths, colors, alphas, viewmats, Ks)
    depths = mask_depths(depths, alphas, Ks, settings)
    depth_max = settings.max_depth or 3 * float(depths[depths > 0].median())
    depths = torch.where(depths <= depth_max, depths, 0.0)
    if not (depths > 0).any():
        raise EmptyMeshError(f"no depth is left within max_depth = {depth_max:g}; raise it")
    voxel_size, blocks = _choose_voxel_size(depths, viewmats, Ks, settings)
    grid = _integrate(depths, colors, viewmats, Ks, settings, voxel_size, blocks)
    min_views = min(settings.min_views, len(depths))
    mesh = _extract(grid, min_views)
    if len(mesh.faces) == 0:
        raise EmptyMeshError(
            f"fusion found no surface that {min_views} views agree on (voxel size {voxel_size:g}); "
            "check that depths and poses belong together, or lower min_views"
        )
    return keep_large_components(mesh, settings.min_component_share)


def mask_depths(depths: Tensor, alphas: Tensor, Ks: Tensor, settings: FusionSettings) -> Tensor:
    """Depths [V, H, W] with 0 where they cannot be trusted.

    A pixel between two surfaces gets a depth between theirs and belongs to neither. It differs from both neighbors of
    its row, or of its column, while a pixel at the rim of a surface, however thin, has one neighbor that continues it.
    """
    opaque = (alphas >= settings.min_alpha) & torch.isfinite(depths) & (depths > 0)
    if not opaque.any():
        raise EmptyMeshError(
            f"no pixel of {len(depths)} views has a depth and an alpha >= {settings.min_alpha:g}: the field is empty"
        )
    focal = torch.stack([Ks[:, 0, 0], Ks[:, 1, 1]], -1).to(depths).mean(-1)
    slope = math.tan(math.radians(settings.max_incidence_deg))
    allowed = depths / focal[:, None, None] * slope  # change of depth from one pixel to the next
    depths = torch.where(opaque, depths, torch.inf)
    kept = opaque.clone()
    for axis in (1, 2):
        size = depths.shape[axis]
        step = (depths.narrow(axis, 1, size - 1) - depths.narrow(axis, 0, size - 1)).abs().nan_to_num(torch.inf)
        rim = torch.full_like(depths.narrow(axis, 0, 1), torch.inf)
        kept &= torch.minimum(torch.cat([step, rim], axis), torch.cat([rim, step], axis)) <= allowed
    if not kept.any():
        raise EmptyMeshError(
            f"none of {int(opaque.sum())} opaque pixels has a neighbor of like depth: the rendered depth is no surface"
        )
    return torch.where(kept, depths, 0.0)


def keep_large_components(mesh: Mesh, min_share: float) -> Mesh:
    """The connected pieces of a mesh with at least `min_share` of its area; always the largest one."""
    legacy = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        o3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    labels = np.asarray(legacy.cluster_connected_triangles()[0])
    areas = np.bincount(labels, weights=mesh.face_areas())
    large = areas >= min(min_share * areas.sum(), areas.max())
    faces = mesh.faces[large[labels]]
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(
        mesh.vertices[used],
        renumbered.reshape(-1, 3),
        None if mesh.vertex_colors is None else mesh.vertex_colors[used],
        None if mesh.vertex_normals is None else mesh.vertex_normals[used],
    )


def _check_shapes(depths: Tensor, colors: Tensor, alphas: Tensor, viewmats: Tensor, Ks: Tensor) -> None:
    views, height, width = depths.shape
    expected = {
        "colors": (colors, (views, height, width, 3)),
        "alphas": (alphas, (views, height, width)),
        "viewmats": (viewmats, (views, 4, 4)),
        "Ks": (Ks, (views, 3, 3)),
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{name}: expected shape {list(shape)} like depths [{views}, {height}, {width}], got {[*tensor.shape]}"
            )


def _choose_voxel_size(depths: Tensor, viewmats: Tensor, Ks: Tensor, settings: FusionSettings) -> tuple[float, int]:
    """The voxel size and the number of blocks that it needs, within the memory limit."""
    footprints = depths / Ks[:, 0, 0].to(depths)[:, None, None]
    voxel_size = settings.voxel_size or float(footprints[depths > 0].median())
    limit = int(settings.memory_limit_gb * 1e9 / (_BLOCK**3 * _BYTES_PER_VOXEL))
    while (blocks := _count_blocks(depths, viewmats, Ks, voxel_size, settings.truncation_voxels)) > limit:
        if settings.voxel_size is not None:
            raise ValueError(
                f"voxel_size: {voxel_size:g} needs about {blocks * _BLOCK**3 * _BYTES_PER_VOXEL / 1e9:.2g} GB, more "
                f"than the limit of {settings.memory_limit_gb:g} GB; take larger voxels, a smaller max_depth or a "
                "higher limit"
            )
        voxel_size *= 1.1 * math.sqrt(blocks / limit)  # the blocks along a surface grow with the square
    return voxel_size, blocks


def _count_blocks(depths: Tensor, viewmats: Tensor, Ks: Tensor, voxel_size: float, truncation_voxels: float) -> int:
    """Blocks that the band around all surfaces touches, an estimate from above."""
    edge = _BLOCK * voxel_size
    seen = np.empty(0, dtype=np.int64)
    for depth, viewmat, K in zip(depths, viewmats, Ks, strict=True):
        strided = depth[::_ESTIMATE_STRIDE, ::_ESTIMATE_STRIDE]
        rows, columns = torch.nonzero(strided > 0, as_tuple=True)
        pixels = torch.stack([columns, rows, torch.zeros_like(rows)], -1).double() * _ESTIMATE_STRIDE + 0.5
        pixels[:, 2] = 1
        rays = pixels @ torch.linalg.inv(K.double()).T
        pose = invert_rigid(viewmat.double())
        for offset in (-truncation_voxels, 0.0, truncation_voxels):
            local = rays * (strided[rows, columns].double() + offset * voxel_size)[:, None]
            cells = torch.floor((local @ pose[:3, :3].T + pose[:3, 3]) / edge).to(torch.int64)
            keys = ((cells[:, 0] * 2_097_152 + cells[:, 1]) * 2_097_152 + cells[:, 2]).numpy()  # 2^21 cells an axis
            seen = np.union1d(seen, keys)
    return int(len(seen) * _ESTIMATE_MARGIN) + 1


def _integrate(
    depths: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    settings: FusionSettings,
    voxel_size: float,
    blocks: int,
) -> o3d.t.geometry.VoxelBlockGrid:
    grid = o3d.t.geometry.VoxelBlockGrid(
        attr_names=tuple(_ATTRIBUTES),
        attr_dtypes=(o3d.core.float32,) * len(_ATTRIBUTES),
        attr_channels=tuple(o3d.core.SizeVector([channels]) for channels in _ATTRIBUTES.values()),
        voxel_size=voxel_size,
        block_resolution=_BLOCK,
        block_count=blocks,
    )
    depth_max = float(depths.max()) + 1.0
    for view in range(len(depths)):
        depth = o3d.t.geometry.Image(_to_open3d(depths[view, ..., None].float()))
        color = o3d.t.geometry.Image(_to_open3d(colors[view].float().clamp(0, 1)))
        K, viewmat = _to_open3d(Ks[view].double()), _to_open3d(viewmats[view].double())
        if not (depths[view] > 0).any():
            continue
        touched = grid.compute_unique_block_coordinates(depth, K, viewmat, 1.0, depth_max, settings.truncation_voxels)
        grid.integrate(touched, depth, color, K, viewmat, 1.0, depth_max, settings.truncation_voxels)
    return grid


def _extract(grid: o3d.t.geometry.VoxelBlockGrid, min_views: int) -> Mesh:
    """The zero level where at least `min_views` observations were fused."""
    # The grid keeps what has more than the threshold; weights are whole numbers, one for each view.
    extracted = grid.extract_triangle_mesh(weight_threshold=min_views - 0.5)
    if "indices" not in extracted.triangle or len(extracted.triangle.indices) == 0:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))
    colors: NDArray[np.float32] = extracted.vertex.colors.numpy()
    return Mesh(
        extracted.vertex.positions.numpy(),
        extracted.triangle.indices.numpy().astype(np.int64),
        np.clip(colors * 255 + 0.5, 0, 255).astype(np.uint8),
        extracted.vertex.normals.numpy(),
    )


def _to_open3d(tensor: Tensor) -> o3d.core.Tensor:
    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(tensor.cpu().numpy()))
