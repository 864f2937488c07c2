"""Which splats a tile lists, and in what order, against every pixel of the tile."""

import pytest
import torch

from splatkit import ops
from splatkit.ops import TileLists
from tests.splat_scenes import SplatScene, make_splat_scene

TILE = 16  # px


def tall_and_small_splats(dtype: torch.dtype) -> SplatScene:
    """Every tenth splat reaches over more rows of tiles than are looked at together; every depth comes twice."""
    scene = make_splat_scene(200, seed=5, dtype=dtype)._replace(width=150, height=300)
    large = torch.arange(200) % 10 == 0
    means = scene.means.clone()
    means[1::2] = means[::2]
    return scene._replace(means=means, scales=torch.where(large[:, None], scene.scales * 40, scene.scales))


def tiles_with_support(scene: SplatScene, projected: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """[C, N, tiles_y, tiles_x] twice: a pixel's center lies well inside the support; the support's box may reach it."""
    means2d, conics, _, extents = (x.double() for x in projected)
    xs, ys = torch.arange(scene.width) + 0.5, torch.arange(scene.height) + 0.5
    dx, dy = xs - means2d[..., :1], ys - means2d[..., 1:]  # [C, N, W], [C, N, H]
    a, b, c = (x[..., None, None] for x in conics.unbind(-1))
    q = a * dx[..., None, :] ** 2 + 2 * b * dx[..., None, :] * dy[..., None] + c * dy[..., None] ** 2
    q_max = (extents[..., 0] ** 2 * (conics[..., 0] - conics[..., 1] ** 2 / conics[..., 2]))[..., None, None]
    box = (dx.abs() <= extents[..., :1] + 1)[..., None, :] & (dy.abs() <= extents[..., 1:] + 1)[..., None]
    visible = (extents[..., 0] > 0)[..., None, None]
    size = [-(-scene.height // TILE), -(-scene.width // TILE)]

    def by_tile(pixels: torch.Tensor) -> torch.Tensor:
        padded = torch.zeros(*pixels.shape[:2], size[0] * TILE, size[1] * TILE, dtype=torch.bool)
        padded[..., : scene.height, : scene.width] = pixels
        return padded.unflatten(3, (-1, TILE)).unflatten(2, (-1, TILE)).any(5).any(3)

    return by_tile((q < 0.999 * q_max) & visible), by_tile(box & visible)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_tile_lists_the_splats_that_reach_it_front_to_back(dtype: torch.dtype, threads: int):
    scene = tall_and_small_splats(dtype)
    projected = ops.project_splats(*scene)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        lists = ops.intersect_tiles(*projected, scene.width, scene.height)
    finally:
        torch.set_num_threads(before)
    inside, near = tiles_with_support(scene, projected)
    assert inside.sum(2).amax() > 8  # rows of tiles of the highest splat
    cameras, splats, rows, columns = inside.shape
    listed = torch.zeros(cameras, rows * columns, splats, dtype=torch.bool)
    for tile in range(cameras * rows * columns):
        first, end = lists.tile_offsets[tile].item(), lists.tile_offsets[tile + 1].item()
        camera, ids = tile // (rows * columns), lists.splat_ids[first:end].long()
        order = list(zip(projected[2][camera][ids].tolist(), ids.tolist(), strict=True))
        assert order == sorted(set(order))
        listed[camera, tile % (rows * columns)][ids] = True
    listed = listed.transpose(1, 2).reshape(cameras, splats, rows, columns)
    assert (listed | ~inside).all()
    assert (near | ~listed).all()
    assert_slots_follow_splats(lists, listed)


def assert_slots_follow_splats(lists: TileLists, listed: torch.Tensor) -> None:
    """Slots are splat by splat, a splat's from its first tile to its last. listed: [C, N, tiles_y, tiles_x]."""
    assert lists.splat_offsets.diff().equal(listed.flatten(2).sum(-1).flatten())
    cameras, splats, rows, columns = listed.shape
    tiles = torch.repeat_interleave(torch.arange(cameras * rows * columns), lists.tile_offsets.diff())
    entries = tiles // (rows * columns) * splats + lists.splat_ids
    by_slot = torch.argsort(lists.slots)
    assert lists.slots[by_slot].equal(torch.arange(len(tiles), dtype=torch.int32))
    assert (entries[by_slot] * len(tiles) + tiles[by_slot]).diff().gt(0).all()
