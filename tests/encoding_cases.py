"""Small encodings and positions for tests."""

import torch
from torch import Tensor

from splatkit.encodings.levels import EncodingLevels
from splatkit.ops.encodings import INTERPOLATIONS, EncodingSettings
from splatkit.ops.encodings import LATTICES as LATTICE_NUMBERS
from splatkit.reference import encodings as reference

LATTICES = ["simplex", "kuhn", "grid"]


def make_levels(lattice: str, dims: int, num_levels: int = 4, log2_hashmap_size: int = 9) -> EncodingLevels:
    """Dense and hashed levels."""
    return EncodingLevels(lattice, dims, num_levels, 3.0, 37.0, log2_hashmap_size)


def reference_levels(levels: EncodingLevels) -> reference.Levels:
    """The lists that the definition takes."""
    return reference.Levels(levels.scales, levels.offsets, levels.sizes, levels.moduli, levels.steps)


def positions_off_faces(levels: EncodingLevels, count: int, seed: int, margin: float = 0.02) -> Tensor:
    """[count, d] float64 positions that lie at least `margin` cells from the faces of every level.

    Derivatives jump there.
    """
    generator = torch.Generator().manual_seed(seed)
    pool = (
        torch.rand(4000 * (levels.num_levels + 1), levels.dims, dtype=torch.float64, generator=generator) * 0.98 + 0.01
    )
    keep = torch.ones(len(pool), dtype=torch.bool)
    for scale in levels.scales:
        shift = 0.5 if levels.lattice == "grid" else scale * reference.skew(levels.dims, levels.lattice) * pool.sum(-1)
        u = pool * scale + (shift if isinstance(shift, float) else shift[:, None])
        fractions = u - u.floor()
        keep &= ((fractions > margin) & (fractions < 1 - margin)).all(-1)
        if levels.lattice != "grid":
            falling = fractions.sort(-1).values
            keep &= ((falling[:, 1:] - falling[:, :-1]) > margin).all(-1)
    assert keep.sum() >= count
    return pool[keep][:count].clone()


def make_settings(levels: EncodingLevels, interpolation: str, features: int = 2, seed: int = 0) -> EncodingSettings:
    """As the ops take them, all levels active."""
    places = reference_levels(levels)
    choices = (LATTICE_NUMBERS[levels.lattice], INTERPOLATIONS[interpolation])
    return EncodingSettings(*places, levels.num_levels, features, *choices, seed)
