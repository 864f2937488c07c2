"""Rendered pixels as small planes, each with how far it can be trusted.

A pixel of a rendered depth map stands for a piece of surface: a point, a direction and a weight. The direction is the
mean of two estimates that err for different reasons: the splats' own normals, which ignore how splats are arranged, and
the slope of the depth map, which is noisy. Where these disagree, where a pixel shows two surfaces, where the surface is
seen from its side, and where little light is gone, weights are small.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize, pad

from splatkit.errors import EmptyMeshError
from splatkit.export.surface.rendered_views import RenderedViews
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.se3 import transform_points
from splatkit.runs.views import RenderedView, intrinsics_of, viewmat_of

_SLOPE_STEP = 2  # px between the neighbors whose depths make a slope
_SMOOTHING = 2  # px, radius of the window over which normals of a pixel's own surface are averaged
_SURFACE_STEP = 12.0  # px of footprint by which neighbors on one surface may differ in depth
_SPREAD_PX = 1.0  # difference of expected and median depth, in footprints, at which the weight halves
_SAMPLE_STRIDE = 7  # of pixels from which medians are taken
_EMPTY_ALPHA = 0.05  # below it a pixel shows that there is nothing
_RENDERED_PX = 1.0  # footprints that depths err of which nothing is known
_FLOOR_PX = 0.3  # footprints, of errors that a view's pixels share: poses, and what deviations do not know
_MAX_WEIGHT = (_RENDERED_PX**2 + _FLOOR_PX**2) / _FLOOR_PX**2
_FRONT_WEIGHT = 0.25  # at most, of the empty space before a surface, and of a ray that meets nothing


_NEAREST_LIMIT, _FARTHEST = 3.0, 10.0  # median depths within which a surface ends
_HELD = 0.95  # of the measured depths
_EVIDENCE = 200_000  # measured places that are kept


class ViewPlanes(NamedTuple):
    """Planes of a view's pixels in the camera's frame: n . x = offset. H * W pixels row by row."""

    posed: PosedCamera
    rows: Tensor  # [H * W, 8]: normal, offset, z-depth (inf: nothing is there, 0: unknown), weight of the surface,
    # weight of the empty space before it, 1 for alignment

    @property
    def width(self) -> int:
        """Px."""
        return self.posed.camera.width

    @property
    def height(self) -> int:
        """Px."""
        return self.posed.camera.height

    @property
    def viewmat(self) -> Tensor:
        """T_camera_world [4, 4] float32."""
        return viewmat_of(self.posed)

    @property
    def K(self) -> Tensor:
        """[3, 3] float32, px."""
        return intrinsics_of(self.posed.camera)

    @property
    def depths(self) -> Tensor:
        """[H, W]."""
        return self.rows[:, 4].reshape(self.height, self.width)

    @property
    def weights(self) -> Tensor:
        """[H, W]."""
        return self.rows[:, 5].reshape(self.height, self.width)


class _PackedPlanes(NamedTuple):
    """What `ViewPlanes` are made of again, 8 bytes a pixel."""

    posed: PosedCamera
    depths: Tensor  # [H, W] float32, as in the rows
    normals: Tensor  # [H, W, 3] int8, camera's frame
    weights: Tensor  # [H, W] uint8, of the square root


class PlaneViews:
    """The planes of all views of a run, packed.

    Args:
        views: of the run.
        min_alpha: below it a pixel shows more background than surface.
        max_incidence_deg: steeper surfaces, and the false ones across depth edges, count for nothing.
        max_depth: what is farther counts for nothing; None: three times the median depth, so that a backdrop costs
            nothing; or, where that is farther, the depth within which 95 % of measured ones lie, up to ten times the
            median.

    Attributes:
        max_depth: see above.
        cut_off_share: of the pixels that show a surface, beyond that depth.
        evidence: [E, 3] float32 places that were measured, evenly chosen from all views; none where nothing was.

    Raises:
        EmptyMeshError: no pixel can be trusted; the message says why.
    """

    def __init__(
        self, views: RenderedViews, *, min_alpha: float, max_incidence_deg: float, max_depth: float | None
    ) -> None:
        self._packed: list[_PackedPlanes] = []
        opaque, sample, measured, places = 0, [], [torch.zeros(0)], [torch.zeros(0, 3)]
        for view in views:
            opaque += int(((view.alphas >= min_alpha) & (view.depths > 0)).sum())
            packed = _pack_planes(view, min_alpha, max_incidence_deg)
            self._packed.append(packed)
            sample.append(packed.depths[packed.weights > 0][::_SAMPLE_STRIDE])
            if view.measured is not None:
                sure = (packed.weights > 0) & view.measured
                measured.append(packed.depths[sure][::_SAMPLE_STRIDE])
                places.append(_some_places(packed, sure, _EVIDENCE // len(views)))
        if opaque == 0:
            raise EmptyMeshError(
                f"no pixel of {len(views)} views has a depth and an alpha >= {min_alpha:g}: the field is empty"
            )
        found = torch.cat(sample)
        if len(found) == 0:
            raise EmptyMeshError(
                f"none of {opaque} pixels with a depth has a neighbor of like depth: they are no surface. A LiDAR's "
                "depths alone are too sparse: add stereo by `splatkit capture stereo`, or train and export a run"
            )
        median = float(found.median())
        self.max_depth = max_depth or _reach(median, torch.cat(measured))
        self.evidence = torch.cat(places)
        self.cut_off_share = float((found > self.max_depth).float().mean())
        if self.cut_off_share == 1:
            raise EmptyMeshError(f"no depth is left within max_depth = {self.max_depth:g}; raise it")

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[ViewPlanes]:
        return (_unpack_planes(packed, self.max_depth) for packed in self._packed)

    def median_footprint(self) -> float:
        """Width of a pixel on the surface, in scene units."""
        found = []
        for packed in self._packed:
            near = packed.depths[(packed.weights > 0) & (packed.depths <= self.max_depth)][::_SAMPLE_STRIDE]
            found.append(near / _focal(intrinsics_of(packed.posed.camera)))
        return float(torch.cat(found).median())


def plane_variances(weights: Tensor) -> Tensor:
    """Variances of a mean of planes, in footprints^2, by the sum of their weights; infinite for 0."""
    return (_RENDERED_PX**2 + _FLOOR_PX**2) / weights


def _pack_planes(view: RenderedView, min_alpha: float, max_incidence_deg: float) -> _PackedPlanes:
    height, width = view.depths.shape
    K, R = view.K, view.viewmat[:3, :3]
    known = trusted_depths(view, min_alpha, max_incidence_deg)
    depths = torch.where(known, view.depths, 0)
    rays = _pixel_rays(K, width, height)
    footprints = depths / _focal(K)
    # Slopes of expected depths: they are less noisy than median ones.
    sloped = _slope_normals(rays * torch.where(known, depths + view.spreads, 0)[..., None], known, footprints)
    rendered = normalize(view.normals @ R.T, dim=-1)
    agreement = (rendered * sloped).sum(-1)
    normals = _smooth(normalize(rendered + sloped, dim=-1), depths, footprints)
    toward = -(normals * rays).sum(-1) / rays.norm(dim=-1)  # the cosine of incidence
    across = toward / footprints.clamp_min(1e-12)  # from depth to footprints across the surface
    spread = view.spreads * across / _SPREAD_PX
    noise = torch.full_like(across, _RENDERED_PX) if view.sigmas is None else view.sigmas * across
    weights = (
        ((view.alphas - min_alpha) / (1 - min_alpha)).clamp(0.05, 1)
        * view.normals.norm(dim=-1).clamp(0.1, 1)
        * (0.1 + 0.9 * agreement.clamp(0, 1))
        * toward
        * (_RENDERED_PX**2 + _FLOOR_PX**2)
        / (_FLOOR_PX**2 + noise.square() + spread.square())
    )
    steep = toward < math.cos(math.radians(max_incidence_deg))
    kept = known & ~steep & (normals.norm(dim=-1) > 0.5)
    weights = torch.where(kept, (weights / _MAX_WEIGHT).clamp(1 / 255**2, 1).sqrt(), 0)
    shown = torch.where(view.alphas < _EMPTY_ALPHA, torch.inf, torch.where(kept, depths, 0))
    return _PackedPlanes(
        view.posed, shown, (normals * 127).round().to(torch.int8), (weights * 255).round().to(torch.uint8)
    )


def _unpack_planes(packed: _PackedPlanes, max_depth: float) -> ViewPlanes:
    height, width = packed.depths.shape
    depths = packed.depths
    weights = (packed.weights.float() / 255).square() * _MAX_WEIGHT
    front = torch.where(torch.isinf(depths), _FRONT_WEIGHT, weights.clamp_max(_FRONT_WEIGHT))
    weights = torch.where(depths <= max_depth, weights, 0)  # a ray that goes farther has passed all that is near
    normals = normalize(packed.normals.float(), dim=-1)
    points = (
        _pixel_rays(intrinsics_of(packed.posed.camera), width, height)
        * torch.where(torch.isfinite(depths), depths, 0)[..., None]
    )
    offsets = (normals * points).sum(-1)
    filler = torch.zeros_like(weights)
    rows = torch.cat([normals, torch.stack([offsets, depths, weights, front, filler], -1)], -1)
    return ViewPlanes(packed.posed, rows.reshape(-1, 8))


def _some_places(packed: _PackedPlanes, chosen: Tensor, count: int) -> Tensor:
    """World coordinates [M, 3] under at most about `count` of the chosen pixels [H, W] of a view."""
    pixels = chosen.reshape(-1).nonzero()[:, 0]
    pixels = pixels[:: max(1, -(-len(pixels) // max(count, 1)))]
    camera = packed.posed.camera
    rays = _pixel_rays(intrinsics_of(camera), camera.width, camera.height).reshape(-1, 3)[pixels]
    T_world_camera = torch.tensor(packed.posed.T_world_camera, dtype=torch.float32)
    return transform_points(T_world_camera, rays * packed.depths.reshape(-1)[pixels, None])


def _reach(median: float, measured: Tensor) -> float:
    """The depth up to which a surface is made, by the median of all depths and by measured ones [N]."""
    nearest = _NEAREST_LIMIT * median
    if len(measured) == 0:
        return nearest
    holding = float(measured.kthvalue(max(1, int(_HELD * len(measured)))).values)
    return max(nearest, min(holding, _FARTHEST * median))


def _focal(K: Tensor) -> Tensor:
    return (K[0, 0] + K[1, 1]) / 2


def _pixel_rays(K: Tensor, width: int, height: int) -> Tensor:
    """[H, W, 3] directions with z = 1 through pixel centers, in the camera's frame."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)], -1)


def trusted_depths(view: RenderedView, min_alpha: float, max_incidence_deg: float) -> Tensor:
    """[H, W] which depths belong to a surface.

    A pixel between two surfaces gets a depth between theirs and belongs to neither. It differs from both neighbors of
    its row, or of its column, while a pixel at the rim of a surface, however thin, has one neighbor that continues it.
    """
    opaque = (view.alphas >= min_alpha) & torch.isfinite(view.depths) & (view.depths > 0)
    allowed = (
        view.depths / _focal(view.K) * math.tan(math.radians(max_incidence_deg))
    )  # change from one pixel to the next
    depths = torch.where(opaque, view.depths, torch.inf)
    kept = opaque.clone()
    for axis in (0, 1):
        size = depths.shape[axis]
        step = (depths.narrow(axis, 1, size - 1) - depths.narrow(axis, 0, size - 1)).abs().nan_to_num(torch.inf)
        rim = torch.full_like(depths.narrow(axis, 0, 1), torch.inf)
        kept &= torch.minimum(torch.cat([step, rim], axis), torch.cat([rim, step], axis)) <= allowed
    return kept


def _slope_normals(points: Tensor, known: Tensor, footprints: Tensor) -> Tensor:
    """[H, W, 3] normals of a depth map in the camera's frame, turned to the camera; zero where there is none.

    Differences are taken to the neighbor on each side that lies on the same surface: across the pixel where both do,
    one-sided at rims.
    """
    tangents = []
    for axis in (1, 0):
        before, after = (_shifted(points, axis, step) for step in (-_SLOPE_STEP, _SLOPE_STEP))
        has_before = _same_surface(points, before, footprints) & known
        has_after = _same_surface(points, after, footprints) & known
        start = torch.where(has_before[..., None], before, points)
        end = torch.where(has_after[..., None], after, points)
        tangents.append(end - start)
    return normalize(torch.linalg.cross(tangents[1], tangents[0]), dim=-1)


def _same_surface(points: Tensor, others: Tensor, footprints: Tensor) -> Tensor:
    return (others[..., 2] > 0) & ((others[..., 2] - points[..., 2]).abs() <= _SURFACE_STEP * footprints)


def _shifted(image: Tensor, axis: int, step: int) -> Tensor:
    """The pixel `step` further along an axis; zeros beyond the border."""
    size = image.shape[axis]
    if abs(step) >= size:
        return torch.zeros_like(image)
    kept = image.narrow(axis, max(step, 0), size - abs(step))
    rim = torch.zeros_like(image.narrow(axis, 0, abs(step)))
    return torch.cat([kept, rim] if step > 0 else [rim, kept], axis)


def _smooth(normals: Tensor, depths: Tensor, footprints: Tensor) -> Tensor:
    """Normals averaged over a window, where that lies on one surface."""
    size = 2 * _SMOOTHING + 1
    stacked = torch.cat([normals, depths[..., None], depths.square()[..., None], (depths > 0).float()[..., None]], -1)
    padded = pad(stacked.permute(2, 0, 1)[None], (_SMOOTHING,) * 4)
    mean = avg_pool2d(padded, size, 1)[0].permute(1, 2, 0)
    count = mean[..., 5].clamp_min(1e-6)
    center = mean[..., 3] / count
    deviation = (mean[..., 4] / count - center.square()).clamp_min(0).sqrt()
    flat = deviation <= _SURFACE_STEP * footprints
    return normalize(torch.where(flat[..., None], mean[..., :3], normals), dim=-1)
