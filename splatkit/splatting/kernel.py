"""The exponent beta of the generalized exponential kernel and the unbounded number that stands for it in training.

beta = 1 + 7 sigmoid(raw - ln 6) keeps beta in (1, 8): below 1 the support of a splat explodes, above 8 the kernel is
a box whose gradient lives on a one-pixel rim. raw = 0 is beta = 2, the Gaussian (GES, arXiv 2402.10128, eq. 2; the
range and the map are ours).
"""

import math

import torch
from torch import Tensor

BETA_MIN = 1.0
BETA_MAX = 8.0
_PHI_STRENGTH = 0.1  # rho of GES
_RAW_SHIFT = math.log(6.0)  # puts beta = 2 at raw = 0: 1 + 7 / (1 + 6) = 2


def beta_from_raw(raw: Tensor) -> Tensor:
    """Exponents of raw parameters. [...] -> [...] in (1, 8)."""
    return BETA_MIN + (BETA_MAX - BETA_MIN) * torch.sigmoid(raw - _RAW_SHIFT)


def raw_from_beta(betas: Tensor) -> Tensor:
    """Raw parameters of exponents in (1, 8). [...] -> [...], finite: the ends are pulled in by 1e-4."""
    unit = (betas - BETA_MIN) / (BETA_MAX - BETA_MIN)
    return torch.logit(unit, eps=1e-4 / (BETA_MAX - BETA_MIN)) + _RAW_SHIFT


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
