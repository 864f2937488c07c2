"""The lattices of an encoding: how dense each level is, and where its features lie in the table.

The layout is the same for every backend, so that a checkpoint moves between them; levels start at multiples of 8
entries, as tiny-cuda-nn's do.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_SCALE = 2**22  # cells per unit: beyond it float32 has no bits left for the place inside a cell
MAX_DIMS = 8


@dataclass(frozen=True)
class EncodingLevels:
    """Scales and places of all levels.

    Raises:
        ValueError: where an argument is out of its range.
    """

    lattice: str  # "simplex", "kuhn" or "grid"
    dims: int  # 2 to 8
    num_levels: int
    min_res: float  # cells per unit of a cubic grid with as many vertices, coarsest level
    max_res: float  # ... finest level
    log2_hashmap_size: int  # a level has at most two to the power of this many entries

    def __post_init__(self) -> None:
        if self.lattice not in ("simplex", "kuhn", "grid"):
            raise ValueError(f"lattice: expected simplex, kuhn or grid, got {self.lattice!r}")
        for name, low, high in (("dims", 2, MAX_DIMS), ("num_levels", 1, 32), ("log2_hashmap_size", 3, 30)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, got {value}")
        if not 1 <= self.min_res <= self.max_res <= MAX_SCALE:
            raise ValueError(
                f"min_res, max_res: expected 1 <= min_res <= max_res <= {MAX_SCALE}, got {self.min_res}, {self.max_res}"
            )

    @cached_property
    def scales(self) -> list[float]:
        """Lattice cells per unit length.

        Grid: tiny-cuda-nn's N_min b^l - 1, in its float32. Simplex: the lattice with as many vertices per volume as the
        grid of N_min b^l cells; the determinant of its skew is sqrt(d + 1).
        """
        growth = self.growth
        if self.lattice == "grid":
            exponents = np.float32(math.log2(growth)) * np.arange(self.num_levels, dtype=np.float32)
            return [float(scale) for scale in np.exp2(exponents) * np.float32(self.min_res) - np.float32(1)]
        density = (self.dims + 1) ** (-1 / (2 * self.dims)) if self.lattice == "simplex" else 1.0
        return [self.min_res * growth**level * density for level in range(self.num_levels)]

    @property
    def growth(self) -> float:
        """Ratio of the resolutions of neighboring levels."""
        return (self.max_res / self.min_res) ** (1 / max(self.num_levels - 1, 1))

    @cached_property
    def sizes(self) -> list[int]:
        """Entries of each level."""
        limit = 1 << self.log2_hashmap_size
        return [min(-(-count // 8) * 8, limit) for count in map(self._dense_count, range(self.num_levels))]

    @cached_property
    def offsets(self) -> list[int]:
        """First entry of each level."""
        return [sum(self.sizes[:level]) for level in range(self.num_levels)]

    @property
    def entries(self) -> int:
        """Of the whole table."""
        return sum(self.sizes)

    @cached_property
    def moduli(self) -> list[int]:
        """Of the index of dense levels (`reference.encodings.Levels`); 0 where a level is hashed."""
        return [self._modulus(level) if self.is_dense(level) else 0 for level in range(self.num_levels)]

    @cached_property
    def steps(self) -> list[int]:
        """b of the index of dense simplex levels; 0 elsewhere."""
        return [self._step(level) if self.is_dense(level) else 0 for level in range(self.num_levels)]

    def is_dense(self, level: int) -> bool:
        """Has every vertex of the level an entry of its own?"""
        return self._dense_count(level) <= 1 << self.log2_hashmap_size

    def _modulus(self, level: int) -> int:
        scale = self.scales[level]
        if self.lattice == "grid":
            return math.ceil(scale) + 1
        return math.ceil(scale) + 2

    def _step(self, level: int) -> int:
        if self.lattice != "simplex":
            return 0
        return math.ceil(self._modulus(level) * (math.sqrt(self.dims + 1) - 1) / self.dims)

    def _dense_count(self, level: int) -> int:
        modulus = self._modulus(level)
        return modulus ** (self.dims - 1) * (modulus + self.dims * self._step(level))
