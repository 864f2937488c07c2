"""The generalized exponential (GES, arXiv 2402.10128, eq. 2): trained exactly, as published, or as plain Gaussians.

Raw 0 is the Gaussian. Exponents of the exact kernel stay in (1, 8): below 1 the support of a splat explodes, above 8
the kernel is a box whose gradient lives on a one-pixel rim (range and map are ours).
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.io.splats import bake_factors
from splatkit.splatting.kernels.kernel import Coupling, Profile, SplatKernel

BETA_MIN = 1.0
BETA_MAX = 8.0
_PHI_STRENGTH = 0.1  # rho of GES
_RAW_SHIFT = math.log(6.0)  # puts beta = 2 at raw = 0: 1 + 7 / (1 + 6) = 2


class GeneralizedExponential(Profile):
    """exp(-(q + eps)^(beta/2) / 2 + eps^(beta/2) / 2)."""

    name = "generalized_exponential"
    gaussian_beta = 2.0
    antialiased = True
    has_files = True

    def gaussian_factors(self, betas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Those that files of splats are written with."""
        return bake_factors(betas)

    def line_integrals(self, betas: Tensor, powers: Tensor) -> Tensor:
        """power^(-1/beta): a power of the profile is the profile of a smaller splat."""
        return powers ** (-1 / betas[:, None])


class ExactKernel(SplatKernel):
    """Exponents 1 + 7 sigmoid(b - ln 6) of raw b."""

    name = "exact"
    profile = GeneralizedExponential()

    def shape(self, raw: Mapping[str, Tensor], coupling: Coupling) -> tuple[Tensor, Tensor]:
        """See the base."""
        scales, betas = torch.exp(raw["scales"]), beta_from_raw(raw["betas"])
        return (scales * mass_scale(betas)[:, None] if coupling == "mass" else scales), betas

    def raw_shape(self, scales: Tensor, betas: Tensor, coupling: Coupling) -> dict[str, Tensor]:
        """See the base."""
        own = scales / mass_scale(betas)[:, None] if coupling == "mass" else scales
        return {"scales": torch.log(own), "betas": raw_from_beta(betas)}


class ApproximateKernel(SplatKernel):
    """The published method: Gaussians of scales * phi(2 + b) for raw b (GES, eq. 6)."""

    name = "approximate"
    profile = GeneralizedExponential()
    renders_betas = False

    def shape(self, raw: Mapping[str, Tensor], coupling: Coupling) -> tuple[Tensor, Tensor]:
        """See the base."""
        scales = torch.exp(raw["scales"])
        return approximate_scales(scales, 2 + raw["betas"]), _twos(scales)


class GaussianKernel(SplatKernel):
    """The control: Gaussians, which have no exponent to train."""

    name = "gaussian"
    profile = GeneralizedExponential()
    has_betas = False
    renders_betas = False

    def shape(self, raw: Mapping[str, Tensor], coupling: Coupling) -> tuple[Tensor, Tensor]:
        """See the base."""
        scales = torch.exp(raw["scales"])
        return scales, _twos(scales)


def _twos(scales: Tensor) -> Tensor:
    return scales.new_full(scales.shape[:1], 2.0)


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
