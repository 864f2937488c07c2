"""What a run's training cameras see of its field: depth, normals, opacity and color, packed to 12 bytes a pixel.

Large photographs are rendered smaller: the surface resolves what its voxels do, and memory stays within a bound.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor

from splatkit.errors import DatasetError, EmptyMeshError
from splatkit.export.surface.measured_views import (
    add_measured,
    measured_over_rendered,
    read_measured_view,
    see_measured,
)
from splatkit.export.surface.settings import SurfaceKind
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RenderedView, SurfaceSource, SurfaceViews

_SIGMA_STEPS = 1000.0  # deviations are kept as shares of the depth, in parts of a thousand


class RenderedViews:
    """Views of a run, rendered once and kept packed. Images of a dataset may differ in size.

    Attributes:
        measured_over_rendered: median ratio of depths where both are known; None where they are not compared.
    """

    def __init__(self, views: Iterable[RenderedView]) -> None:
        self.measured_over_rendered: float | None = None
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


def surface_views(
    run: SurfaceViews, surface: SurfaceKind, max_pixels: int, progress: Progress = no_progress
) -> RenderedViews:
    """What all training views show, each with at most `max_pixels`.

    Args:
        run: whose views are taken.
        surface: what is rendered, what was measured, or both: then what was measured takes the place of what is
            rendered there.
        max_pixels: larger photographs are looked at averaged down.
        progress: shows how many views are done.

    Raises:
        EmptyMeshError: no view shows anything, or what is rendered is not finite.
        DatasetError: what was measured is asked for alone, and there is none; or a file of it cannot be read.
    """
    measured = [view.is_measured for view in run.train_views]
    if surface == "measured" and not any(measured):
        raise DatasetError(
            "surface: no photograph has a depth map to take a measured surface from; pass --surface rendered, or "
            "measure depths first (`splatkit capture stereo`)"
        )
    renderer = run if isinstance(run, SurfaceSource) and surface != "measured" else None
    limit = max_pixels if renderer is None else min(max_pixels, renderer.view_pixels)
    ratios: list[float] = []

    def look() -> Iterator[RenderedView]:
        label = "reading depth" if renderer is None else "rendering depth"
        for view in track(run.train_views, label, progress, len(run.train_views)):
            camera = view.rendered
            small = camera.scaled(*reduced_size(camera.width, camera.height, limit))
            posed = replace(view.posed, camera=small)
            if renderer is None:
                if view.is_measured:
                    yield see_measured(view, posed)
            elif surface == "both" and view.is_measured:
                rendered, found = renderer.render_surface(posed), read_measured_view(view, small)
                if (ratio := measured_over_rendered(rendered, found)) is not None:
                    ratios.append(ratio)
                yield add_measured(rendered, found)
            else:
                yield renderer.render_surface(posed)

    views = RenderedViews(look())
    views.measured_over_rendered = median(ratios) if ratios else None
    if not any((view.depths > 0).any() for view in views):
        raise EmptyMeshError(f"none of {len(views)} views has a depth: the field is empty, or not finite")
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
        None if view.sigmas is None else (view.sigmas / view.depths.clamp_min(1e-20) * _SIGMA_STEPS).half(),
        None if view.measured is None else view.measured & shown,
    )


def _unpack(view: RenderedView) -> RenderedView:
    return view._replace(
        spreads=view.spreads.float(),
        normals=view.normals.float() / 127,
        alphas=view.alphas.float() / 255,
        colors=view.colors.float() / 255,
        sigmas=None if view.sigmas is None else view.sigmas.float() * view.depths / _SIGMA_STEPS,
    )
