"""The Gaussian nearest to a splat of any kernel, for programs that know no other kernel.

Nearest is meant in the image plane, as `io.splats` has it: least is the integral over r of

    (a exp(-r^2 / (2 s^2)) - w(r^2))^2 r dr

with s the factor of the splat's scales and a <= 1 that of its opacity.

For the compact kernel w = (1 - r^2)^beta the best a is 1 whatever beta, and s is close to 1 / sqrt(2 beta + 2), which
keeps the integral. The table holds s sqrt(2 beta + 2); the tests derive it again. The relative error (root of the ratio
to the energy of the profile) is 0.46 at beta 0.05, 0.21 at 1, 0.07 at 4 and 0.02 at 16.
"""

import numpy as np
import torch
from torch import Tensor

from splatkit.io.splats import bake_factors

# beta, and the factor of the scales times sqrt(2 beta + 2); linear in log beta between, constant beyond.
COMPACT_TABLE = np.array(
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


def nearest_gaussian(kernel: str, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of scale and opacity [N] that turn splats with exponents [N] into Gaussians.

    Args:
        kernel: as `render_splats` names it.
        betas: [N] exponents as they are rendered.

    Raises:
        ValueError: no such kernel.
    """
    values = betas.detach().double().cpu().numpy()
    if kernel == "generalized_exponential":
        scales, opacities = bake_factors(values)
    elif kernel == "compact_beta":
        knots, factors = COMPACT_TABLE.T
        scales = np.interp(np.log(values), np.log(knots), factors) / np.sqrt(2 * values + 2)
        opacities = np.ones_like(scales)
    else:
        raise ValueError(f"kernel: expected generalized_exponential or compact_beta, got {kernel!r}")
    return torch.from_numpy(scales).to(betas), torch.from_numpy(opacities).to(betas)
