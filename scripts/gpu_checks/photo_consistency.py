"""Photographs of a strip of surface in the GPU check, compared on the device and by the definition."""

from functools import partial

import torch

from gpu_checks.comparison import Case, Finding
from splatkit.ops.photo_consistency import ConsistencySettings, Sightings, Windows, photo_consistency
from splatkit.reference import photo_consistency as reference

_SIDE = 3  # samples on each side in a window
_MOST = 2e-4  # of the largest value: rounding of float32 sums


def run(samples: int, photographs: int, device: str) -> list[Finding]:
    """What photographs say of samples, as the definition has it."""
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
    off = (torch.stack(found, 1).double().cpu() - expected).abs().amax(0) / expected.abs().amax(0)
    return [Finding("largest error, of the largest value", off[:3].max().item(), _MOST)]


def _strip(samples: int) -> Windows:
    """Each sample and its neighbors along a line, by weights of which no sum is half of all: rounding would decide."""
    steps = torch.arange(-_SIDE, _SIDE + 1)
    near = torch.arange(samples)[:, None] + steps
    inside = (near >= 0) & (near < samples)
    weights = torch.where(inside, torch.exp(-0.1 * (steps + 0.1) ** 2), 0)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), inside.sum(1).cumsum(0)])
    return Windows(starts, near[inside].int(), (weights / weights.sum(1, keepdim=True))[inside].float())


CASES = [
    Case(
        "photo-consistency",
        frozenset({"normalize_photographs_kernel", "judge_photographs_kernel", "conclude_photographs_kernel"}),
        partial(run, 500, 40),
    )
]
