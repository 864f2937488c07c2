"""Optimizer and schedule of the splatting methods.

The schedule is an exponential decay in Python floats: the host's own computes with numpy, so numpy scalars end up in
every checkpoint and torch >= 2.6 refuses to load it (nerfstudio #3683).
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one pass over the memory, five times as fast as torch's default on a CPU."""

    eps: float = 1e-15
    """Keeps a division by zero away; gradients of splats are far below the usual 1e-8."""
    fused: bool = True
    """One pass for all of its operations."""


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


def optimizers_for(groups: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """A copy of the settings of parameter groups, with schedules that fit a run of so many steps."""
    copied = deepcopy(dict(groups))
    for group in copied.values():
        scheduler = group["scheduler"]
        if isinstance(scheduler, ExponentialDecayConfig) and scheduler.max_steps is None:
            scheduler.max_steps = steps
    return copied
