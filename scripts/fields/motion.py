"""A moving object as an exact field of position and time: the four-dimensional test of encodings."""

import math

import torch
from torch import Tensor

_NEAR = 0.02  # standard deviation of samples around the surface, in units of the cube
_STEPS = 3  # of Newton's iteration toward the surface


def moving_distance(positions: Tensor) -> Tensor:
    """Signed distance to a torus that turns, breathes and is orbited by a ball, negative inside.

    Exact at every time outside of both solids and inside of each: the union's distance is the smaller of the two.

    Args:
        positions: [N, 4]: x, y, z in the unit cube, and the time in [0, 1].

    Returns:
        [N] distances in units of the cube.
    """
    x, y, z = (positions[:, :3] - 0.5).unbind(-1)
    time = positions[:, 3]
    turn = math.pi * time  # half a turn about the x axis in the whole time
    ring = 0.25 + 0.04 * torch.sin(2 * math.pi * time)
    tube = 0.07 + 0.02 * torch.cos(4 * math.pi * time)
    up, along = torch.cos(turn) * y - torch.sin(turn) * z, torch.sin(turn) * y + torch.cos(turn) * z
    torus = torch.hypot(torch.hypot(x, up) - ring, along) - tube
    angle = 2 * math.pi * time
    ball = torch.hypot(torch.hypot(x - 0.36 * torch.cos(angle), y - 0.36 * torch.sin(angle)), z) - 0.06
    return torch.minimum(torus, ball)


def sample_motion(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions [count, 4], seven of eight near the surface, and their distances [count]."""
    positions = torch.rand(count, 4, generator=generator)
    near = count - count // 8
    with torch.enable_grad():
        for _ in range(_STEPS):
            leaf = positions[:near].detach().requires_grad_()
            distance = moving_distance(leaf)
            (slope,) = torch.autograd.grad(distance.sum(), leaf)
            positions[:near, :3] -= (distance[:, None] * slope[:, :3]).detach()
    positions[:near, :3] += _NEAR * torch.randn(near, 3, generator=generator)
    positions.clamp_(0, 1)
    return positions, moving_distance(positions)
