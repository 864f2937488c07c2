"""Photographs of a strip of surface in the GPU check, compared on the device and by the definition."""

import torch

from splatkit.ops.photo_consistency import ConsistencySettings, Sightings, Windows, photo_consistency
from splatkit.reference import photo_consistency as reference

_SIDE = 3  # samples on each side in a window
_MOST = 2e-4  # of the largest value: rounding of float32 sums


def run_all(samples: int, photographs: int, device: str) -> None:
    """Every kernel once; SystemExit where the result is wrong."""
    generator = torch.Generator().manual_seed(0)
    pattern = 255 * torch.rand(samples, 1, generator=generator)
    grays = (pattern + 15 * torch.randn(samples, photographs, generator=generator)).clamp(0, 255)
    slopes = 100 * torch.randn(samples, photographs, generator=generator)
    cosines = (torch.rand(samples, photographs, generator=generator) - 0.3).clamp_min(0)
    shown, windows, s = Sightings(grays, slopes, cosines), _strip(samples), ConsistencySettings()
    expected = reference.photo_consistency(
        *Sightings(*(part.double() for part in shown)),
        windows.starts,
        windows.members.long(),
        windows.weights.double(),
        s.noise,
        s.outlier,
        s.outlier_share,
    )
    moved = Sightings(*(part.to(device) for part in shown)), Windows(*(part.to(device) for part in windows))
    found = photo_consistency(*moved, s)
    # Whether a photograph's vote is too small to count may hang on rounding: counts are left out.
    off = ((torch.stack(found, 1).double().cpu() - expected).abs().amax(0) / expected.abs().amax(0))[:3]
    if not off.max() < _MOST:
        raise SystemExit(f"photo-consistency: off by {off.max().item():.2g} of the largest value")


def _strip(samples: int) -> Windows:
    """Each sample and its neighbors along a line, by weights of which no sum is half of all: rounding would decide."""
    steps = torch.arange(-_SIDE, _SIDE + 1)
    near = torch.arange(samples)[:, None] + steps
    inside = (near >= 0) & (near < samples)
    weights = torch.where(inside, torch.exp(-0.1 * (steps + 0.1) ** 2), 0)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), inside.sum(1).cumsum(0)])
    return Windows(starts, near[inside].int(), (weights / weights.sum(1, keepdim=True))[inside].float())
