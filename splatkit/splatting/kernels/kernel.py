"""What a kernel is: a profile that the native code renders, and the unbounded numbers that stand for it in training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Coupling = Literal["pivot", "mass"]


class Profile(ABC):
    """How the weight of a splat falls with the squared Mahalanobis distance; natively in `cuda/splatting/profiles`."""

    name: ClassVar[str]
    """As `render_splats`, the native table and `reference.profiles` call it."""
    gaussian_beta: ClassVar[float | None] = None
    """The exponent at which the profile is a Gaussian, where there is one."""
    antialiased: ClassVar[bool] = False
    """Whether it has an anti-aliased projection."""
    has_files: ClassVar[bool] = False
    """Whether files of splats hold its exponents; for others they hold the nearest Gaussians."""

    @abstractmethod
    def gaussian_factors(self, betas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factors of scale and opacity [N] that turn splats with exponents [N] into the Gaussians nearest to them.

        Nearest is meant in the image plane: least is the integral over r of (a exp(-r^2 / (2 s^2)) - w(r^2))^2 r dr,
        with s the factor of the scales and a <= 1 that of the opacity.
        """

    @abstractmethod
    def line_integrals(self, betas: Tensor, powers: Tensor) -> Tensor:
        """Integral of w^power along a line through the center, in that of w: [M], [K] -> [M, K]."""

    def nearest_gaussian(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """`gaussian_factors` of a tensor [N], like it in type and device."""
        factors = self.gaussian_factors(betas.detach().double().cpu().numpy())
        scales, opacities = (torch.from_numpy(factor).to(betas) for factor in factors)
        return scales, opacities


class SplatKernel(ABC):
    """How training shapes splats. Raw parameters are "scales" [N, 3], and "betas" [N] where the kernel has them."""

    name: ClassVar[str]
    """As settings call it."""
    profile: ClassVar[Profile]
    """What is rendered."""
    has_betas: ClassVar[bool] = True
    """Whether exponents are parameters."""
    renders_betas: ClassVar[bool] = True
    """Whether the exponents that are rendered follow the parameters; the others are constant."""

    @abstractmethod
    def shape(self, raw: Mapping[str, Tensor], coupling: Coupling) -> tuple[Tensor, Tensor]:
        """Scales [N, 3] and exponents [N] as they are rendered."""

    def raw_gaussian(self, scales: Tensor) -> dict[str, Tensor]:
        """Raw parameters of Gaussians with scales [N, 3], or of what comes nearest to them."""
        raw = {"scales": torch.log(scales)}
        return {**raw, "betas": scales.new_zeros(len(scales))} if self.has_betas else raw

    def raw_shape(self, scales: Tensor, betas: Tensor, coupling: Coupling) -> dict[str, Tensor]:
        """Raw parameters of rendered scales [N, 3] and exponents [N]; of Gaussians, unless the kernel knows better."""
        return self.raw_gaussian(scales)
