"""Compositing of projected splats into images: tile lists, forward and backward.

The definition is in `splatkit.reference.rasterization`; the native code in `cuda/splatting/compositing.h`.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from splatkit.memory import require_memory
from splatkit.ops._library import check_image_size, define, dense, differentiate, native, threads
from splatkit.ops.projection import PROFILES, number_of

TILE_SIZE = 16  # pixels; fixed by the native code
MAX_CHANNELS = 5  # feature channels of one native pass
SLOT_ROWS = 1 << 23  # intersections whose gradients are kept at a time: 0.4 GiB of float32 with four channels

_IMAGE = "Tensor means2d, Tensor conics, Tensor depths, Tensor extents"


class TileLists(NamedTuple):
    """Which splats touch which tile of 16 x 16 px, front to back. T tiles a camera, M intersections."""

    splat_offsets: Tensor  # [C * N + 1] int64, first gradient slot of a splat
    tile_offsets: Tensor  # [C * T + 1] int64, first intersection of a tile
    splat_ids: Tensor  # [M] int32
    slots: Tensor  # [M] int32, gradient slot of an intersection


def intersect_tiles(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    extents: Tensor,
    width: int,
    height: int,
) -> TileLists:
    """Find the tiles that each splat's support touches, and order each tile's splats by depth (stable).

    Args:
        means2d: [C, N, 2] px.
        conics: [C, N, 3] inverse 2-D covariances.
        depths: [C, N] >= 0.
        extents: [C, N, 2]; 0 where a splat is not visible.
        width: px.
        height: px.

    Returns:
        TileLists. Raises MemoryError where there are more intersections than 32-bit indices reach.
    """
    return TileLists(*torch.ops.splatkit.intersect_tiles(means2d, conics, depths, extents, width, height))


def rasterize_splats(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    extents: Tensor,
    colors: Tensor,
    opacities: Tensor,
    betas: Tensor,
    lists: TileLists,
    width: int,
    height: int,
    absgrad_probe: Tensor | None = None,
    kernel: str = "generalized_exponential",
) -> tuple[Tensor, Tensor]:
    """Composite splats over black, front to back.

    Args:
        means2d: [C, N, 2] px.
        conics: [C, N, 3] inverse 2-D covariances.
        depths: [C, N], only ordered by.
        extents: [C, N, 2], as the projection returned them.
        colors: [C, N, D] features, D from 1 to MAX_CHANNELS.
        opacities: [N] in [0, 1].
        betas: [N] in [1, 8].
        lists: from `intersect_tiles` with the same arguments.
        width: px.
        height: px.
        absgrad_probe: [C, N, 2] whose gradient becomes the sum over pixels of the absolute gradient of means2d; its
            values are not read.
        kernel: the profile, a name of `projection.PROFILES`.

    Returns:
        Features [C, H, W, D] and alphas [C, H, W]. Gradients reach means2d, conics, colors, opacities and betas.
    """
    return torch.ops.splatkit.rasterize_splats(
        means2d,
        conics,
        depths,
        extents,
        colors,
        opacities,
        betas,
        absgrad_probe,
        *lists,
        width,
        height,
        number_of(kernel, PROFILES, "kernel"),
    )


def median_depths(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    extents: Tensor,
    opacities: Tensor,
    betas: Tensor,
    lists: TileLists,
    width: int,
    height: int,
    kernel: str = "generalized_exponential",
) -> Tensor:
    """Depth [C, H, W] of the splat at which a pixel's transmittance falls to one half; 0 where none does.

    Arguments as in `rasterize_splats`. Gradients reach the depths alone: moved a little, everything else leaves the
    splat and so its depth what they are. Of several splats of exactly that depth the first has the gradient.
    """
    with torch.no_grad():
        medians = torch.ops.splatkit.median_depths(
            means2d,
            conics,
            depths,
            extents,
            opacities,
            betas,
            *lists,
            width,
            height,
            number_of(kernel, PROFILES, "kernel"),
        )
    if depths.shape[1] == 0 or not (depths.requires_grad and torch.is_grad_enabled()):
        return medians
    # A median is the very depth of one splat, so that its value finds the splat.
    ordered, order = depths.detach().sort(dim=1, stable=True)
    places = torch.searchsorted(ordered, medians.flatten(1)).clamp_max(depths.shape[1] - 1)
    found = depths.gather(1, order.gather(1, places)).reshape(medians.shape)
    return torch.where(medians > 0, found, medians)


def _check_pass(like: Tensor, count: int, what: str) -> None:
    if like.device.type == "cpu":  # a GPU's allocator refuses by itself
        require_memory(what, count, "render fewer cameras at once or smaller images")


def _intersect_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, (width, height) = [dense(tensor) for tensor in args[:4]], args[4:]
    check_image_size(width, height)
    cameras, splats = tensors[2].shape
    tiles = -(-width // TILE_SIZE) * -(-height // TILE_SIZE)
    means2d = tensors[0]
    splat_offsets = means2d.new_empty(cameras * splats + 1, dtype=torch.int64)
    scratch = means2d.new_empty(native().count_scratch_size(means2d), dtype=torch.uint8)
    count = native().count_intersections(*tensors, width, height, splat_offsets, scratch, threads())
    if count > torch.iinfo(torch.int32).max:
        raise MemoryError(
            f"{count} intersections of splats and tiles exceed 32-bit indices: "
            "render fewer cameras at once or smaller images"
        )
    # The lists, and what filling them takes: the tile of each intersection and counts by tile.
    _check_pass(means2d, 12 * count + 16 * cameras * tiles + 40 * splats * cameras, "the tile lists")
    tile_offsets = means2d.new_empty(cameras * tiles + 1, dtype=torch.int64)
    splat_ids = means2d.new_empty(count, dtype=torch.int32)
    lists = (splat_offsets, tile_offsets, splat_ids, torch.empty_like(splat_ids))
    scratch = means2d.new_empty(native().tile_lists_scratch_size(means2d, cameras * tiles, count), dtype=torch.uint8)
    native().fill_tile_lists(*tensors, width, height, *lists, scratch, threads())
    return lists


def _intersect_fake(*args: Any) -> tuple[Tensor, ...]:
    depths, (width, height) = args[2], args[4:]
    cameras, splats = depths.shape
    tiles = -(-width // TILE_SIZE) * -(-height // TILE_SIZE)
    count = torch.library.get_ctx().new_dynamic_size()
    return (
        depths.new_empty(cameras * splats + 1, dtype=torch.int64),
        depths.new_empty(cameras * tiles + 1, dtype=torch.int64),
        depths.new_empty(count, dtype=torch.int32),
        depths.new_empty(count, dtype=torch.int32),
    )


def _rasterize_native(*args: Any) -> tuple[Tensor, Tensor]:
    tensors, lists, settings = [dense(tensor) for tensor in args[:7]], args[8:12], args[12:]
    cameras, _, channels = tensors[4].shape
    _check_pass(
        tensors[4], cameras * settings[0] * settings[1] * (channels + 1) * tensors[4].element_size(), "the image"
    )
    features, alphas = _rasterize_fake(*args)
    native().rasterize_splats(*tensors, *settings, *lists, features, alphas, threads())
    return features, alphas


def _rasterize_fake(*args: Any) -> tuple[Tensor, Tensor]:
    colors, (width, height) = args[4], args[12:14]
    cameras, _, channels = colors.shape
    return colors.new_empty(cameras, height, width, channels), colors.new_empty(cameras, height, width)


def _rasterize_backward_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, lists, settings = [dense(tensor) for tensor in args[:7]], args[7:11], args[11:14]
    gradients, (wants_absgrad, wants_betas) = [dense(v) for v in args[14:18]], args[18:]
    outputs = _rasterize_backward_fake(*args)
    v_means2d, v_absolute, *v_others, v_betas = outputs
    passed = (v_means2d, v_absolute if wants_absgrad else None, *v_others, v_betas if wants_betas else None)
    channels = tensors[4].shape[-1]
    rows = len(lists[2])
    if tensors[4].device.type == "cpu":  # in groups, of which each wants a row for every splat
        rows = min(rows, max(SLOT_ROWS, tensors[4].shape[1]))
    columns = native().SLOT_GRADIENTS + channels
    _check_pass(tensors[4], rows * columns * tensors[4].element_size(), "the gradients of intersections")
    scratch = tensors[4].new_empty(rows, columns)
    native().rasterize_splats_backward(*tensors, *settings, *lists, *gradients, *passed, scratch, threads())
    return outputs


def _rasterize_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    means2d, conics, _, _, colors, opacities, betas = args[:7]
    wants_absgrad, wants_betas = args[18:]
    empty = means2d.new_empty(0)
    like = (means2d, means2d if wants_absgrad else empty, conics, colors, opacities, betas if wants_betas else empty)
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in like)


def _rasterize_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:7], *inputs[8:12], *output)
    ctx.settings = inputs[12:]
    ctx.wants_absgrad = inputs[7] is not None


def _rasterize_gradient(ctx: Any, v_features: Tensor, v_alphas: Tensor) -> tuple[Any, ...]:
    saved = ctx.saved_tensors
    v_means2d, v_means2d_abs, v_conics, v_colors, v_opacities, v_betas = torch.ops.splatkit.rasterize_splats_backward(
        *saved[:11], *ctx.settings, *saved[11:], v_features, v_alphas, ctx.wants_absgrad, ctx.needs_input_grad[6]
    )
    v_probe = v_means2d_abs if ctx.wants_absgrad else None
    return (
        v_means2d,
        v_conics,
        None,
        None,
        v_colors,
        v_opacities,
        v_betas if ctx.needs_input_grad[6] else None,
        v_probe,
        *[None] * 7,
    )


def _median_native(*args: Any) -> Tensor:
    tensors, lists, settings = [dense(tensor) for tensor in args[:6]], args[6:10], args[10:]
    medians = _median_fake(*args)
    native().median_depths(*tensors, *settings, *lists, medians, threads())
    return medians


def _median_fake(*args: Any) -> Tensor:
    depths, (width, height) = args[2], args[10:12]
    return depths.new_empty(depths.shape[0], height, width)


_LISTS = "Tensor splat_offsets, Tensor tile_offsets, Tensor splat_ids, Tensor slots"

define(
    f"intersect_tiles({_IMAGE}, int width, int height) -> ({_LISTS})",
    _intersect_native,
    _intersect_fake,
)
define(
    f"rasterize_splats({_IMAGE}, Tensor colors, Tensor opacities, Tensor betas, Tensor? absgrad_probe, {_LISTS},"
    " int width, int height, int kernel) -> (Tensor features, Tensor alphas)",
    _rasterize_native,
    _rasterize_fake,
)
define(
    f"rasterize_splats_backward({_IMAGE}, Tensor colors, Tensor opacities, Tensor betas, {_LISTS}, int width,"
    " int height, int kernel, Tensor features, Tensor alphas, Tensor v_features, Tensor v_alphas, bool wants_absgrad,"
    " bool wants_betas) -> (Tensor v_means2d, Tensor v_means2d_abs, Tensor v_conics, Tensor v_colors,"
    " Tensor v_opacities, Tensor v_betas)",
    _rasterize_backward_native,
    _rasterize_backward_fake,
)
differentiate("rasterize_splats", _rasterize_gradient, _rasterize_setup)
define(
    f"median_depths({_IMAGE}, Tensor opacities, Tensor betas, {_LISTS}, int width, int height, int kernel) -> Tensor",
    _median_native,
    _median_fake,
)
