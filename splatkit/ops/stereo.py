"""Dense multi-view stereo: slanted-plane PatchMatch, agreement between views, and texture of windows.

Pixels are those of pinhole images; Ks have pixel centers at +0.5 as everywhere. A plane m [3] holds the inverse z-depth
of a pixel at column c and row r, counted from 0: 1 / z = m . (c, r, 1). Zeros are no plane. All tensors of a call lie
on one device; results have the same bits on every device, instruction set and number of threads.

The definitions are in `splatkit.reference.stereo`; the native code in `cuda/stereo`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.ops._library import check_image_size, define, native, threads

MAX_SOURCES = 8
MAX_NEIGHBORS = 16
_COLUMNS = [*range(-3, 4, 2), *(list(range(-5, 6, 2)) * 4), *range(-3, 4, 2)]
_ROWS = [-5] * 4 + [row for row in range(-3, 4, 2) for _ in range(6)] + [5] * 4


@dataclass(frozen=True)
class WindowSettings:
    """Bilateral weights of a matching window: 32 samples of 11 x 11 px."""

    color_sigma: float = 18.0  # of grays from 0 to 255
    space_sigma: float = 5.0  # px


@dataclass(frozen=True)
class MatchingSettings:
    """How planes are judged."""

    window: WindowSettings = WindowSettings()
    noise: float = 2.0  # variance of grays that a flat window has by noise alone
    geometric_weight: float = 0.2  # cost of a pixel of inconsistency with the sources' own planes
    geometric_limit: float = 3.0  # px


@dataclass(frozen=True)
class AgreementSettings:
    """When a neighbor's plane agrees with a pixel's."""

    most_pixels: float = 1.0  # between the pixel and where the neighbor's surface comes back to
    most_share: float = 0.01  # between depths
    least_cosine: float = 0.8  # between normals
    trusted_cost: float = 0.5  # a neighbor's surface with less can be seen through points before it


class MatchingSource(NamedTuple):
    """A view that a reference is matched with."""

    packed: Tensor  # [h, w] int32, of `pack_grays`
    K: NDArray[np.float64]  # [3, 3] px
    T_source_reference: NDArray[np.float64]  # [4, 4] OpenCV axes
    planes: Tensor | None = None  # [h, w, 3] float32: what it found before; all sources of a call have it, or none


class AgreementNeighbor(NamedTuple):
    """A view whose planes are compared with a reference's."""

    planes: Tensor  # [h, w, 3] float32
    costs: Tensor  # [h, w] float32
    K: NDArray[np.float64]  # [3, 3] px
    T_neighbor_reference: NDArray[np.float64]  # [4, 4] OpenCV axes


class MatchedPlanes(NamedTuple):
    """What is believed of each pixel."""

    planes: Tensor  # [H, W, 3] float32
    costs: Tensor  # [H, W] float32, 0 the best and 2 the worst, more with inconsistency
    views: Tensor  # [H, W] uint8, a bit for each source that was used


class Agreement(NamedTuple):
    """What neighbors say of each pixel; all [H, W] float32."""

    depths: Tensor  # mean z of the pixel's own and those that agree
    agreeing: Tensor  # number of neighbors that agree
    information: Tensor  # sum over them of (px of parallax a unit of depth)^2
    scatter: Tensor  # standard deviation of the depths
    through: Tensor  # number of neighbors that see a surface behind


def pack_grays(grays: Tensor) -> Tensor:
    """Four neighbors in one word, so that a bilinear sample takes one read.

    Args:
        grays: [h, w] uint8.

    Returns:
        [h, w] int32: grays at (x, y), (x + 1, y), (x, y + 1) and (x + 1, y + 1), lowest byte first; beyond the border
        the nearest.
    """
    padded = torch.cat([grays, grays[-1:]])
    padded = torch.cat([padded, padded[:, -1:]], 1).int()
    upper = padded[:-1, :-1] | (padded[:-1, 1:] << 8)
    return upper | (padded[1:, :-1] << 16) | (padded[1:, 1:] << 24)


def match_planes(
    planes: Tensor,
    grays: Tensor,
    usable: Tensor,
    K: NDArray[np.float64],
    sources: Sequence[MatchingSource],
    depth_range: tuple[float, float],
    sweeps: Sequence[float],
    *,
    first_sweep: int = 0,
    seed: int = 0,
    settings: MatchingSettings = MatchingSettings(),
) -> MatchedPlanes:
    """Sweeps of red-black PatchMatch (Galliani et al. 2015) with votes over views (Xu and Tao 2019).

    Args:
        planes: [H, W, 3] float32 to start from; where one is zero or out of range, a random one is taken.
        grays: [H, W] uint8.
        usable: [H, W] bool; the others are not matched and get the worst cost.
        K: [3, 3] px.
        sources: 1 to 8.
        depth_range: nearest and farthest z.
        sweeps: for each sweep over all pixels the cost below which a plane speaks for a source; none only judges.
        first_sweep: number of the first sweep among all that this reference gets: random numbers depend on it.
        seed: of random numbers.
        settings: see there.

    Raises:
        ValueError: a shape, a range, a number of sources, a camera or the noise is wrong.
        TypeError: a dtype is wrong.
    """
    nearest, farthest = depth_range
    if not 0 < nearest < farthest < np.inf:
        raise ValueError(f"depth_range: expected 0 < nearest < farthest, got {nearest}, {farthest}")
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise ValueError(f"sources: expected 1 to {MAX_SOURCES}, got {len(sources)}")
    if len({source.planes is None for source in sources}) > 1:
        raise ValueError("sources: expected planes of all of them, or of none")
    if usable.dtype != torch.bool:
        raise TypeError(f"usable: expected bool, got {usable.dtype}")
    if not settings.noise > 0:  # a flat window would be divided by its own variance
        raise ValueError(f"settings.noise: expected a positive variance, got {settings.noise}")
    for source in sources:
        _check_camera("sources", source.K, source.T_source_reference)
    _check_camera("K", K)
    check_image_size(grays.shape[1], grays.shape[0])
    consistent = sources[0].planes is not None
    parallaxes = [float(source.K[0, 0] * np.linalg.norm(source.T_source_reference[:3, 3])) for source in sources]
    parallax = max(float(np.mean(parallaxes)), 1e-12)
    weight = settings.geometric_weight if consistent else 0.0
    numbers = [*_camera(K), 1 / farthest, 1 / nearest, parallax, settings.noise, weight, settings.geometric_limit, 0.0]
    for source, own in zip(sources, parallaxes, strict=True):
        T = source.T_source_reference
        numbers += [*_homography(K, source.K, T), *_homography(source.K, K, np.linalg.inv(T)), max(own, 1e-12)]
    color, space = _window_weights(settings.window, planes.device)
    found = torch.ops.splatkit.match_planes(
        planes,
        grays,
        usable,
        color,
        space,
        [source.packed for source in sources],
        [source.planes for source in sources if source.planes is not None] if consistent else [],
        numbers,
        seed & 0xFFFFFFFF,
        [first_sweep + number for number in range(len(sweeps))],
        list(sweeps),
    )
    return MatchedPlanes(*found)


def check_agreement(
    planes: Tensor,
    K: NDArray[np.float64],
    neighbors: Sequence[AgreementNeighbor],
    settings: AgreementSettings = AgreementSettings(),
) -> Agreement:
    """Forward and backward reprojection of planes [H, W, 3] against those of up to 16 neighbors.

    A neighbor agrees where its own plane, seen along the ray to the pixel's point, comes back to the pixel within
    `most_pixels`, with a depth and a normal that are alike (Schoenberger et al. 2016, section 3.5).
    """
    if len(neighbors) > MAX_NEIGHBORS:
        raise ValueError(f"neighbors: expected at most {MAX_NEIGHBORS}, got {len(neighbors)}")
    _check_camera("K", K)
    for neighbor in neighbors:
        _check_camera("neighbors", neighbor.K, neighbor.T_neighbor_reference)
    s = settings
    numbers = [*_camera(K), s.most_pixels, s.most_share, s.least_cosine, s.trusted_cost]
    for neighbor in neighbors:
        numbers += [*_camera(neighbor.K), *_pose(neighbor.T_neighbor_reference)]
    sides = [neighbor.planes for neighbor in neighbors], [neighbor.costs for neighbor in neighbors]
    return Agreement(*torch.ops.splatkit.check_consistency(planes, *sides, numbers).unbind(-1))


def window_texture(grays: Tensor, least: float, settings: WindowSettings = WindowSettings()) -> tuple[Tensor, Tensor]:
    """Variance of each pixel's weighted window, and how much of the window lies where that is more than `least`.

    Args:
        grays: [H, W] uint8.
        least: variance of grays.
        settings: see there.

    Returns:
        Two [H, W] float32.
    """
    variances, shares = torch.ops.splatkit.window_texture(grays, *_window_weights(settings, grays.device), least)
    return variances, shares


def _check_camera(name: str, K: NDArray[np.float64], T: NDArray[np.float64] | None = None) -> None:
    T = np.eye(4) if T is None else T
    if K.shape != (3, 3) or T.shape != (4, 4) or not (np.isfinite(K).all() and np.isfinite(T).all()):
        raise ValueError(f"{name}: expected finite numbers, K [3, 3] and a pose [4, 4]")


def _camera(K: NDArray[np.float64]) -> list[float]:
    """fx, fy, cx, cy with pixels counted from the center of the first."""
    return [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]) - 0.5, float(K[1, 2]) - 0.5]


def _pose(T: NDArray[np.float64]) -> list[float]:
    return [*T[:3, :3].ravel().tolist(), *T[:3, 3].tolist()]


def _homography(K_from: NDArray[np.float64], K_to: NDArray[np.float64], T_to_from: NDArray[np.float64]) -> list[float]:
    """A [3, 3] and b [3]: pixels p of one view on plane m lie at A p + b (m . p) in the other."""
    to_centers = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
    A = to_centers @ K_to @ T_to_from[:3, :3] @ np.linalg.inv(to_centers @ K_from)
    return [*A.ravel().tolist(), *(to_centers @ K_to @ T_to_from[:3, 3]).tolist()]


def _window_weights(settings: WindowSettings, device: torch.device) -> tuple[Tensor, Tensor]:
    """By the difference of grays [256], and by sample [32]."""
    if not (settings.color_sigma > 0 and settings.space_sigma > 0):
        raise ValueError(f"window: expected positive sigmas, got {settings.color_sigma}, {settings.space_sigma}")
    differences = torch.arange(256, dtype=torch.float64)
    color = torch.exp(-(differences**2) / (2 * settings.color_sigma**2))
    squares = torch.tensor(_COLUMNS, dtype=torch.float64) ** 2 + torch.tensor(_ROWS, dtype=torch.float64) ** 2
    space = torch.exp(-squares / (2 * settings.space_sigma**2))
    return color.float().to(device), space.float().to(device)


def _match_native(
    planes: Tensor,
    grays: Tensor,
    usable: Tensor,
    color_weights: Tensor,
    space_weights: Tensor,
    packed: Sequence[Tensor],
    source_planes: Sequence[Tensor],
    numbers: Sequence[float],
    seed: int,
    sweeps: Sequence[int],
    good_costs: Sequence[float],
) -> tuple[Tensor, Tensor, Tensor]:
    state = (planes.clone(memory_format=torch.contiguous_format), *_match_fake(planes)[1:])
    native().match_planes(
        *state,
        grays.contiguous(),
        usable.to(torch.uint8).contiguous(),
        color_weights,
        space_weights,
        [image.contiguous() for image in packed],
        [surface.contiguous() for surface in source_planes],
        list(numbers),
        seed,
        list(sweeps),
        list(good_costs),
        threads(),
    )
    return state


def _match_fake(planes: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    size = planes.shape[:2]
    return planes.new_empty(planes.shape), planes.new_empty(size), planes.new_empty(size, dtype=torch.uint8)


def _check_native(
    planes: Tensor, neighbor_planes: Sequence[Tensor], neighbor_costs: Sequence[Tensor], numbers: Sequence[float]
) -> Tensor:
    out = _check_fake(planes)
    sides = [[tensor.contiguous() for tensor in side] for side in (neighbor_planes, neighbor_costs)]
    native().check_consistency(planes.contiguous(), *sides, list(numbers), out, threads())
    return out


def _check_fake(planes: Tensor, *_: object) -> Tensor:
    return planes.new_empty(*planes.shape[:2], 5)


def _texture_native(grays: Tensor, color_weights: Tensor, space_weights: Tensor, least: float) -> tuple[Tensor, Tensor]:
    out = _texture_fake(grays)
    native().window_texture(grays.contiguous(), color_weights, space_weights, least, *out, threads())
    return out


def _texture_fake(grays: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    return grays.new_empty(grays.shape, dtype=torch.float32), grays.new_empty(grays.shape, dtype=torch.float32)


define(
    "match_planes(Tensor planes, Tensor grays, Tensor usable, Tensor color_weights, Tensor space_weights,"
    " Tensor[] packed, Tensor[] source_planes, float[] numbers, int seed, int[] sweeps, float[] good_costs)"
    " -> (Tensor planes_out, Tensor costs, Tensor views)",
    _match_native,
    _match_fake,
)
define(
    "check_consistency(Tensor planes, Tensor[] neighbor_planes, Tensor[] neighbor_costs, float[] numbers)"
    " -> Tensor agreement",
    _check_native,
    _check_fake,
)
define(
    "window_texture(Tensor grays, Tensor color_weights, Tensor space_weights, float least)"
    " -> (Tensor variances, Tensor shares)",
    _texture_native,
    _texture_fake,
)
