"""The compact kernel of Deformable Beta Splatting (arXiv 2501.18630), w = (1 - r^2)^beta: a control for studies.

For its nearest Gaussian the best opacity factor is 1 whatever beta, and the factor of the scales is close to
1 / sqrt(2 beta + 2), which keeps the integral. The table holds it times sqrt(2 beta + 2); the tests derive it again.
The relative error (root of the ratio to the energy of the profile) is 0.46 at beta 0.05, 0.21 at 1, 0.07 at 4, 0.02 at
16.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.splatting.kernels.kernel import Coupling, Profile, SplatKernel

_START_BETA = 4.0  # of raw 0, arXiv 2501.18630
START_WIDTH = 3.0  # (1 - q)^4 of scales this much larger is within 0.04 of exp(-q / 2)

# beta, and the factor of the scales times sqrt(2 beta + 2); linear in log beta between, constant beyond.
GAUSSIAN_TABLE = np.array(
    [
        (0.05, 1.02208),
        (0.1, 1.02393),
        (0.2, 1.02691),
        (0.35, 1.02996),
        (0.5, 1.03181),
        (0.7, 1.03302),
        (1.0, 1.03324),
        (1.4, 1.03207),
        (2.0, 1.02928),
        (2.8, 1.02552),
        (4.0, 1.02097),
        (5.6, 1.01675),
        (8.0, 1.01277),
        (11.0, 1.00981),
        (16.0, 1.00706),
        (32.0, 1.00371),
        (64.0, 1.00190),
        (128.0, 1.00096),
        (512.0, 1.00024),
    ]
)


class CompactBeta(Profile):
    """(1 - q)^beta inside q < 1, nothing outside."""

    name = "compact_beta"

    def gaussian_factors(self, betas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See the base, and the table."""
        knots, factors = GAUSSIAN_TABLE.T
        scales = np.interp(np.log(betas), np.log(knots), factors) / np.sqrt(2 * betas + 2)
        return scales, np.ones_like(scales)

    def line_integrals(self, betas: Tensor, powers: Tensor) -> Tensor:
        """Of (1 - x^2)^m over (-1, 1), which is sqrt(pi) Gamma(m + 1) / Gamma(m + 3/2)."""

        def logarithm(m: Tensor) -> Tensor:
            return torch.lgamma(m + 1) - torch.lgamma(m + 1.5)

        return torch.exp(logarithm(betas[:, None] * powers) - logarithm(betas)[:, None])


class CompactKernel(SplatKernel):
    """Exponents 4 exp(b) of raw b."""

    name = "compact"
    profile = CompactBeta()

    def shape(self, raw: Mapping[str, Tensor], coupling: Coupling) -> tuple[Tensor, Tensor]:
        """See the base."""
        return torch.exp(raw["scales"]), _START_BETA * torch.exp(raw["betas"])

    def raw_gaussian(self, scales: Tensor) -> dict[str, Tensor]:
        """See the base."""
        return super().raw_gaussian(scales * START_WIDTH)
