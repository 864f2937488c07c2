"""The kernels that can be trained and rendered, and the settings that choose one.

| kernel | exponent of raw b | rendered as |
|---|---|---|
| exact | 1 + 7 sigmoid(b - ln 6), in (1, 8) | generalized exponential (GES, arXiv 2402.10128, eq. 2) |
| approximate | 2 + b | Gaussian of scales * phi(beta), as GES was published (eq. 6) |
| gaussian | none is stored | Gaussian: the control |
| compact | 4 exp(b) | compact beta kernel (Deformable Beta Splatting, arXiv 2501.18630): a control for studies |

A kernel is one entry here, one file beside this one, one in `reference`, and for a new profile one in
`cuda/splatting/profiles`, with its entries in `reference/profiles`, `ops/projection.py` and
`cuda/splatting/profiles.h`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from splatkit.splatting.kernels.compact_beta import CompactKernel
from splatkit.splatting.kernels.generalized_exponential import ApproximateKernel, ExactKernel, GaussianKernel
from splatkit.splatting.kernels.kernel import Coupling, Profile, SplatKernel

KernelName = Literal["exact", "approximate", "gaussian", "compact"]
KERNELS: dict[str, SplatKernel] = {
    kernel.name: kernel for kernel in (ExactKernel(), ApproximateKernel(), GaussianKernel(), CompactKernel())
}
PROFILES: dict[str, Profile] = {kernel.profile.name: kernel.profile for kernel in KERNELS.values()}


@dataclass(frozen=True)
class ShapeSettings:
    """What shape splats have and how training changes it."""

    kernel: KernelName = "exact"
    """The generalized exponential; the published method's scaled Gaussians; plain Gaussians; compact beta kernels."""
    coupling: Coupling = "mass"
    """What a change of the exponent keeps (exact kernel): the value at one standard deviation (as published), or the
    integral over the image."""
    reset_every: int = 0
    """Steps between resets of all exponents to raw 0 in the first half of a run; 0 for none. Published: 1000."""
    prune_beta: float = 0.0
    """Refinements drop splats of a smaller exponent; 0 for none. Exponents near 1 reach far and cost time."""
    gate_pixels: float = 0.0
    """A view does not train the exponent of splats that cover fewer pixels in it; 0 for no gate. For the kernels exact
    and compact."""

    @property
    def trained(self) -> SplatKernel:
        """The kernel by that name."""
        return KERNELS[self.kernel]


def profile_named(name: str) -> Profile:
    """The profile that `render_splats` calls so; ValueError if there is none."""
    if name not in PROFILES:
        raise ValueError(f"kernel: expected one of {', '.join(PROFILES)}, got {name!r}")
    return PROFILES[name]


def shape_from_raw(raw: Mapping[str, Tensor], settings: ShapeSettings) -> tuple[Tensor, Tensor]:
    """Scales [N, 3] and exponents [N] as they are rendered, of the raw parameters "scales" and "betas"."""
    return settings.trained.shape(raw, settings.coupling)
