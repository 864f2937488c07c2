"""Samples made once, from which every step of a fit draws."""

import torch
from torch import Tensor

from splatkit.encodings.encoded_field import Draw


def draw_from(positions: Tensor, values: Tensor, batch: int) -> Draw:
    """`batch` random ones of N samples, positions [N, d] and their values [N, ...]."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(positions), (batch,), generator=generator)
        return positions[chosen], values[chosen]

    return draw
