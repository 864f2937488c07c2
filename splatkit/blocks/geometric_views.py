"""Which photographs belong to which cells by geometry alone, where there are too many of both to render.

A photograph belongs to a cell whose box takes up a share of the image: what is small there is far away. What stands
between is not asked, so that this finds more views than `observation.views_by_change` and never renders.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatkit.blocks.cells import Cell
from splatkit.geometry.camera import PosedCamera

LEAST_AREA = 0.05  # of the image, that the box around a cell's projection takes up
_NEAREST = 1e-3  # of the depths of corners in sizes of the cell: what is nearer is cut off there
_AT_A_TIME = 32  # photographs: what they see of hundreds of cells stays in the processor's cache


def views_by_area(cells: Sequence[Cell], cameras: Sequence[PosedCamera]) -> NDArray[np.bool_]:
    """Which photographs belong to which cells, [C, F]."""
    corners = np.stack([_corners(cell) for cell in cells])  # [C, 8, 3]
    sizes = np.linalg.norm(corners[:, 7] - corners[:, 0], axis=1)
    found = np.zeros((len(cells), len(cameras)), dtype=np.bool_)
    for first in range(0, len(cameras), _AT_A_TIME):
        some = slice(first, first + _AT_A_TIME)
        found[:, some] = (_areas(corners, sizes, cameras[some]) > LEAST_AREA).T
    return found


def _corners(cell: Cell) -> NDArray[np.float64]:
    ends = np.array([cell.core_low, cell.core_high])
    return np.array([[ends[i & 1, 0], ends[i >> 1 & 1, 1], ends[i >> 2, 2]] for i in range(8)])


def _areas(
    corners: NDArray[np.float64], sizes: NDArray[np.float64], cameras: Sequence[PosedCamera]
) -> NDArray[np.float64]:
    """Shares of images that boxes [C, 8, 3] take up, [F, C]; 1 where a camera stands in the box."""
    T = np.stack([camera.T_camera_world for camera in cameras])
    Ks = np.stack([camera.camera.K for camera in cameras])
    size = np.array([[camera.camera.width, camera.camera.height] for camera in cameras], dtype=np.float64)
    flat = corners.reshape(-1, 3) @ T[:, :3, :3].transpose(0, 2, 1) + T[:, None, :3, 3]
    local = flat.reshape(len(T), *corners.shape)
    nearest = _NEAREST * sizes[None, :, None]
    in_front = (local[..., 2] > nearest).any(2)
    depths = np.maximum(local[..., 2], nearest)
    pixels = local[..., :2] / depths[..., None] * Ks[:, None, None, [0, 1], [0, 1]] + Ks[:, None, None, :2, 2]
    low = np.clip(pixels.min(2), 0, size[:, None])
    high = np.clip(pixels.max(2), 0, size[:, None])
    areas = (high - low).prod(2) / size.prod(1)[:, None]
    centers = np.stack([camera.center for camera in cameras])
    stands_in = ((centers[:, None] >= corners[:, 0]) & (centers[:, None] <= corners[:, 7])).all(2)
    shares: NDArray[np.float64] = np.where(stands_in, 1.0, np.where(in_front, areas, 0.0))
    return shares
