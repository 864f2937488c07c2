"""Textured planes seen by pinhole cameras, with exact geometry, and how stereo takes them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.ops.stereo import (
    AgreementNeighbor,
    MatchedPlanes,
    MatchingSettings,
    MatchingSource,
    check_agreement,
    match_planes,
    pack_grays,
    window_texture,
)
from splatkit.reference import stereo as reference
from splatkit.reference.stereo_matching import Settings, Source

SLANTED = ((0.04, 0.03, 0.25),)  # g with g . X = 1 in the frame of the first view: z about 4
ROOF = ((0.12, 0.02, 0.27), (-0.1, 0.0, 0.24))  # two, the nearer of which is seen
DEPTH_RANGE = (2.0, 8.0)


class PlaneView(NamedTuple):
    """One picture of the planes."""

    grays: Tensor  # [h, w] uint8
    K: NDArray[np.float64]  # [3, 3] px
    T: NDArray[np.float64]  # T_view_first
    planes: Tensor  # [h, w, 3] float64, true ones


def camera_matrix(width: int, height: int, focal: float) -> NDArray[np.float64]:
    return np.array([[focal, 0, width / 2 + 0.3], [0, 1.01 * focal, height / 2 - 0.4], [0, 0, 1]])


def looking_from(place: Sequence[float], target: Sequence[float]) -> NDArray[np.float64]:
    """T_view_first of a camera held level."""
    forward = np.subtract(target, place)
    right = np.cross([0.0, 1.0, 0.0], forward)
    R = np.stack([axis / np.linalg.norm(axis) for axis in (right, np.cross(forward, right), forward)])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ np.array(place)
    return T


def picture(
    planes: Sequence[Sequence[float]],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    width: int,
    height: int,
    seed: int,
) -> PlaneView:
    """Grays of a solid texture, sines of 4 to 12 px at z = 4, where rays meet the nearest plane."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(24, 3))
    waves *= 2 * np.pi * 60 / 4 / rng.uniform(4, 12, (24, 1)) / np.linalg.norm(waves, axis=1, keepdims=True)
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([column + 0.5, row + 0.5, np.ones_like(row)], -1) @ np.linalg.inv(K).T
    turned = np.array(planes) @ T[:3, :3].T
    g = turned / (1 + turned @ T[:3, 3])[:, None]  # in the frame of the view
    nearest = (rays @ g.T).argmax(-1)
    depths = 1 / (rays @ g.T).max(-1)
    points = (rays * depths[..., None] - T[:3, 3]) @ T[:3, :3]
    texture = np.sin(points @ waves.T + rng.uniform(0, 2 * np.pi, 24)).sum(-1)
    grays = np.clip(127.5 + 30 * texture / np.sqrt(12), 0, 255).round().astype(np.uint8)
    m = g @ np.linalg.inv(K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]))
    return PlaneView(torch.from_numpy(grays), K, T, torch.from_numpy(m[nearest]))


def plane_scene(
    planes: Sequence[Sequence[float]] = SLANTED,
    views: int = 4,
    seed: int = 0,
    width: int = 40,
    height: int = 30,
    focal: float | None = None,
) -> list[PlaneView]:
    """A reference view and others, of other sizes and focal lengths, around it that look at the planes.

    The focal length in px is 1.5 times the width, unless it is given.
    """
    focal = 1.5 * width if focal is None else focal
    found = [picture(planes, camera_matrix(width, height, focal), np.eye(4), width, height, seed)]
    places = [(0.7, 0.1, 0.1), (-0.6, 0.3, 0.0), (0.1, -0.7, -0.2), (-0.3, -0.6, 0.2)]
    for i, place in enumerate(places[: views - 1]):
        T = looking_from(place, (0.0, 0.0, 4.0))
        size = width + 3 * i, height + 2 - i
        found.append(picture(planes, camera_matrix(*size, focal * (1 + 0.05 * i)), T, *size, seed))
    return found


def match(
    views: Sequence[PlaneView],
    planes: Tensor,
    sweeps: Sequence[float],
    *,
    usable: Tensor | None = None,
    source_planes: Sequence[Tensor] | None = None,
    depth_range: tuple[float, float] = DEPTH_RANGE,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> MatchedPlanes:
    """By native code: the first view with the others. Results come back on the CPU."""
    grays = views[0].grays.to(device)
    usable = torch.ones(grays.shape, dtype=torch.bool) if usable is None else usable
    sources = [
        MatchingSource(
            pack_grays(view.grays.to(device)),
            view.K,
            view.T,
            None if source_planes is None else source_planes[i].float().to(device),
        )
        for i, view in enumerate(views[1:])
    ]
    found = match_planes(
        planes.float().to(device),
        grays,
        usable.to(device),
        views[0].K,
        sources,
        depth_range,
        sweeps,
        seed=seed,
    )
    return MatchedPlanes(*(tensor.cpu() for tensor in found))


def by_definition(
    views: Sequence[PlaneView],
    *,
    usable: Tensor | None = None,
    source_planes: Sequence[Tensor] | None = None,
    depth_range: tuple[float, float] = DEPTH_RANGE,
    seed: int = 0,
) -> reference.Reference:
    """The same as the definition takes it."""
    sources = [
        Source(
            view.grays.double(),
            torch.from_numpy(view.K),
            torch.from_numpy(view.T),
            None if source_planes is None else source_planes[i].double(),
        )
        for i, view in enumerate(views[1:])
    ]
    s = MatchingSettings()
    judged = Settings(s.window.color_sigma, s.window.space_sigma, s.noise, s.geometric_weight, s.geometric_limit)
    first = views[0]
    usable = torch.ones(first.grays.shape, dtype=torch.bool) if usable is None else usable
    K = torch.from_numpy(first.K)
    return reference.Reference(first.grays.double(), usable, K, sources, depth_range, judged, seed)


def source_bits(views: Tensor, count: int) -> Tensor:
    """Bits of sources [H, W] uint8 as truth values [H, W, count]."""
    return (views[..., None].int() >> torch.arange(count)) & 1 > 0


def wrong_surfaces(views: Sequence[PlaneView], seed: int, share: float = 0.01) -> list[Tensor]:
    """Planes [h, w, 3] float32 of all views but the first, wrong by a random share of the inverse depth."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (view.planes * (1 + share * torch.randn(*view.grays.shape, 1, generator=generator))).float()
        for view in views[1:]
    ]


def agreement_neighbors(
    views: Sequence[PlaneView], surfaces: Sequence[Tensor], device: torch.device | str = "cpu"
) -> list[AgreementNeighbor]:
    """All views but the first, with costs from 0 to 1."""
    return [
        AgreementNeighbor(
            surface.to(device),
            torch.rand(surface.shape[:2], generator=torch.Generator().manual_seed(1)).to(device),
            view.K,
            view.T,
        )
        for view, surface in zip(views[1:], surfaces, strict=True)
    ]


def stereo_results(seed: int, device: torch.device | str = "cpu") -> list[Tensor]:
    """Every kernel of stereo on two scenes, on the CPU."""
    found: list[Tensor] = []
    for planes in (SLANTED, ROOF):
        views = plane_scene(planes, views=5, seed=seed)
        surfaces = wrong_surfaces(views, seed)
        first = match(views, torch.zeros(30, 40, 3), [0.8, 0.7, 0.0], seed=seed, device=device)
        second = match(views, first.planes, [0.6], source_planes=surfaces, seed=seed, device=device)
        neighbors = agreement_neighbors(views, surfaces, device)
        agreement = check_agreement(second.planes.to(device), views[0].K, neighbors)
        found += [*first, *second, *agreement, *window_texture(views[0].grays.to(device), 800.0)]
    return [tensor.cpu() for tensor in found]
