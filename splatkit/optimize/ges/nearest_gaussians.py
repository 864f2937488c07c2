"""What the host's exporter reads of a model: the Gaussians, colored by harmonics, that come nearest to its splats.

The host would take the raw parameters for those of Gaussians, and a color without harmonics for a logit.
"""

import torch
from torch import Tensor

from splatkit.geometry.spherical_harmonics import sh0_to_rgb
from splatkit.optimize.ges.rendering import Rasterizer
from splatkit.splatting.kernels.table import profile_named
from splatkit.splatting.spherical_beta import lobes_as_harmonics
from splatkit.splatting.splats import Splats


class NearestGaussians:
    """Properties of the host's model, for one that has `splats()` and a `rasterizer`."""

    rasterizer: Rasterizer

    def splats(self) -> Splats:
        """Current values."""
        raise NotImplementedError

    @property
    def scales(self) -> Tensor:
        """Logarithms of the Gaussians' scales, [N, 3]."""
        splats = self.splats()
        return torch.log(splats.scales * self._factors(splats)[0][:, None])

    @property
    def opacities(self) -> Tensor:
        """Logits of the Gaussians' opacities, [N, 1]."""
        splats = self.splats()
        return torch.logit(splats.opacities * self._factors(splats)[1], eps=1e-6)[:, None]

    @property
    def shs_0(self) -> Tensor:
        """Harmonics of degree 0, [N, 3]."""
        return self._harmonics()[:, 0]

    @property
    def shs_rest(self) -> Tensor:
        """Harmonics of higher degrees, [N, K - 1, 3]."""
        return self._harmonics()[:, 1:]

    @property
    def colors(self) -> Tensor:
        """Colors without what depends on the direction of view, [N, 3] in [0, 1] but for overshoots."""
        return sh0_to_rgb(self.shs_0)

    def _harmonics(self) -> Tensor:
        splats = self.splats()
        if splats.lobes.shape[1] == 0:
            return splats.sh
        harmonics = lobes_as_harmonics(splats.lobes)
        return torch.cat([harmonics[:, :1] + splats.sh0[:, None], harmonics[:, 1:]], 1)

    def _factors(self, splats: Splats) -> tuple[Tensor, Tensor]:
        return profile_named(self.rasterizer.kernel).nearest_gaussian(splats.betas)
