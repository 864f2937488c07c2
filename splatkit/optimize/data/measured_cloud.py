"""What was measured in all images as one cloud: for people to look at beside the splats, from wherever they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.depth_maps import read_depth_map
from splatkit.io.images import read_image
from splatkit.io.transforms_json import Frame
from splatkit.optimize.data.lenses import Lens, rectify, view_of_frame
from splatkit.optimize.data.measured_depth import measured_depth
from splatkit.optimize.ges.view import View

MOST_POINTS, _MOST_FRAMES = 100_000, 64
_BLOCK = 8  # px: points clearly behind others of their block of pixels count as hidden
_HIDDEN_SHARE = 0.1  # of the depth of the nearest one
_FULL_COLOR = 0.1  # relative error that is shown in full color


@dataclass(frozen=True)
class MeasuredCloud:
    """What was measured in images."""

    points: Tensor  # [N, 3] float32, world
    colors: Tensor | None = None  # [N, 3] uint8, of the photographs


def measured_cloud(
    frames: Sequence[Frame], lenses: Sequence[Lens], unit: float, with_colors: bool = False
) -> MeasuredCloud:
    """Points of the world under measured pixels, evenly chosen from evenly chosen frames.

    Args:
        frames: of which some have depth maps.
        lenses: of all frames.
        unit: of the depth maps.
        with_colors: also read the photographs.
    """
    chosen = [(frame, lens) for frame, lens in zip(frames, lenses, strict=True) if frame.depth_path is not None]
    chosen = chosen[:: max(1, -(-len(chosen) // _MOST_FRAMES))]
    clouds, colors = [torch.zeros(0, 3)], [torch.zeros(0, 3, dtype=torch.uint8)]
    for frame, lens in chosen:
        assert frame.depth_path is not None
        camera = frame.intrinsics
        measured = measured_depth(read_depth_map(frame.depth_path, unit=unit), lens, (camera.width, camera.height))
        stride = max(1, -(-len(measured) * len(chosen) // MOST_POINTS))
        indices, depths = measured.indices[::stride].long(), measured.depths[::stride]
        pixels = torch.stack([indices % camera.width, indices // camera.width], 1) + 0.5
        view = view_of_frame(frame, lens)
        clouds.append(transform_points(invert(view.viewmats[0]), view.unproject(pixels, depths)))
        if with_colors:
            image = rectify(read_image(frame.image_path)[..., :3], lens, cv2.INTER_LINEAR)
            colors.append(torch.from_numpy(image.reshape(-1, 3))[indices])
    return MeasuredCloud(torch.cat(clouds), torch.cat(colors) if with_colors else None)


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
