"""`SimplexHashEncoding`: features of positions from lattices of growing density, as an nn.Module.

Attributes are named as in tiny-cuda-nn and nerfstudio, so that it takes the place of their hash encodings.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from splatkit.encodings.levels import EncodingLevels
from splatkit.ops.encodings import INTERPOLATIONS, LATTICES, EncodingSettings, empty_table, encode

Lattice = Literal["simplex", "kuhn", "grid"]
Interpolation = Literal["linear", "smooth", "nearest", "stochastic"]
_TCNN_INTERPOLATIONS: dict[str, Interpolation] = {"Linear": "linear", "Smoothstep": "smooth", "Nearest": "nearest"}


@dataclass(frozen=True)
class _TcnnKey:
    """A key of tiny-cuda-nn's configuration and its default there."""

    argument: str
    default: float


_TCNN_KEYS = {
    "n_levels": _TcnnKey("num_levels", 16),
    "n_features_per_level": _TcnnKey("features_per_level", 2),
    "log2_hashmap_size": _TcnnKey("log2_hashmap_size", 19),
    "base_resolution": _TcnnKey("min_res", 16),
}


class SimplexHashEncoding(nn.Module):
    """Multiresolution hash encoding (Instant-NGP) on simplex lattices: d + 1 look-ups a level in place of 2^d.

    Parameters:
        hash_table: [entries, features_per_level]; levels follow one another, the coarse ones without collisions.

    Args:
        in_dim: dimensions of positions, 2 to 8.
        num_levels: 1 to 32.
        min_res: cells per unit of the coarsest level; for simplices, of the cubic grid with as many vertices.
        max_res: ... of the finest level.
        log2_hashmap_size: a level has at most two to the power of this many entries.
        features_per_level: 1, 2, 4 or 8.
        hash_init_scale: tables start uniform in [-hash_init_scale, hash_init_scale].
        lattice: "simplex"; "grid", tiny-cuda-nn's cubes; "kuhn", cubes cut into simplices without the skew.
        interpolation: "linear"; "smooth" with continuous derivatives (not on kuhn; simplex up to 5-D); "nearest", the
            vertex of the largest weight; "stochastic", in training one vertex drawn by its weight, linear otherwise.
        dtype: of the table: float32, float64 (CPU alone), bfloat16 or float16. Sums are float32 or float64.
        generator: of the first values and of stochastic interpolation; torch's global one by default.

    Raises:
        ValueError: where an argument is out of its range.
    """

    def __init__(
        self,
        in_dim: int = 3,
        num_levels: int = 16,
        min_res: float = 16,
        max_res: float = 2048,
        log2_hashmap_size: int = 19,
        features_per_level: int = 2,
        hash_init_scale: float = 1e-4,
        lattice: Lattice = "simplex",
        interpolation: Interpolation = "linear",
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if features_per_level not in (1, 2, 4, 8):
            raise ValueError(f"features_per_level: expected 1, 2, 4 or 8, got {features_per_level}")
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation: expected one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
        # Beyond 5 dimensions the kernels of a simplex's vertices leave a hole in its middle.
        if interpolation == "smooth" and (lattice == "kuhn" or (lattice == "simplex" and in_dim > 5)):
            raise ValueError(f"interpolation: smooth does not exist on the lattice {lattice} in {in_dim} dimensions")
        if dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
            raise ValueError(f"dtype: expected float32, float64, bfloat16 or float16, got {dtype}")
        self.levels = EncodingLevels(lattice, in_dim, num_levels, min_res, max_res, log2_hashmap_size)
        levels = self.levels  # their lists once for all: a compiler need not follow how they come about
        self._places = (levels.scales, levels.offsets, levels.sizes, levels.moduli, levels.steps)
        self.interpolation = interpolation
        self.features_per_level = features_per_level
        self.max_level: int | None = None  # levels from this one on yield zeros at no cost; none: all are used
        self._generator = generator
        first = torch.rand(self.levels.entries, features_per_level, generator=generator)
        table = empty_table(self.levels.entries, features_per_level, dtype)
        self.hash_table = nn.Parameter(table.copy_((2 * first - 1) * hash_init_scale))

    @classmethod
    def from_tcnn_config(cls, n_input_dims: int, config: Mapping[str, Any], **arguments: Any) -> "SimplexHashEncoding":
        """From a configuration of tiny-cuda-nn's grid encoding.

        Args:
            n_input_dims: dimensions of positions.
            config: with otype "HashGrid" or "Grid" of type "Hash" (cubes) or "SimplexHashGrid", n_levels,
                n_features_per_level, log2_hashmap_size, base_resolution, per_level_scale, interpolation.
            arguments: further arguments of the constructor.

        Raises:
            ValueError: on a key or value that has no counterpart here.
        """
        known = {*_TCNN_KEYS, "otype", "type", "per_level_scale", "interpolation", "hash"}
        if unknown := set(config) - known:
            raise ValueError(
                f"config: no counterpart of {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}"
            )
        otype = config.get("otype", "SimplexHashGrid")
        hashes = otype in ("HashGrid", "SimplexHashGrid") or (otype == "Grid" and config.get("type", "Hash") == "Hash")
        if not hashes or config.get("hash", "CoherentPrime") != "CoherentPrime":
            raise ValueError(
                f"config: expected a HashGrid with the hash CoherentPrime or a SimplexHashGrid, got {dict(config)}"
            )
        interpolation = config.get("interpolation", "Linear")
        if interpolation not in _TCNN_INTERPOLATIONS:
            raise ValueError(f"config: expected interpolation Linear, Smoothstep or Nearest, got {interpolation!r}")
        values = {key.argument: config.get(name, key.default) for name, key in _TCNN_KEYS.items()}
        max_res = values["min_res"] * config.get("per_level_scale", 2.0) ** (values["num_levels"] - 1)
        return cls(
            n_input_dims,
            max_res=max_res,
            lattice="simplex" if otype == "SimplexHashGrid" else "grid",
            interpolation=_TCNN_INTERPOLATIONS[interpolation],
            **{**values, **arguments},
        )

    @property
    def n_input_dims(self) -> int:
        """Dimensions of positions (tiny-cuda-nn's name)."""
        return self.levels.dims

    @property
    def n_output_dims(self) -> int:
        """Features of a position (tiny-cuda-nn's name)."""
        return self.levels.num_levels * self.features_per_level

    def get_out_dim(self) -> int:
        """Features of a position (nerfstudio's name)."""
        return self.n_output_dims

    @property
    def params(self) -> Tensor:
        """The table in one dimension, in tiny-cuda-nn's order (its name)."""
        return self.hash_table.view(-1)

    def forward(self, positions: Tensor) -> Tensor:
        """Features of positions.

        Args:
            positions: [..., d] of float32 or float64; outside of [0, 1] the encoding stays constant.

        Returns:
            [..., L * F], float32; float64 where positions or the table are.

        Raises:
            ValueError: where the last axis of positions is not in_dim.
            TypeError: where positions are not floating point.
        """
        return self._encode(positions, None)

    def jvp(self, positions: Tensor, tangents: Tensor) -> Tensor:
        """Derivative of the features along tangents [..., d]; differentiable itself."""
        if tangents.shape != positions.shape:
            raise ValueError(f"tangents: expected shape {list(positions.shape)}, got {list(tangents.shape)}")
        return self._encode(positions, tangents)

    def _encode(self, positions: Tensor, tangents: Tensor | None) -> Tensor:
        if positions.ndim == 0 or positions.shape[-1] != self.n_input_dims:
            raise ValueError(f"positions: expected shape [..., {self.n_input_dims}], got {list(positions.shape)}")
        if not positions.is_floating_point():
            raise TypeError(f"positions: expected floating point, got {positions.dtype}")
        table: Tensor = self.hash_table
        real = torch.float64 if torch.float64 in (positions.dtype, table.dtype) else torch.float32
        if real == torch.float64:
            table = table.double()
        flat = positions.reshape(-1, self.n_input_dims).to(real)
        along = None if tangents is None else tangents.reshape(flat.shape).to(real)
        features = encode(flat, table, self._settings(), along)
        return features.reshape(*positions.shape[:-1], self.n_output_dims)

    def _settings(self) -> EncodingSettings:
        levels, interpolation, seed = self.levels, self.interpolation, 0
        if interpolation == "stochastic":
            if self.training:
                seed = int(torch.randint(1 << 31, (), generator=self._generator))
            else:
                interpolation = "linear"
        active = levels.num_levels if self.max_level is None else max(0, min(self.max_level, levels.num_levels))
        return EncodingSettings(
            *self._places,
            active,
            self.features_per_level,
            LATTICES[levels.lattice],
            INTERPOLATIONS[interpolation],
            seed,
        )

    def extra_repr(self) -> str:
        """What it is, for print(model)."""
        levels = self.levels
        return (
            f"{levels.lattice}, {levels.dims} dimensions, {levels.num_levels} levels of {self.features_per_level}, "
            f"{levels.min_res:g} to {levels.max_res:g} cells, {levels.entries} entries "
            f"({math.log2(max(levels.sizes)):.0f} bits at most), {self.interpolation}"
        )
