"""Density control as sampling: splats wander, faint ones move to where opacity is, and the count grows to a cap.

3D Gaussian Splatting as Markov Chain Monte Carlo (arXiv 2404.09591). What differs: copies of a splat shrink by the
exact factor of its own profile (see `relocated`), lengths are measured in the scene's extent, so that the frame of the
data can be kept, and the growth reaches its cap by the middle of the run, however short that is.
"""

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.splatting.densification import RefinementReport, finite_splats, replace_splats, step_generator
from splatkit.splatting.kernels.kernel import Profile
from splatkit.splatting.kernels.table import ShapeSettings, shape_from_raw
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import DEFAULT_SHAPE, Splats

MAX_COPIES = 51  # arXiv 2404.09591: more copies of one splat in one refinement are not told apart
GROWTH = 1.05  # arXiv 2404.09591: share by which the count grows in a refinement, at least
NOISE = 80.0  # arXiv 2404.09591: 5e5 times the first rate of the means, 1.6e-4; larger rates of short runs do not count
_GATE_SHARPNESS, _GATE_TRANSPARENCY = 100.0, 0.995  # arXiv 2404.09591: only splats fainter than 0.005 wander freely


@dataclass(frozen=True)
class McmcSettings:
    """When splats move and how many there may be."""

    warmup_steps: int = 300
    """Steps before the first refinement."""
    refine_every: int = 100
    """Steps between refinements."""
    stop_share: float = 0.85
    """Share of the run after which splats no longer move between places."""
    min_opacity: float = 0.005
    """Splats fainter than this are moved."""
    opacity_weight: float = 0.01
    """Weight of the mean opacity in the loss: unneeded splats become faint."""
    scale_weight: float = 0.01
    """Weight of the mean scale (in shares of the scene extent) in the loss."""
    max_splats: int = 25_000
    """The count that the run grows to."""


class McmcDensification:
    """The strategy of one run; used like `Densification`."""

    def __init__(
        self,
        settings: McmcSettings,
        extent: float,
        seed: int,
        shape: ShapeSettings = DEFAULT_SHAPE,
        shell: SkyShell | None = None,
    ) -> None:
        self.settings = settings
        self.shape = shape
        self.shell = shell
        self.extent = extent
        self.seed = seed

    def is_active(self, step: int, total_steps: int) -> bool:
        """Whether gradients of this step are wanted: never, sampling goes by opacity."""
        return False

    def gather(self, gradients: Tensor, extents: Tensor, width: int, height: int) -> None:
        """Take no notice, see `is_active`."""

    def regularization(self, splats: Splats) -> Tensor:
        """What the loss gains; the shell of the sky, opaque and large, does not count."""
        s, opacities, scales = self.settings, splats.opacities, splats.scales
        if self.shell is not None:
            near = ~self.shell.holds(splats.means)
            opacities, scales = opacities[near], scales[near]
        return s.opacity_weight * opacities.mean() + s.scale_weight * scales.mean() / self.extent

    def refine(
        self,
        step: int,
        total_steps: int,
        parameters: MutableMapping[str, Parameter],
        optimizers: Mapping[str, Optimizer],
    ) -> RefinementReport | None:
        """Add noise to the means; if step is due, move faint splats and grow. Arguments as `Densification.refine`."""
        with torch.no_grad():
            report = None
            generator = step_generator(self.seed, step, parameters["means"].device)
            if self._due(step, total_steps):
                moved = self._relocate(parameters, optimizers, generator)
                grown = self._grow(step, total_steps, parameters, optimizers, generator)
                report = RefinementReport(count=len(parameters["means"]), cloned=grown, moved=moved)
            self._wander(parameters, optimizers, generator)
        return report

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for the next refinement to be the same: nothing but the splats."""
        return {}

    def load_state(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Take back what `state` gave."""

    def _due(self, step: int, total_steps: int) -> bool:
        s = self.settings
        return s.warmup_steps <= step <= s.stop_share * total_steps and step % s.refine_every == 0

    def _relocate(
        self, parameters: Mapping[str, Parameter], optimizers: Mapping[str, Optimizer], generator: torch.Generator
    ) -> int:
        """Turn faint splats into copies of others, drawn by opacity. Returns how many."""
        opacities = torch.sigmoid(parameters["opacities"][:, 0])
        useful = (opacities > self.settings.min_opacity) & finite_splats(parameters)
        dead, alive = torch.nonzero(~useful)[:, 0], torch.nonzero(useful)[:, 0]
        if len(alive) == 0:
            raise FloatingPointError("all splats became transparent or not finite: lower the learning rates")
        if len(dead) == 0:
            return 0
        chosen = _draw(alive, opacities, len(dead), generator)
        self._share_out(parameters, chosen)
        for name, p in parameters.items():
            p[dead] = p[chosen]
            _forget(optimizers[name], p, torch.cat([dead, chosen]))
        return len(dead)

    def _grow(
        self,
        step: int,
        total_steps: int,
        parameters: MutableMapping[str, Parameter],
        optimizers: Mapping[str, Optimizer],
        generator: torch.Generator,
    ) -> int:
        """Append copies of splats drawn by opacity, so many that half the run reaches the cap. Returns how many."""
        count, cap = len(parameters["means"]), self.settings.max_splats
        left = max(1.0, (total_steps / 2 - step) / self.settings.refine_every + 1)
        target = min(cap, math.ceil(count * max(GROWTH, (cap / count) ** (1 / left))))
        if target <= count:
            return 0
        opacities = torch.sigmoid(parameters["opacities"][:, 0])
        everyone = torch.arange(count, device=opacities.device)
        chosen = _draw(everyone, opacities, target - count, generator)
        self._share_out(parameters, chosen)
        for name, p in parameters.items():
            _forget(optimizers[name], p, chosen)
        keep = torch.ones_like(everyone, dtype=torch.bool)
        replace_splats(parameters, optimizers, keep, {name: p[chosen] for name, p in parameters.items()})
        return target - count

    def _share_out(self, parameters: Mapping[str, Parameter], chosen: Tensor) -> None:
        """Give each chosen splat, in place, the opacity and scale that it and its copies will have."""
        copies = torch.bincount(chosen, minlength=len(parameters["means"])) + 1
        which = torch.unique(chosen)
        opacities, scales = relocated(
            torch.sigmoid(parameters["opacities"][which, 0]),
            parameters["scales"][which].exp(),
            shape_from_raw(parameters, self.shape)[1][which],
            copies[which].clamp_max(MAX_COPIES),
            self.shape.trained.profile,
        )
        floor = self.settings.min_opacity
        parameters["opacities"][which, 0] = torch.logit(opacities.clamp(floor, 1 - 1e-6))
        parameters["scales"][which] = scales.log()

    def _wander(
        self, parameters: Mapping[str, Parameter], optimizers: Mapping[str, Optimizer], generator: torch.Generator
    ) -> None:
        """Move the means by noise shaped like the splat, the more the fainter it is (arXiv 2404.09591, eq. 8)."""
        group = optimizers["means"].param_groups[0]
        first = group.get("initial_lr", group["lr"])
        decay = group["lr"] / first if first > 0 else 0.0
        transparency = 1 - torch.sigmoid(parameters["opacities"])
        gate = torch.sigmoid(_GATE_SHARPNESS * (transparency - _GATE_TRANSPARENCY))
        axes = quat_to_rotmat(parameters["quats"]) * parameters["scales"].exp()[:, None, :]
        noise = torch.randn(len(gate), 3, generator=generator, device=gate.device)
        noise *= gate * (NOISE * decay / self.extent)
        moves = axes @ (axes.transpose(1, 2) @ noise[:, :, None])
        parameters["means"].add_(moves[:, :, 0])


def _draw(candidates: Tensor, opacities: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices [count] out of the candidates, each with a probability that its opacity is a share of, repeatedly.

    By places on the line of summed opacities: `torch.multinomial` takes at most 2^24 candidates.
    """
    ends = opacities[candidates].double().cumsum(0)
    places = torch.rand(count, dtype=torch.float64, generator=generator, device=ends.device) * ends[-1]
    # A place that rounding brings to the very end is the last one's.
    return candidates[torch.searchsorted(ends, places, right=True).clamp_max(len(candidates) - 1)]


def relocated(
    opacities: Tensor, scales: Tensor, betas: Tensor, copies: Tensor, profile: Profile
) -> tuple[Tensor, Tensor]:
    """Opacity and scale of each of `copies` coincident splats that together look like one.

    The opacity is that of one in n layers, 1 - (1 - o)^(1/n). The scale keeps the integral along a line through the
    center (arXiv 2404.09591, eq. 9). There the power k + 1 of a Gaussian integrates to (k + 1)^(-1/2) of the Gaussian,
    that of another profile to its `line_integrals`, and the double sum of binomials collapses into one.

    Args:
        opacities: [M] of the one splat, in (0, 1).
        scales: [M, 3].
        betas: [M] exponents as they are rendered.
        copies: [M] integers n >= 1, at most MAX_COPIES.
        profile: what is rendered.

    Returns:
        Opacities [M] and scales [M, 3] of each of the n.
    """
    o, n = opacities.double(), copies.double()
    new = 1 - (1 - o) ** (1 / n)
    k = torch.arange(MAX_COPIES, dtype=torch.float64, device=o.device)
    rest = n[:, None] - k - 1
    log_binomial = torch.lgamma(n[:, None] + 1) - torch.lgamma(k + 2) - torch.lgamma(rest.clamp_min(0) + 1)
    sign = 1 - 2 * (k % 2)
    terms = (
        sign * torch.exp(log_binomial + (k + 1) * new[:, None].log()) * profile.line_integrals(betas.double(), k + 1)
    )
    integral = torch.where(rest >= 0, terms, 0.0).sum(1)
    return new.to(opacities), (scales.double() * (o / integral)[:, None]).to(scales)


def _forget(optimizer: Optimizer, parameter: Parameter, which: Tensor) -> None:
    """Zero the moments of the given splats: they belong to what the splats were before."""
    for key, value in optimizer.state.get(parameter, {}).items():
        if key != "step":
            value[which] = 0
