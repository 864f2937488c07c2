"""Adaptive density control: splats are added where the image asks for them and dropped where nothing is seen.

The default gradient strategy of 3D Gaussian Splatting (arXiv 2308.04079, section 5.2) with absolute screen-space
gradients (AbsGS, arXiv 2404.10484). What differs: a hard cap on the count, filled by the largest gradients first;
schedules that are shares of the run, so that a run of 2 000 steps is a short run and not the start of a long one;
opacities are reset only where enough steps remain to recover; randomness hangs on the seed and the step alone, so that
a resumed run repeats the same decisions.
"""

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.splatting.kernels.table import ShapeSettings, shape_from_raw
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import DEFAULT_SHAPE

SPLIT_SHRINK = 1.6  # 3DGS: the two halves of a split splat are this much smaller
RESET_OPACITY_FACTOR = 2.0  # 3DGS: a reset leaves twice the opacity below which splats are pruned


@dataclass(frozen=True)
class DensificationSettings:
    """When and where splats are added and dropped."""

    warmup_steps: int = 300
    """Steps before the first refinement."""
    refine_every: int = 100
    """Steps between refinements."""
    stop_share: float = 0.85
    """Share of the run after which the count no longer changes."""
    stop_at_most: int = 15_000
    """Step after which the count no longer changes, however long the run is (3DGS)."""
    grad_threshold: float = 0.0008
    """Mean absolute screen-space gradient (half the image is 1) above which a splat is cloned or split (AbsGS)."""
    split_size: float = 0.01
    """A splat larger than this share of the scene extent is split, a smaller one cloned (3DGS)."""
    prune_opacity: float = 0.1
    """Splats fainter than this are dropped (splatfacto); lower values let haze use up the cap."""
    prune_size: float = 0.5
    """After the first opacity reset, splats larger than this share of the scene extent are dropped."""
    reset_every: int = 3000
    """Steps between opacity resets; none in the last 3000 steps of a run."""
    max_splats: int = 200_000
    """Hard cap on the count; seed clouds are thinned to it as well."""


@dataclass(frozen=True)
class RefinementReport:
    """What one refinement did."""

    count: int
    cloned: int = 0
    split: int = 0
    moved: int = 0
    pruned: int = 0
    reset: bool = False


class Densification:
    """The strategy of one run: gathers screen-space gradients and refines the splats on schedule."""

    def __init__(
        self,
        settings: DensificationSettings,
        extent: float,
        seed: int,
        shape: ShapeSettings = DEFAULT_SHAPE,
        shell: SkyShell | None = None,
        images: int | None = None,
    ) -> None:
        """Of a run.

        Args:
            settings: when and where.
            extent: of the scene, its units.
            seed: of splitting.
            shape: the kernel of the splats.
            shell: of the sky, whose splats may be large.
            images: that training takes in turn: what none of them showed is then dropped, as random seeds outside of
                all views would hang before cameras elsewhere; None: nothing is.
        """
        self.settings = settings
        self.shape = shape
        self.shell = shell
        self.extent = extent
        self.seed = seed
        self.images = images
        self._gradients = torch.zeros(0, device="cpu")  # [N] sum of gradient norms
        self._views = torch.zeros(0, device="cpu")  # [N] how many images showed the splat
        self._seen = torch.zeros(0, dtype=torch.bool, device="cpu")  # [N] whether any image ever showed it
        self._gathered = 0  # images

    def is_active(self, step: int, total_steps: int) -> bool:
        """Whether a refinement is still to come at `step` or later, so that gradients need be gathered."""
        return step <= min(self.settings.stop_share * total_steps, self.settings.stop_at_most)

    def gather(self, gradients: Tensor, extents: Tensor, width: int, height: int) -> None:
        """Note the gradients of one image.

        Args:
            gradients: [N, 2] gradient of the loss with respect to the image positions (px), absolute over pixels.
            extents: [N, 2] px, (0, 0) where a splat is not visible.
            width: px.
            height: px.
        """
        if len(self._views) != len(gradients):
            self._gradients = gradients.new_zeros(len(gradients))
            self._views = gradients.new_zeros(len(gradients))
        # Half the image is the unit, as in 3DGS, so that the threshold does not depend on the resolution.
        norms = torch.stack([gradients[:, 0] * (width / 2), gradients[:, 1] * (height / 2)], 1).norm(dim=1)
        visible = extents[:, 0] > 0
        self._gradients += torch.where(visible, norms, 0.0)
        self._views += visible
        self._seen = self._seen | visible if len(self._seen) == len(visible) else visible
        self._gathered += 1

    def refine(
        self,
        step: int,
        total_steps: int,
        parameters: MutableMapping[str, Parameter],
        optimizers: Mapping[str, Optimizer],
    ) -> RefinementReport | None:
        """Prune, clone, split and reset if step is due; None if it is not.

        Args:
            step: steps done so far.
            total_steps: length of the run.
            parameters: raw parameters by name (see `splats`); replaced by tensors of the new count.
            optimizers: Adam of each name; parameter and moments are replaced together.
        """
        if not self._due(step, total_steps):
            return None
        with torch.no_grad():
            # Dropping comes first, so that the room it makes is filled at once: the last refinement leaves a full cap.
            pruned = self._prune(step, parameters, optimizers)
            cloned, split = self._grow(step, parameters, optimizers)
            reset = self._reset_is_due(step, total_steps)
            if reset:
                self._reset_opacities(parameters, optimizers)
        self._gradients, self._views = self._gradients[:0], self._views[:0]
        return RefinementReport(len(parameters["means"]), cloned=cloned, split=split, pruned=pruned, reset=reset)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for the next refinement to be the same."""
        gathered = torch.tensor(self._gathered, device="cpu")
        return {"gradients": self._gradients, "views": self._views, "seen": self._seen, "gathered": gathered}

    def load_state(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Take back what `state` gave, onto the device of the splats."""
        self._gradients, self._views = (state[name].to(device, copy=True) for name in ("gradients", "views"))
        if "seen" in state:  # not in files of earlier versions
            self._seen, self._gathered = state["seen"].to(device, copy=True), int(state["gathered"])

    def _due(self, step: int, total_steps: int) -> bool:
        s = self.settings
        due = step >= s.warmup_steps and step % s.refine_every == 0
        return due and self.is_active(step, total_steps) and len(self._views) > 0

    def _reset_is_due(self, step: int, total_steps: int) -> bool:
        every = self.settings.reset_every
        return step % every == 0 and total_steps - step >= every

    def _grow(
        self, step: int, parameters: MutableMapping[str, Parameter], optimizers: Mapping[str, Optimizer]
    ) -> tuple[int, int]:
        """Clone small and split large splats whose mean gradient is over the threshold. Returns both counts."""
        count = len(parameters["means"])
        mean = self._gradients / self._views.clamp_min(1)
        room = max(self.settings.max_splats - count, 0)
        candidates = torch.nonzero(mean > self.settings.grad_threshold)[:, 0]
        if len(candidates) > room:
            order = torch.argsort(mean[candidates], descending=True, stable=True)
            candidates = candidates[order[:room]].sort().values
        if len(candidates) == 0:
            return 0, 0
        large = parameters["scales"][candidates].amax(1).exp() > self.settings.split_size * self.extent
        clones, splits = candidates[~large], candidates[large]
        halves = self._halves(step, parameters, splits)
        added = {name: torch.cat([p[clones], halves[name]]) for name, p in parameters.items()}
        keep = torch.ones(count, dtype=torch.bool, device=splits.device)
        keep[splits] = False
        replace_splats(parameters, optimizers, keep, added)
        born = torch.ones(len(clones) + 2 * len(splits), dtype=torch.bool, device=splits.device)
        self._seen = torch.cat([self._seen[keep], born])
        return len(clones), len(splits)

    def _halves(self, step: int, parameters: Mapping[str, Parameter], splits: Tensor) -> dict[str, Tensor]:
        """[2 M, ...] by name: two smaller splats for each index [M] of a large one, drawn from its Gaussian."""
        twice = splits.repeat(2)
        halves = {name: p[twice].clone() for name, p in parameters.items()}
        generator = step_generator(self.seed, step, twice.device)
        offsets = torch.randn(len(twice), 3, generator=generator, device=twice.device) * halves["scales"].exp()
        halves["means"] += (quat_to_rotmat(halves["quats"]) @ offsets[:, :, None])[:, :, 0]
        halves["scales"] -= math.log(SPLIT_SHRINK)
        return halves

    def _prune(self, step: int, parameters: MutableMapping[str, Parameter], optimizers: Mapping[str, Optimizer]) -> int:
        """Drop splats that are faint, far too large, never seen, or no longer finite. Returns how many."""
        keep = torch.sigmoid(parameters["opacities"][:, 0]) >= self.settings.prune_opacity
        keep &= finite_splats(parameters)
        if self.shape.prune_beta > 0:
            keep &= shape_from_raw(parameters, self.shape)[1] >= self.shape.prune_beta
        if step > self.settings.reset_every:
            small = parameters["scales"].amax(1).exp() <= self.settings.prune_size * self.extent
            keep &= small if self.shell is None else small | self.shell.holds(parameters["means"])
        if self.images is not None and self._gathered >= self.images:
            keep &= self._seen
        dropped = int((~keep).sum())
        if dropped == len(keep):
            raise FloatingPointError("all splats became transparent or not finite: lower the learning rates")
        if dropped:
            replace_splats(parameters, optimizers, keep, {name: p[:0] for name, p in parameters.items()})
            self._gradients, self._views, self._seen = self._gradients[keep], self._views[keep], self._seen[keep]
        return dropped

    def _reset_opacities(self, parameters: Mapping[str, Parameter], optimizers: Mapping[str, Optimizer]) -> None:
        """Make everything faint, so that only what the images need comes back; the moments start anew."""
        ceiling = RESET_OPACITY_FACTOR * self.settings.prune_opacity
        opacities = parameters["opacities"]
        opacities.data.clamp_(max=math.log(ceiling / (1 - ceiling)))
        forget_moments(opacities, optimizers["opacities"])


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The source of all randomness of one step: nothing to save, and on the device where the numbers are wanted."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


def reset_exponents(raw_betas: Parameter, optimizer: Optimizer) -> None:
    """Make all splats Gaussians again (GES: it keeps early, wrong exponents from lasting); the moments start anew."""
    raw_betas.data.zero_()
    forget_moments(raw_betas, optimizer)


def forget_moments(parameter: Parameter, optimizer: Optimizer) -> None:
    """Zero the moments of a parameter: they belong to what it was before."""
    for name, value in optimizer.state.get(parameter, {}).items():
        if name != "step":
            value.zero_()


def finite_splats(parameters: Mapping[str, Tensor]) -> Tensor:
    """Which splats have no NaN and no infinity in any raw parameter [N, ...]: [N] boolean."""
    means = parameters["means"]
    finite = torch.ones(len(means), dtype=torch.bool, device=means.device)
    for p in parameters.values():
        finite &= torch.isfinite(p.flatten(1) if p.ndim > 1 else p[:, None]).all(1)
    return finite


def replace_splats(
    parameters: MutableMapping[str, Parameter],
    optimizers: Mapping[str, Optimizer],
    keep: Tensor,
    added: Mapping[str, Tensor],
) -> None:
    """Keep some splats and append others, in the parameters and in the moments of their optimizers together.

    Each parameter becomes a new `Parameter`: the graph of the last step may still be alive, and it remembers the old
    shape.

    Args:
        parameters: raw parameters [N, ...] by name, replaced.
        optimizers: one optimizer of one parameter group for each name.
        keep: [N] boolean.
        added: [M, ...] by name; their moments start at zero.
    """
    for name in list(parameters.keys()):
        old = parameters[name]
        new = Parameter(torch.cat([old.detach()[keep], added[name].detach()]))
        optimizer = optimizers.get(name)
        if optimizer is not None:
            moments = optimizer.state.pop(old, {})
            for key, value in moments.items():
                if key != "step":
                    moments[key] = torch.cat([value[keep], torch.zeros_like(added[name])])
            if moments:
                optimizer.state[new] = moments
            optimizer.param_groups[0]["params"] = [new]
        parameters[name] = new
