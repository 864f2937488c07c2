"""Exponential decay of a learning rate, in Python floats.

The host's own scheduler computes with numpy, so numpy scalars end up in every checkpoint and torch >= 2.6 refuses to
load it (nerfstudio #3683).
"""

import math
from dataclasses import dataclass, field

from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


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
