"""A truncated signed distance field in sparse blocks (Curless and Levoy, SIGGRAPH 1996), fused from weighted planes.

What differs from the usual fusion: a voxel's distance is measured to the plane of the pixel it projects to, not along
the ray, so that normals count and oblique surfaces are not too thick; each pixel has a weight of its own, which falls
with the distance, so that thin parts keep their thickness, and another one for the empty space before it: a ray has
passed there however precisely it ends. Where surfaces bend within few voxels they come out a little too small for that:
a sphere of 19 voxels by 0.15. Blocks are kept in the order of their keys.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from splatkit.export.surface.view_planes import ViewPlanes
from splatkit.geometry.se3 import invert

BLOCK = 8  # voxels per edge of a block
BYTES_PER_VOXEL = 9  # distance and weight as float32, number of views as uint8
_POOL = 8  # px, side of the squares for which depths are kept to pass over blocks behind them
_KEY_RANGE = 1 << 20  # blocks along half an axis that keys tell apart
_CHUNK = 128  # blocks integrated at a time: their temporary values stay in the cache
_FULL_BAND, _BAND = 0.125, 0.5  # truncations from a plane up to which it counts in full, and beyond which it does not
_DEPTH_TOLERANCE = 3.0  # truncations between a voxel and its pixel's depth beyond which the plane says nothing


@dataclass
class SparseTsdf:
    """Distances at voxel centers, which are the integer points of a lattice: place = index * voxel_size.

    B blocks of 8 x 8 x 8 voxels.
    """

    voxel_size: float
    truncation: float  # length at which distances are cut off
    keys: Tensor  # [B] int64, ascending
    distances: Tensor  # [B, 512] in truncations, in [-1, 1]; sums while views are added
    weights: Tensor  # [B, 512] sums over views
    views: Tensor  # [B, 512] uint8, number of views that saw a surface near, at most 255

    @classmethod
    def empty(cls, keys: Tensor, voxel_size: float, truncation: float) -> "SparseTsdf":
        """Without observations."""
        shape = (len(keys), BLOCK**3)
        return cls(
            voxel_size, truncation, keys, torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.uint8)
        )

    def integrate(self, planes: ViewPlanes, scale: float = 1.0) -> None:
        """Add a view, its weights times `scale`."""
        corners = block_corners(self.keys)
        blocks = self._may_see(corners, planes, _farthest_depths(planes)).nonzero()[:, 0]
        for part in blocks.split(_CHUNK):
            self._integrate_blocks(part, corners[part], planes, scale)

    def finish(self) -> None:
        """Turn sums into means; once, after the last view."""
        self.distances /= self.weights.clamp_min(1e-12)

    def _may_see(self, corners: Tensor, planes: ViewPlanes, farthest: Tensor) -> Tensor:
        """[M] whether some of a block may lie in the image, before the camera and not far behind what it sees."""
        viewmat, K = planes.viewmat.double(), planes.K.double()
        centers = (corners + (BLOCK - 1) / 2) * self.voxel_size
        local = centers @ viewmat[:3, :3].T + viewmat[:3, 3]
        radius = self.voxel_size * BLOCK * 0.87  # half a diagonal
        z = local[:, 2]
        seen = z > -radius
        for axis, size in ((0, planes.width), (1, planes.height)):
            focal, middle = K[axis, axis], K[axis, 2]
            low, high = -middle / focal, (size - middle) / focal
            reach = radius * torch.hypot(torch.ones(()), torch.maximum(low.abs(), high.abs()))
            seen &= (local[:, axis] - low * z > -reach) & (high * z - local[:, axis] > -reach)
        # Depths are kept for squares of pixels and their neighbors; blocks that look larger are not tested.
        cells = [(local[:, a] / z * K[a, a] + K[a, 2]).floor().long() // _POOL for a in (0, 1)]
        cells = [cell.clamp(0, size - 1) for cell, size in zip(cells, farthest.T.shape, strict=True)]
        small = (z > radius) & (radius / z * torch.maximum(K[0, 0], K[1, 1]) < _POOL)
        hidden = z - radius > farthest[cells[1], cells[0]] + _DEPTH_TOLERANCE * self.truncation
        return seen & ~(small & hidden)

    def _integrate_blocks(self, blocks: Tensor, corners: Tensor, planes: ViewPlanes, scale: float) -> None:
        R, t, K = planes.viewmat[:3, :3].double(), planes.viewmat[:3, 3].double(), planes.K
        origins = ((corners * self.voxel_size) @ R.T + t).float()
        offsets = (_voxel_offsets().double() * self.voxel_size @ R.T).float()
        x, y, z = (origins[:, None, axis] + offsets[None, :, axis] for axis in range(3))
        inverse = 1 / z.clamp_min(1e-6)
        column = (x * inverse).mul_(K[0, 0]).add_(K[0, 2])
        row = (y * inverse).mul_(K[1, 1]).add_(K[1, 2])
        inside = (z > 0) & (column >= 0) & (column < planes.width) & (row >= 0) & (row < planes.height)
        pixel = (
            row.clamp_(0, planes.height - 1).floor_().mul_(planes.width) + column.clamp_(0, planes.width - 1)
        ).int()
        plane = planes.rows.index_select(0, pixel.reshape(-1)).view(*z.shape, 8)
        depth, weight, front = plane[..., 4], plane[..., 5], plane[..., 6]
        nothing = torch.isinf(depth)
        # n . x - offset is positive before the surface, for normals turn to the camera.
        distance = plane[..., 0] * x
        distance.addcmul_(plane[..., 1], y).addcmul_(plane[..., 2], z).sub_(plane[..., 3]).div_(self.truncation)
        behind = (z - depth).div_(self.truncation)
        distance = torch.where(nothing | (behind < -_DEPTH_TOLERANCE), 1.0, distance).clamp_max_(1.0)
        # Near the surface its plane says where it is; before it, that a ray has passed; behind it, nothing: else the
        # far side of a thin part would be pushed outward. Weights fall alike to both sides, so that what views err does
        # not move the mean.
        near = ((_BAND - distance.abs()) / (_BAND - _FULL_BAND)).clamp_(0, 1)
        weight = torch.where(distance > 0, torch.lerp(front, weight, near), weight * near)
        used = inside & (depth > 0) & (distance > -1) & (behind < _DEPTH_TOLERANCE)
        weight = torch.where(used, weight, 0).mul_(scale)
        self.distances[blocks] += distance.mul_(weight)
        self.weights[blocks] += weight
        near = (weight > 0) & ~nothing & (distance < weight)
        seen = self.views[blocks]
        self.views[blocks] = torch.where(near & (seen < 255), seen + 1, seen)


def _farthest_depths(planes: ViewPlanes) -> Tensor:
    """The largest depth in squares of pixels and their neighbors; infinity where nothing or something unknown is."""
    depths = torch.where(planes.depths > 0, planes.depths, torch.inf)[None, None]
    return max_pool2d(max_pool2d(depths, _POOL, ceil_mode=True), 3, 1, 1)[0, 0].double()


def block_corners(keys: Tensor) -> Tensor:
    """[B, 3] float64 lowest voxel of each block."""
    return (_block_cells(keys) * BLOCK).double()


def touched_blocks(planes: Iterable[ViewPlanes], voxel_size: float, truncation: float) -> Tensor:
    """Keys of the blocks that the band round all surfaces touches, ascending."""
    seen = torch.zeros(0, dtype=torch.int64)
    for view in planes:
        seen = torch.unique(torch.cat([seen, _view_blocks(view, voxel_size, truncation)]))
    return seen


def _view_blocks(view: ViewPlanes, voxel_size: float, truncation: float) -> Tensor:
    pixels = (view.weights.reshape(-1) > 0).nonzero()[:, 0]
    depths = view.rows[pixels, 4].double()
    row, column = pixels // view.width, pixels % view.width
    K = view.K.double()
    rays = torch.stack(
        [(column + 0.5 - K[0, 2]) / K[0, 0], (row + 0.5 - K[1, 2]) / K[1, 1], torch.ones_like(depths)], -1
    )
    pose = invert(view.viewmat.double())
    normals = view.rows[pixels, :3].double() @ pose[:3, :3].T
    points = (rays * depths[:, None]) @ pose[:3, :3].T + pose[:3, 3]
    keys = []
    for offset in (-1.0, 0.0, 1.0):
        cells = torch.floor((points + offset * truncation * normals) / (voxel_size * BLOCK)).long()
        keys.append(torch.unique(_block_keys(cells)))
    return torch.cat(keys)


def _block_keys(cells: Tensor) -> Tensor:
    cells = cells.clamp(-_KEY_RANGE, _KEY_RANGE - 1) + _KEY_RANGE
    return (cells[:, 0] * 2 * _KEY_RANGE + cells[:, 1]) * 2 * _KEY_RANGE + cells[:, 2]


def _block_cells(keys: Tensor) -> Tensor:
    span = 2 * _KEY_RANGE
    return torch.stack([keys // span**2, keys // span % span, keys % span], -1) - _KEY_RANGE


def _voxel_offsets() -> Tensor:
    """[512, 3] of the voxels of a block, z fastest."""
    axis = torch.arange(BLOCK)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
