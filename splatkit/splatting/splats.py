"""A set of splats: values as people and renderers read them, and the unbounded raw parameters that training changes.

| value | raw parameter (name in nerfstudio's `gauss_params`) |
|---|---|
| means [N, 3], world | means |
| quats [N, 4] wxyz, any norm | quats |
| scales [N, 3], world units | scales = log |
| opacities [N], 0 to 1 | opacities [N, 1] = logit |
| sh0 [N, 3], shN [N, K - 1, 3] | features_dc, features_rest |
| lobes [N, L, 6], see `spherical_beta` | lobes; none where L = 0 |
| betas [N], 1 to 8 | betas, see `kernels.table`; none where all splats are Gaussians |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from splatkit.splatting.kernels.table import ShapeSettings, shape_from_raw
from splatkit.splatting.spherical_beta import NUMBERS

DEFAULT_SHAPE = ShapeSettings()


@dataclass(frozen=True)
class Splats:
    """Values of N splats; shapes, units and frames in the table of this module."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    shN: Tensor  # the field's name for the bands above 0
    betas: Tensor
    lobes: Tensor = field(default_factory=lambda: torch.zeros(0, 0, NUMBERS, device="cpu"))

    def __post_init__(self) -> None:
        n = self.means.shape[0]
        if self.lobes.shape[1] == 0:
            object.__setattr__(self, "lobes", self.means.new_zeros(n, 0, NUMBERS))
        expected = {"means": [n, 3], "quats": [n, 4], "scales": [n, 3], "opacities": [n], "sh0": [n, 3], "betas": [n]}
        for name, shape in expected.items():
            if list(getattr(self, name).shape) != shape:
                raise ValueError(
                    f"{name}: expected shape {shape} like means [{n}, 3], got {list(getattr(self, name).shape)}"
                )
        if self.shN.ndim != 3 or self.shN.shape[0] != n or self.shN.shape[1] + 1 not in (1, 4, 9, 16):
            raise ValueError(f"shN: expected shape [{n}, 0 | 3 | 8 | 15, 3], got {list(self.shN.shape)}")
        if self.lobes.ndim != 3 or self.lobes.shape[0] != n or self.lobes.shape[2] != NUMBERS:
            raise ValueError(f"lobes: expected shape [{n}, L, {NUMBERS}], got {list(self.lobes.shape)}")

    def __len__(self) -> int:
        return self.means.shape[0]

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return {1: 0, 4: 1, 9: 2, 16: 3}[self.shN.shape[1] + 1]

    @property
    def sh(self) -> Tensor:
        """[N, K, 3] all coefficients, as `render_splats` takes them."""
        return torch.cat([self.sh0[:, None], self.shN], 1)

    def select(self, which: Tensor) -> "Splats":
        """The splats of a boolean mask [N] or of indices [M]."""
        return Splats(**{name: value[which] for name, value in vars(self).items()})

    @classmethod
    def from_raw(cls, raw: Mapping[str, Tensor], shape: ShapeSettings = DEFAULT_SHAPE) -> "Splats":
        """Values of raw parameters, as they are rendered (differentiable)."""
        scales, betas = shape_from_raw(raw, shape)
        return cls(
            means=raw["means"],
            quats=raw["quats"],
            scales=scales,
            opacities=torch.sigmoid(raw["opacities"][:, 0]),
            sh0=raw["features_dc"],
            shN=raw["features_rest"],
            betas=betas,
            **({"lobes": raw["lobes"]} if "lobes" in raw else {}),
        )

    def to_raw(self, shape: ShapeSettings = DEFAULT_SHAPE) -> dict[str, Tensor]:
        """Raw parameters of values; opacities of exactly 0 or 1 are pulled in by 1e-6.

        Kernels other than the exact one take the splats as Gaussians.
        """
        raw = shape.trained.raw_shape(self.scales, self.betas, shape.coupling)
        if self.lobes.shape[1]:
            raw["lobes"] = self.lobes
        return {
            "means": self.means,
            "quats": self.quats,
            "features_dc": self.sh0,
            "features_rest": self.shN,
            "opacities": torch.logit(self.opacities, eps=1e-6)[:, None],
            **raw,
        }


def raw_names(shape: ShapeSettings, lobes: int = 0) -> tuple[str, ...]:
    """Names of the raw parameters of splats."""
    names = ("means", "quats", "features_dc", "features_rest", "opacities", "scales")
    return (*names, *(["betas"] if shape.trained.has_betas else []), *(["lobes"] if lobes else []))
