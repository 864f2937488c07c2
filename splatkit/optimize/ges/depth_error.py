"""Where a rendered depth disagrees with what was measured, as a picture."""

import torch
from torch import Tensor

from splatkit.optimize.ges.view import View

_BLOCK = 8  # px: points clearly behind others of their block of pixels count as hidden
_HIDDEN_SHARE = 0.1  # of the depth of the nearest one
_FULL_COLOR = 0.1  # relative error that is shown in full color


def depth_error_image(rendered: Tensor, view: View, cloud: Tensor) -> Tensor:
    """Where a rendered depth disagrees with a cloud: red where it is too near, blue where too far, white where right.

    Args:
        rendered: [H, W, 1] z-depth, 0 where nothing was hit.
        view: that was rendered.
        cloud: [N, 3] world.

    Returns:
        [H, W, 3] in [0, 1]; black where nothing was measured. Full colors are errors of 10 % and more.
    """
    height, width = rendered.shape[:2]
    pixels, depths = view.project(cloud.to(rendered))
    columns, rows = torch.nan_to_num(pixels, nan=-1.0).clamp(-1, 1 << 20).floor().long().unbind(1)
    seen = (depths > 0) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows, depths = columns[seen], rows[seen], depths[seen]
    across = -(-width // _BLOCK)
    block = rows // _BLOCK * across + columns // _BLOCK
    nearest = depths.new_full((across * -(-height // _BLOCK),), torch.inf).scatter_reduce(0, block, depths, "amin")
    open_ = depths <= (1 + _HIDDEN_SHARE) * nearest[block]
    # Of several points in a pixel the nearest is shown, whatever their order.
    shown = depths.new_full((height * width,), torch.inf)
    shown = shown.scatter_reduce(0, (rows * width + columns)[open_], depths[open_], "amin")
    return _painted(rendered[..., 0], shown.reshape(height, width))


def _painted(rendered: Tensor, measured: Tensor) -> Tensor:
    """Colors [H, W, 3] of the errors of depths [H, W]; measured ones are infinite where there are none."""
    known = measured.isfinite()
    error = ((rendered - measured) / measured / _FULL_COLOR).clamp(-1, 1)
    near, far = (-error).clamp_min(0), error.clamp_min(0)
    colors = torch.stack([1 - far, 1 - near - far, 1 - near], -1)
    return torch.where(known[..., None], colors, 0.0)
