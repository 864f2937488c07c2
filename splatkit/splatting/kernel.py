"""The shape of splats: which kernel is trained, and the unbounded numbers that stand for its parameters.

| kernel | exponent of raw b | rendered as |
|---|---|---|
| exact | 1 + 7 sigmoid(b - ln 6), in (1, 8) | generalized exponential (GES, arXiv 2402.10128, eq. 2) |
| approximate | 2 + b | Gaussian of scales * phi(beta), as GES was published (eq. 6) |
| gaussian | none is stored | Gaussian: the control |
| compact | 4 exp(b) | compact beta kernel (Deformable Beta Splatting, arXiv 2501.18630): a control for studies |

Raw 0 is the Gaussian, for the compact kernel what comes near it. Exponents of the exact kernel stay in (1, 8): below 1
the support of a splat explodes, above 8 the kernel is a box whose gradient lives on a one-pixel rim (range and map are
ours).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

BETA_MIN = 1.0
BETA_MAX = 8.0
_PHI_STRENGTH = 0.1  # rho of GES
_RAW_SHIFT = math.log(6.0)  # puts beta = 2 at raw = 0: 1 + 7 / (1 + 6) = 2
_COMPACT_BETA = 4.0  # of raw 0, arXiv 2501.18630
COMPACT_WIDTH = 3.0  # (1 - Q)^4 of scales this much larger is within 0.04 of exp(-Q / 2)


@dataclass(frozen=True)
class ShapeSettings:
    """What shape splats have and how training changes it."""

    kernel: Literal["exact", "approximate", "gaussian", "compact"] = "exact"
    """The generalized exponential; the published method's scaled Gaussians; plain Gaussians; compact beta kernels."""
    coupling: Literal["pivot", "mass"] = "mass"
    """What a change of the exponent keeps (exact kernel): the value at one standard deviation (as published), or the
    integral over the image."""
    reset_every: int = 0
    """Steps between resets of all exponents to raw 0 in the first half of a run; 0 for none. Published: 1000."""
    prune_beta: float = 0.0
    """Refinements drop splats of a smaller exponent; 0 for none. Exponents near 1 reach far and cost time."""
    gate_pixels: float = 0.0
    """A view does not teach the exponent (exact kernel) of splats that reach fewer pixels in it; 0 for no gate."""

    @property
    def has_betas(self) -> bool:
        """Whether exponents are parameters."""
        return self.kernel != "gaussian"

    @property
    def rasterizer_kernel(self) -> str:
        """The kernel as `render_splats` names it."""
        return "compact_beta" if self.kernel == "compact" else "generalized_exponential"


def shape_from_raw(raw: Mapping[str, Tensor], settings: ShapeSettings) -> tuple[Tensor, Tensor]:
    """Scales [N, 3] and exponents [N] as they are rendered, of the raw parameters "scales" and "betas"."""
    scales = torch.exp(raw["scales"])
    if settings.kernel == "gaussian":
        return scales, scales.new_full(scales.shape[:1], 2.0)
    if settings.kernel == "approximate":
        return approximate_scales(scales, 2 + raw["betas"]), scales.new_full(scales.shape[:1], 2.0)
    if settings.kernel == "compact":
        return scales, _COMPACT_BETA * torch.exp(raw["betas"])
    betas = beta_from_raw(raw["betas"])
    return (scales * mass_scale(betas)[:, None] if settings.coupling == "mass" else scales), betas


def raw_gaussian_shape(scales: Tensor, settings: ShapeSettings) -> dict[str, Tensor]:
    """Raw "scales" [N, 3] and "betas" [N] of Gaussians; for the compact kernel of what comes nearest to them."""
    raw = {"scales": torch.log(scales * COMPACT_WIDTH if settings.kernel == "compact" else scales)}
    return {**raw, "betas": scales.new_zeros(len(scales))} if settings.has_betas else raw


def line_exponents(raw: Mapping[str, Tensor], settings: ShapeSettings) -> Tensor:
    """Exponents [N] of the profiles along a line, as `mcmc.relocated` takes them; near 2 for the compact kernel."""
    if settings.kernel == "exact":
        return beta_from_raw(raw["betas"])
    return torch.full_like(raw["scales"][:, 0], 2.0)


def beta_from_raw(raw: Tensor) -> Tensor:
    """Exponents of raw parameters of the exact kernel. [...] -> [...] in (1, 8)."""
    return BETA_MIN + (BETA_MAX - BETA_MIN) * torch.sigmoid(raw - _RAW_SHIFT)


def raw_from_beta(betas: Tensor) -> Tensor:
    """Raw parameters of exponents in (1, 8). [...] -> [...], finite: the ends are pulled in by 1e-4."""
    unit = (betas - BETA_MIN) / (BETA_MAX - BETA_MIN)
    return torch.logit(unit, eps=1e-4 / (BETA_MAX - BETA_MIN)) + _RAW_SHIFT


def mass_scale(betas: Tensor) -> Tensor:
    """Factor of the scales that keeps a splat's integral over the image at that of the Gaussian. [...] -> [...].

    The integral of exp(-q^beta / 2) over the plane is 2 pi m(beta), m = 2^(2 / beta) Gamma(2 / beta) / beta; lengths
    count twice in it, so the factor is m^(-1/2).
    """
    inverse = 2 / betas
    return torch.exp(-0.5 * (inverse * math.log(2) + torch.lgamma(inverse) - torch.log(betas)))


def approximate_scales(scales: Tensor, betas: Tensor) -> Tensor:
    """Scales that stand for the exponents in the published method, which renders Gaussians: scales * phi(beta).

    phi(beta) = 2 / (1 + exp(-rho (beta - 2))) with rho = 0.1 (GES, eq. 6). Render the result with betas of 2.

    Args:
        scales: [N, 3].
        betas: [N].

    Returns:
        [N, 3].
    """
    return scales * 2 * torch.sigmoid(_PHI_STRENGTH * (betas - 2))[:, None]
