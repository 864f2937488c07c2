"""Optimizer and schedule of the splatting methods.

The schedule is an exponential decay in Python floats: the host's own computes with numpy, so numpy scalars end up in
every checkpoint and torch >= 2.6 refuses to load it (nerfstudio #3683).
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from nerfstudio.engine.optimizers import AdamOptimizerConfig, Optimizers
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from splatkit.ops.adam import MAX_GROUPS, adam_step

_NOT_OF_ADAM = {"_target", "max_norm", "short_run_power"}
_LONG_RUN_STEPS = 30_000  # of 3DGS, for which its learning rates are
_SHORTEST_RUN_STEPS = 500  # still shorter runs are tries, and would burst at larger steps


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one pass over the memory, five times as fast as torch's default on a CPU; for splats see also
    `SplatOptimizers`.
    """

    eps: float = 1e-15
    """Keeps a division by zero away; gradients of splats are far below the usual 1e-8."""
    fused: bool = True
    """One pass for all of its operations."""
    short_run_power: float = 0.0
    """The rate is for 30 000 steps; shorter runs, down to 500, take (30 000 / steps) to this power times as much."""

    def setup(self, params: Any) -> Optimizer:
        """The optimizer of parameters; what Adam does not know is left out."""
        known = {name: value for name, value in vars(self).items() if name not in _NOT_OF_ADAM}
        optimizer: Optimizer = self._target(params, **known)
        return optimizer


@dataclass
class ExponentialDecayConfig(SchedulerConfig):
    """Exponential decay from the optimizer's learning rate to a final one."""

    _target: type = field(default_factory=lambda: ExponentialDecay)
    final_share: float = 0.01
    """The final learning rate as a share of the first one."""
    max_steps: int | None = None
    """Steps until the final learning rate is reached; none means the length of the run."""


class ExponentialDecay(Scheduler):
    """See `ExponentialDecayConfig`."""

    config: ExponentialDecayConfig

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        """Scheduler of an optimizer whose first learning rate is lr_init; `max_steps` must be known by now."""
        if self.config.max_steps is None:
            raise ValueError("max_steps: expected the length of the run, got none; the trainer fills it in")
        rate, steps = math.log(self.config.final_share), max(self.config.max_steps, 1)
        return LambdaLR(optimizer, lambda step: math.exp(rate * min(step / steps, 1.0)))


class SplatOptimizers(Optimizers):
    """The host's optimizers; those of splats step together, in one native pass instead of one of torch's for each.

    State and its names stay torch's: checkpoints of either kind load into the other.
    """

    def __init__(self, config: dict[str, Any], param_groups: dict[str, Any], splats: Sequence[str]) -> None:
        super().__init__(config, param_groups)
        self._splats = frozenset(splats)  # names of the parameters of splats

    def optimizer_scaler_step_some(self, grad_scaler: Any, param_groups: list[str]) -> None:
        """Called by the host after each backward pass."""
        # A scaler looks for infinities optimizer by optimizer.
        together = [] if grad_scaler.is_enabled() else [name for name in param_groups if self._goes_along(name)]
        for first in range(0, len(together), MAX_GROUPS):
            step_together([self.optimizers[name] for name in together[first : first + MAX_GROUPS]])
        super().optimizer_scaler_step_some(grad_scaler, [name for name in param_groups if name not in together])

    def _goes_along(self, name: str) -> bool:
        if name not in self._splats or self.config[name]["optimizer"].max_norm is not None:
            return False
        optimizer = self.optimizers[name]
        group, means = optimizer.param_groups[0], self.optimizers["means"].param_groups[0]
        plain = type(optimizer) is Adam and not (group["weight_decay"] or group["amsgrad"] or group["maximize"])
        alike = all(group[key] == means[key] for key in ("betas", "eps"))
        (parameter,) = group["params"]
        return plain and alike and parameter.is_contiguous() and parameter.grad is not None


@torch.no_grad()
def step_together(optimizers: Sequence[Adam]) -> None:
    """A step of Adams that have one parameter of the same splats each, and the same betas and eps."""
    states, pairs = [], []
    for optimizer in optimizers:
        (parameter,) = optimizer.param_groups[0]["params"]
        states.append(_state_of(optimizer, parameter))
        pairs.append((parameter, parameter.grad))
        setattr(optimizer, "_opt_called", True)  # noqa: B010 - what torch's schedulers look for, and no type knows
    torch._foreach_add_([state["step"] for state in states], 1)
    group = optimizers[0].param_groups[0]
    beta1, beta2 = group["betas"]
    adam_step(
        [_rows(parameter.detach()) for parameter, _ in pairs],
        [_rows(gradient.contiguous()) for _, gradient in pairs],
        [_rows(state["exp_avg"]) for state in states],
        [_rows(state["exp_avg_sq"]) for state in states],
        [state["step"] for state in states],
        [optimizer.param_groups[0]["lr"] for optimizer in optimizers],
        beta1,
        beta2,
        group["eps"],
    )


def _state_of(optimizer: Adam, parameter: Tensor) -> dict[str, Tensor]:
    """As torch's fused Adam keeps it; made at the first step."""
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state:
        state["step"] = parameter.new_zeros(())
        state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        state["exp_avg_sq"] = torch.zeros_like(state["exp_avg"])
    return state


def _rows(tensor: Tensor) -> Tensor:
    """[N, W] of a tensor [N, ...], the same memory; RuntimeError where it would be a copy, that a step is lost in."""
    return tensor.view(len(tensor), math.prod(tensor.shape[1:]))


def optimizers_for(groups: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """A copy of the settings of parameter groups, with rates and schedules that fit a run of so many steps."""
    copied = deepcopy(dict(groups))
    shortness = max(1.0, _LONG_RUN_STEPS / max(steps, _SHORTEST_RUN_STEPS))
    for group in copied.values():
        optimizer = group["optimizer"]
        if isinstance(optimizer, FusedAdamConfig):
            optimizer.lr *= shortness**optimizer.short_run_power
        scheduler = group["scheduler"]
        if isinstance(scheduler, ExponentialDecayConfig) and scheduler.max_steps is None:
            scheduler.max_steps = steps
    return copied
