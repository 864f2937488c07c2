"""A wall that stereo matches in the GPU check: shifted copies of one texture, exact to the pixel."""

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gpu_checks.comparison import Case, Finding, compare, share_beyond
from splatkit.ops.stereo import (
    AgreementNeighbor,
    AgreementSettings,
    MatchedPlanes,
    MatchingSource,
    WindowSettings,
    check_agreement,
    match_planes,
    pack_grays,
    window_texture,
)
from splatkit.reference import stereo_consistency as reference

DEPTH, RANGE = 4.0, (2.0, 8.0)
SWEEPS = (0.8, 0.7, 0.6, 0.5)
SHIFTS = (8, -8, 12, -12)  # px between the views
FLAT = 10.0  # variance of grays
MOST_ERROR = 0.01  # of the median depth
DECIDED_BY_ROUNDING = 0.01  # share of pixels whose neighbors agree just so


class Wall(NamedTuple):
    """A view of a wall square to it, and views beside it."""

    grays: Tensor  # [H, W] uint8
    K: NDArray[np.float64]  # [3, 3] px
    sources: list[MatchingSource]

    def match(self) -> MatchedPlanes:
        """All sweeps from random planes."""
        start = torch.zeros(*self.grays.shape, 3, device=self.grays.device)
        usable = torch.ones_like(self.grays, dtype=torch.bool)
        return match_planes(start, self.grays, usable, self.K, self.sources, RANGE, SWEEPS)

    def neighbors(self, found: MatchedPlanes) -> list[AgreementNeighbor]:
        """Views that found what this one did: the planes of a wall square to all are the same."""
        return [
            AgreementNeighbor(found.planes, found.costs, source.K, source.T_source_reference) for source in self.sources
        ]

    def error(self, found: MatchedPlanes) -> float:
        """Median relative error of the depth."""
        height, width = self.grays.shape
        column = torch.arange(width, device=self.grays.device)
        row = torch.arange(height, device=self.grays.device)[:, None]
        x, y, constant = found.planes.unbind(-1)
        return ((x * column + y * row + constant) * DEPTH - 1).abs().median().item()


def wall(width: int, height: int, device: str) -> Wall:
    """Smooth noise; a view to the right by b sees it focal * b / DEPTH px farther to the left."""
    generator = torch.Generator().manual_seed(0)
    margin = max(SHIFTS)
    noise = torch.rand(1, 1, height, width + 2 * margin, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)[0, 0]
    texture = (255 * ((smooth - 0.5) * 2 + 0.5).clamp(0, 1)).to(torch.uint8).to(device)
    focal = 0.75 * width
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    sources = []
    for shift in SHIFTS:
        T = np.eye(4)
        T[0, 3] = -shift * DEPTH / focal
        sources.append(MatchingSource(pack_grays(texture[:, margin + shift :][:, :width]), K, T))
    return Wall(texture[:, margin:][:, :width], K, sources)


def run(device: str) -> list[Finding]:
    """The wall is found; how far views that found it agree, and its texture, are as the definition says."""
    view = wall(67, 45, device)
    found = view.match()
    neighbors, settings = view.neighbors(found), AgreementSettings()
    agreement = check_agreement(found.planes, view.K, neighbors, settings)
    by_definition = [
        reference.Neighbor(
            neighbor.planes.cpu().double(),
            neighbor.costs.cpu().double(),
            torch.from_numpy(neighbor.K),
            torch.from_numpy(neighbor.T_neighbor_reference),
        )
        for neighbor in neighbors
    ]
    tolerances = reference.Tolerances(*dataclasses.astuple(settings))
    planes = found.planes.cpu().double()
    expected = reference.check_agreement(planes, torch.from_numpy(view.K), by_definition, tolerances)
    weights = WindowSettings()
    texture = reference.window_texture(view.grays.cpu().double(), FLAT, weights.color_sigma, weights.space_sigma)
    actual = window_texture(view.grays, FLAT)
    return [
        Finding("median relative error of the depth", view.error(found), MOST_ERROR),
        share_beyond("depths that views agree on", agreement.depths, expected[..., 0], 1e-3, DECIDED_BY_ROUNDING),
        share_beyond("agreeing views", agreement.agreeing, expected[..., 1], 0, DECIDED_BY_ROUNDING),
        *compare(["variances of windows", "textured shares"], actual, texture, 1e-4),
    ]


CASES = [
    Case(
        "stereo",
        frozenset(
            f"{name}_kernel"
            for name in ("start_planes", "improve_planes", "check_consistency", "window_variances", "textured_shares")
        ),
        run,
    )
]
