"""Signals on a line as sums of weighted components: from this experiment GES argues (arXiv 2402.10128, section 3)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from splatkit.splatting.kernels.generalized_exponential import beta_from_raw
from studies.store import Case

SAMPLES = 400  # of a signal, over [-2, 2]
KERNELS = ("gaussian", "laplace", "dog", "exact", "compact")

SIGNALS: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda x: (x.abs() < 1).to(x),
    "triangle": lambda x: (1 - x.abs()).clamp_min(0),
    "parabola": lambda x: (1 - x * x).clamp_min(0),
    "gaussian": lambda x: torch.exp(-8 * x * x),
    "half_sinusoid": lambda x: torch.where(x.abs() < 1, torch.cos(math.pi / 2 * x), 0.0),
    "mixed": lambda x: (
        (1 - 4 * (x + 1.4).abs()).clamp_min(0)
        + ((x + 0.4).abs() < 0.3).to(x)
        + torch.exp(-32 * (x - 0.5) ** 2)
        + (1 - 9 * (x - 1.4) ** 2).clamp_min(0)
    ),
}

PROFILES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gaussian": lambda u, b: torch.exp(-u * u / 2),
    "laplace": lambda u, b: torch.exp(-u),
    # A difference of Gaussians with one number for its shape, as many as the generalized exponential has.
    "dog": lambda u, b: torch.exp(-u * u / 2) - torch.sigmoid(b - 3) * torch.exp(-2 * u * u),
    "exact": lambda u, b: torch.exp(-(u.clamp_min(1e-6) ** beta_from_raw(b)) / 2),
    "compact": lambda u, b: (1 - (u / 3) ** 2).clamp_min(1e-6) ** (4 * torch.exp(b)),
}


def measure_line(case: Case) -> dict[str, float]:
    """Root mean square error of the best of 8 fits from different starts."""
    x = torch.linspace(-2, 2, SAMPLES, dtype=torch.float64)
    target = SIGNALS[case.subject](x)
    generator = torch.Generator().manual_seed(case.seed)
    starts = 8
    shape = (starts, case.count, 1)
    centers = (4 * torch.rand(shape, generator=generator, dtype=torch.float64) - 2) * 0.75
    width = math.log(1.5 / case.count)
    parameters = [
        centers,
        torch.full(shape, width, dtype=torch.float64) + 0.3 * torch.randn(shape, generator=generator),
        0.2 * torch.randn(shape, generator=generator, dtype=torch.float64),
        torch.zeros(shape, dtype=torch.float64),
    ]
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, case.steps)
    profile = PROFILES[case.kernel]
    best = torch.full((starts,), torch.inf, dtype=torch.float64)
    for _ in range(case.steps):
        means, log_scales, weights, shapes = parameters
        fit = (weights * profile((x - means).abs() / log_scales.exp(), shapes)).sum(1)
        errors = (fit - target).square().mean(1)
        best = torch.minimum(best, errors.detach())
        optimizer.zero_grad()
        errors.sum().backward()
        optimizer.step()
        schedule.step()
    return {"rms_error": float(best.min().sqrt())}
