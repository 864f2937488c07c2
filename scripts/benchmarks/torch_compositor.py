"""A float32 compositor in plain torch, as one writes it without native code: tile lists and cumulative products.

The peer of the splatting benchmark, and its counter of contributing pairs.
"""

import torch
from torch import Tensor

from splatkit.ops import TileLists
from splatkit.reference.profiles import GEF_EPS
from splatkit.reference.profiles.gef_weight import gef_weight
from splatkit.reference.projection import ALPHA_MIN
from splatkit.reference.rasterization import ALPHA_MAX, TRANSMITTANCE_MIN

_TILE = 16  # px


def _tile_weights(
    projected: tuple[Tensor, ...], opacities: Tensor, betas: Tensor, ids: Tensor, left: int, top: int
) -> Tensor:
    """Weights [256, n] of a tile's splats, front to back, at its pixels."""
    means2d, conics = projected[0][0, ids], projected[1][0, ids]
    steps = torch.arange(_TILE, dtype=means2d.dtype) + 0.5
    dx = (left + steps)[None, :, None] - means2d[:, 0]
    dy = (top + steps)[:, None, None] - means2d[:, 1]
    a, b, c = conics.unbind(-1)
    q = (a * dx * dx + 2 * b * dx * dy + c * dy * dy).clamp_min(0)
    alpha = (opacities[ids] * gef_weight(q, betas[ids], GEF_EPS)).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
    after = torch.cumprod(1 - alpha, -1)
    before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], -1)
    return torch.where(after > TRANSMITTANCE_MIN, alpha * before, 0.0).reshape(_TILE * _TILE, -1)


def composite(
    projected: tuple[Tensor, ...],
    colors: Tensor,
    opacities: Tensor,
    betas: Tensor,
    lists: TileLists,
    width: int,
    height: int,
) -> Tensor:
    """Features [H, W, D] of one camera over black."""
    tiles_x, tiles_y = -(-width // _TILE), -(-height // _TILE)
    rows = []
    for tile_y in range(tiles_y):
        row = []
        for tile_x in range(tiles_x):
            tile = tile_y * tiles_x + tile_x
            ids = lists.splat_ids[lists.tile_offsets[tile] : lists.tile_offsets[tile + 1]].long()
            weights = _tile_weights(projected, opacities, betas, ids, tile_x * _TILE, tile_y * _TILE)
            row.append((weights @ colors[0, ids]).reshape(_TILE, _TILE, -1))
        rows.append(torch.cat(row, 1))
    return torch.cat(rows)[:height, :width]


@torch.no_grad()
def count_pairs(
    projected: tuple[Tensor, ...], opacities: Tensor, betas: Tensor, lists: TileLists, width: int, height: int
) -> int:
    """Contributing pairs of one camera: pixel and splat with alpha >= 1/255 before the pixel is finished."""
    tiles_x = -(-width // _TILE)
    pairs = 0
    for tile in range(tiles_x * -(-height // _TILE)):
        ids = lists.splat_ids[lists.tile_offsets[tile] : lists.tile_offsets[tile + 1]].long()
        left, top = tile % tiles_x * _TILE, tile // tiles_x * _TILE
        weights = _tile_weights(projected, opacities, betas, ids, left, top).reshape(_TILE, _TILE, -1)
        pairs += int((weights[: height - top, : width - left] > 0).sum())
    return pairs
