"""A set of splats: values as people and renderers read them, and the unbounded raw parameters that training changes.

| value | raw parameter (name in nerfstudio's `gauss_params`) |
|---|---|
| means [N, 3], world | means |
| quats [N, 4] wxyz, any norm | quats |
| scales [N, 3], world units | scales = log |
| opacities [N], 0 to 1 | opacities [N, 1] = logit |
| sh0 [N, 3], shN [N, K - 1, 3] | features_dc, features_rest |
| lobes [N, L, 6], see `spherical_beta` | lobes; none where L = 0 |
| betas [N], 1 to 8 | betas, see `kernel`; none where all splats are Gaussians |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.geometry.spherical_harmonics import rgb_to_sh0
from splatkit.splatting.kernel import ShapeSettings, mass_scale, raw_from_beta, raw_gaussian_shape, shape_from_raw
from splatkit.splatting.spherical_beta import NUMBERS, seed_lobes

DEFAULT_SHAPE = ShapeSettings()
SEED_OPACITY = 0.1  # 3DGS: faint enough that splats behind still receive gradients


@dataclass(frozen=True)
class Splats:
    """Values of N splats; shapes, units and frames in the table of this module."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    shN: Tensor  # noqa: N815 - the field's name for the bands above 0
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
        """[N, K, 3] all coefficients, as `rasterization` takes them."""
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
        raw = raw_gaussian_shape(self.scales, shape)
        if shape.kernel == "exact":
            raw["betas"] = raw_from_beta(self.betas)
            if shape.coupling == "mass":
                raw["scales"] = torch.log(self.scales / mass_scale(self.betas)[:, None])
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
    return (*names, *(["betas"] if shape.has_betas else []), *(["lobes"] if lobes else []))


def splats_from_points(
    points: Tensor, colors: Tensor, sh_degree: int, max_splats: int, generator: torch.Generator, lobes: int = 0
) -> Splats:
    """First splats of a point cloud: round, faint Gaussians as large as the spacing of the points.

    Args:
        points: [N, 3] world; points that are not finite are left out.
        colors: [N, 3] in [0, 1].
        sh_degree: 0 to 3; bands above 0 start at zero.
        max_splats: a denser cloud is thinned at random to this count.
        generator: source of the thinning and of the orientations.
        lobes: of each splat, see `spherical_beta`.

    Returns:
        Splats, float32, at least one.
    """
    if colors.shape != points.shape:
        raise ValueError(f"colors: expected shape {list(points.shape)} like points, got {list(colors.shape)}")
    usable = torch.nonzero(torch.isfinite(points).all(1))[:, 0]
    if len(usable) == 0:
        raise ValueError("points: expected at least one finite point, got none")
    if len(usable) > max_splats:
        usable = usable[torch.randperm(len(usable), generator=generator)[:max_splats].sort().values]
    means, rgb = points[usable].float(), colors[usable].float()
    n = len(means)
    return Splats(
        means=means,
        quats=random_quats(n, generator),
        scales=_spacing(means)[:, None].repeat(1, 3),
        opacities=torch.full((n,), SEED_OPACITY),
        sh0=rgb_to_sh0(rgb),
        shN=torch.zeros(n, (sh_degree + 1) ** 2 - 1, 3),
        betas=torch.full((n,), 2.0),
        lobes=seed_lobes(n, lobes, generator),
    )


def random_quats(n: int, generator: torch.Generator) -> Tensor:
    """Uniformly distributed unit quaternions [n, 4]: normalized Gaussian 4-vectors have no preferred direction."""
    return torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=-1)


def _spacing(points: Tensor) -> Tensor:
    """Mean distance [N] of each point [N, 3] to its three nearest neighbors (3DGS), without zeros and outliers."""
    n = len(points)
    if n < 2:
        return torch.ones(n)
    coordinates = points.numpy().astype(np.float64)
    distances, _ = cKDTree(coordinates).query(coordinates, k=min(4, n))
    spacing = torch.from_numpy(distances[:, 1:].mean(1))
    positive = spacing[spacing > 0]
    typical = float(positive.median()) if len(positive) else 1.0
    # Coinciding points would become splats of no size; a stray far point would cover the whole image.
    return spacing.clamp(typical / 100, typical * 20).float()
