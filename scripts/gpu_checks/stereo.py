"""A wall that stereo matches in the GPU check: shifted copies of one texture, exact to the pixel."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.ops.stereo import (
    AgreementNeighbor,
    MatchedPlanes,
    MatchingSource,
    check_agreement,
    match_planes,
    pack_grays,
    window_texture,
)

DEPTH, RANGE = 4.0, (2.0, 8.0)
SWEEPS = (0.8, 0.7, 0.6, 0.5)
SHIFTS = (8, -8, 12, -12)  # px between the views


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

    def check(self, found: MatchedPlanes) -> None:
        """SystemExit where the wall was not found."""
        height, width = self.grays.shape
        column = torch.arange(width, device=self.grays.device)
        row = torch.arange(height, device=self.grays.device)[:, None]
        x, y, constant = found.planes.unbind(-1)
        share = ((x * column + y * row + constant) * DEPTH - 1).abs().median().item()
        if not share < 0.01:
            raise SystemExit(f"stereo: the median depth is wrong by {100 * share:.2g} %")


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


def run_all(width: int, height: int, device: str) -> None:
    """Every kernel once; SystemExit where the result is wrong."""
    view = wall(width, height, device)
    found = view.match()
    view.check(found)
    agreement = check_agreement(found.planes, view.K, view.neighbors(found))
    variances, shares = window_texture(view.grays, 10.0)
    if not all(torch.isfinite(tensor).all() for tensor in (*agreement, variances, shares)):
        raise SystemExit("stereo: agreement or texture is not finite")
