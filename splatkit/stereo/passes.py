"""From coarse to fine: which sweeps over all views follow each other.

Each pass goes over every view once. A geometric pass also asks that a view's planes agree with those that its sources
found in the pass before, never in the same one: the order of views does not matter, and a pass can be resumed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SCALES = (4, 2, 1)
_SWEEPS = {4: 4, 2: 2, 1: 1}
_GOOD_COST = 0.8  # below it a plane speaks for a source, at first
_STRICTER = 90.0  # squared sweeps after which that falls by a factor e
_SHORTEST_SIDE = 24  # px, of a coarse image that is worth a pass


@dataclass(frozen=True)
class Pass:
    """One visit of every view."""

    number: int
    scale: int  # images are reduced by it
    geometric: bool
    sweeps: tuple[float, ...]  # of PatchMatch: the cost below which a plane speaks for a source
    first_sweep: int  # number of the first of them at this scale

    @property
    def name(self) -> str:
        """What files of its results are called."""
        return f"pass{self.number}"


def plan_passes(shortest_side: int) -> tuple[Pass, ...]:
    """The passes for images whose shortest side is that many px."""
    passes: list[Pass] = []
    for scale in SCALES:
        if scale > 1 and shortest_side // scale < _SHORTEST_SIDE:
            continue
        count = _SWEEPS[scale] if passes else max(_SWEEPS.values())
        costs = [float(_GOOD_COST * torch.exp(torch.tensor(-(sweep**2) / _STRICTER))) for sweep in range(count)]
        passes.append(Pass(len(passes), scale, False, tuple(costs), 0))
        passes.append(Pass(len(passes), scale, True, (_GOOD_COST,), count))
    return tuple(passes)


def refine_planes(planes: Tensor, factor: int, height: int, width: int) -> Tensor:
    """Planes [h, w, 3] of an image, for one with `factor` times the pixels on each side, [height, width, 3].

    Pixels beyond the coarse image's border take the last one's plane.
    """
    rows = torch.clamp(torch.arange(height) // factor, max=planes.shape[0] - 1)
    columns = torch.clamp(torch.arange(width) // factor, max=planes.shape[1] - 1)
    x, y, constant = planes[rows][:, columns].unbind(-1)
    # A fine column c lies at (c + 1/2) / factor - 1/2 of the coarse image.
    shift = 0.5 / factor - 0.5
    return torch.stack([x / factor, y / factor, constant + (x + y) * shift], -1).contiguous()
