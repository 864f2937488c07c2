"""Tile lists on a device where the count and the tiles of a splat disagree, as two roundings of one border can: nothing
is written out of range, and slots without an intersection change no pixel and no gradient.
"""

from types import ModuleType
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from splatkit import ops
from splatkit.ops.rasterization import TILE_SIZE
from tests.splat_scenes import Projected, SplatScene, detached, make_splat_scene

pytestmark = pytest.mark.slow  # builds the kernels

SPLATS, CAMERAS = 120, 2
GUARD, UNTOUCHED = 64, -77  # numbers before and behind each output, and what they hold


class Filled(NamedTuple):
    """What a call wrote, and where."""

    lists: ops.TileLists
    guarded: list[Tensor]  # the memory round each output


def projected_scene() -> tuple[SplatScene, Projected]:
    scene = make_splat_scene(SPLATS, dtype=torch.float32, cameras=CAMERAS)
    return scene, detached(ops.project_splats(*scene))


def tile_count(scene: SplatScene) -> int:
    return CAMERAS * -(-scene.width // TILE_SIZE) * -(-scene.height // TILE_SIZE)


def fill(module: ModuleType, scene: SplatScene, projected: Projected, splat_offsets: Tensor) -> Filled:
    count = int(splat_offsets[-1])
    guarded = [
        torch.full((size + 2 * GUARD,), UNTOUCHED, dtype=dtype)
        for size, dtype in ((tile_count(scene) + 1, torch.int64), (count, torch.int32), (count, torch.int32))
    ]
    lists = ops.TileLists(splat_offsets, *(memory[GUARD:-GUARD] for memory in guarded))
    scratch_size = module.tile_lists_scratch_size(projected[0], tile_count(scene), count)
    guarded.append(torch.full((scratch_size + 2 * GUARD,), 77, dtype=torch.uint8))
    module.fill_tile_lists(*projected, scene.width, scene.height, *lists, guarded[-1][GUARD:-GUARD], 1)
    return Filled(lists, guarded)


def render(scene: SplatScene, projected: Projected, lists: ops.TileLists) -> list[Tensor]:
    """Features, alphas, and the gradients of the splats."""
    means2d, conics = (x.clone().requires_grad_() for x in projected[:2])
    colors = torch.rand(CAMERAS, SPLATS, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    image = (means2d, conics, *projected[2:], colors, scene.opacities, scene.betas)
    features, alphas = ops.rasterize_splats(*image, lists, scene.width, scene.height)
    gradients = torch.autograd.grad(features.square().sum() + alphas.square().sum(), (means2d, conics, colors))
    return [features.detach(), alphas.detach(), *gradients]


def shifted(offsets: Tensor, splat: int, by: int) -> Tensor:
    """The offsets as they were if one splat had so many tiles more."""
    tampered = offsets.clone()
    tampered[splat + 1 :] += by
    return tampered


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("order", ["forward", "reverse"])  # a splat that wrote on would be overwritten in one of them
@pytest.mark.parametrize("by", [-2, -1, 1, 3, 700])
def test_no_count_makes_the_lists_write_out_of_range(
    emulated_module: ModuleType, monkeypatch: pytest.MonkeyPatch, by: int, order: str
):
    monkeypatch.setenv("SPLATKIT_THREAD_ORDER", order)
    scene, projected = projected_scene()
    offsets = ops.intersect_tiles(*projected, scene.width, scene.height).splat_offsets
    splat = int(offsets.diff().argmax())
    assert offsets.diff()[splat] > 2
    lists, guarded = fill(emulated_module, scene, projected, shifted(offsets, splat, by))
    for memory in guarded:
        edges = torch.cat([memory[:GUARD], memory[-GUARD:]])
        assert (edges == (77 if memory.dtype == torch.uint8 else UNTOUCHED)).all()
    count = int(lists.splat_offsets[-1])
    assert torch.equal(lists.slots.sort().values, torch.arange(count, dtype=torch.int32))
    owners = torch.searchsorted(lists.splat_offsets, lists.slots.long(), right=True) - 1
    assert torch.equal(owners % SPLATS, lists.splat_ids.long())
    assert lists.tile_offsets[0] == 0
    assert (lists.tile_offsets.diff() >= 0).all()
    assert lists.tile_offsets[-1] == count - max(by, 0)
    for values in render(scene, projected, lists):
        assert values.isfinite().all()


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("splat", [0, CAMERAS * SPLATS - 1, 50])
def test_slots_without_an_intersection_change_no_pixel_and_no_gradient(emulated_module: ModuleType, splat: int):
    scene, projected = projected_scene()
    exact = ops.intersect_tiles(*projected, scene.width, scene.height)
    lists, _ = fill(emulated_module, scene, projected, shifted(exact.splat_offsets, splat, 5))
    torch.use_deterministic_algorithms(True)  # torch fills new memory with NaN: what is read unwritten shows
    try:
        actual = render(scene, projected, lists)
    finally:
        torch.use_deterministic_algorithms(False)
    assert len(lists.slots) == len(exact.slots) + 5
    for value, expected in zip(actual, render(scene, projected, exact), strict=True):
        assert torch.allclose(value, expected, rtol=1e-6, atol=1e-6)  # sums of a splat's slots take another order


@pytest.mark.usefixtures("emulated")
def test_scratch_for_the_lists_may_be_larger_than_needed_but_not_smaller(emulated_module: ModuleType):
    scene, projected = projected_scene()
    exact = ops.intersect_tiles(*projected, scene.width, scene.height)
    needed = emulated_module.tile_lists_scratch_size(projected[0], tile_count(scene), len(exact.slots))

    def fill_with(size: int) -> ops.TileLists:
        lists = ops.TileLists(exact.splat_offsets, *(torch.empty_like(x) for x in exact[1:]))
        scratch = torch.empty(size, dtype=torch.uint8)
        emulated_module.fill_tile_lists(*projected, scene.width, scene.height, *lists, scratch, 1)
        return lists

    for list_, expected in zip(fill_with(needed + 4096), exact, strict=True):
        assert torch.equal(list_, expected)
    with pytest.raises(RuntimeError, match="sort: invalid argument"):
        fill_with(needed - 1)
    with pytest.raises(ValueError, match="scratch: smaller than tile_lists_scratch_size"):
        fill_with(100)
