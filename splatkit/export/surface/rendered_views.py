"""What a run's training cameras see of its field: depth, normals, opacity and color, packed to 12 bytes a pixel.

Large photographs are rendered smaller: the surface resolves what its voxels do, and memory stays within a bound.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from splatkit.errors import EmptyMeshError
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RenderedView, SurfaceSource


class RenderedViews:
    """Views of a run, rendered once and kept packed. Images of a dataset may differ in size."""

    def __init__(self, views: Iterable[RenderedView]) -> None:
        self._packed = [_pack(view) for view in views]
        if not self._packed:
            raise EmptyMeshError("the run has no training view to take a surface from")

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int) -> RenderedView:
        return _unpack(self._packed[index])

    def __iter__(self) -> Iterator[RenderedView]:
        return map(_unpack, self._packed)

    @property
    def pixels(self) -> int:
        """Of all views."""
        return sum(view.depths.numel() for view in self._packed)

    @property
    def centers(self) -> Tensor:
        """[C, 3] float64 of the cameras."""
        return torch.stack([torch.tensor(view.posed.center) for view in self._packed])


def render_views(run: SurfaceSource, max_pixels: int, progress: Progress = no_progress) -> RenderedViews:
    """Render all training views, each with at most `max_pixels`.

    Raises:
        EmptyMeshError: no view shows anything, or what is rendered is not finite.
    """
    limit = min(max_pixels, run.view_pixels)

    def render() -> Iterator[RenderedView]:
        for view in track(run.train_views, "rendering depth", progress, len(run.train_views)):
            camera = view.rendered
            small = camera.scaled(*reduced_size(camera.width, camera.height, limit))
            yield run.render_surface(replace(view.posed, camera=small))

    views = RenderedViews(render())
    if not any((view.depths > 0).any() for view in views):
        raise EmptyMeshError(f"none of {len(views)} rendered views has a depth: the field is empty, or not finite")
    return views


def reduced_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The largest size of the same shape with at most so many pixels."""
    scale = min(1.0, math.sqrt(max_pixels / (width * height)))
    return max(2, int(width * scale)), max(2, int(height * scale))


def _pack(view: RenderedView) -> RenderedView:
    """Depths stay float32; what is not finite becomes nothing."""
    finite = torch.isfinite(view.depths) & torch.isfinite(view.normals).all(-1) & torch.isfinite(view.alphas)
    shown = finite & (view.depths > 0)
    return RenderedView(
        view.posed,
        torch.where(shown, view.depths, 0).float(),
        torch.where(shown, view.spreads, 0).nan_to_num(0, 0, 0).half(),
        (torch.where(shown[..., None], view.normals, 0).clamp(-1, 1) * 127).round().to(torch.int8),
        (torch.where(finite, view.alphas, 0).clamp(0, 1) * 255).round().to(torch.uint8),
        (view.colors.nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8),
    )


def _unpack(view: RenderedView) -> RenderedView:
    return view._replace(
        spreads=view.spreads.float(),
        normals=view.normals.float() / 127,
        alphas=view.alphas.float() / 255,
        colors=view.colors.float() / 255,
    )
