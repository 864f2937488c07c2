"""The training loop of the methods that train on rays: on any device, with our checkpoints and resumes.

A run that was interrupted and resumed ends, on a CPU, with the same bits as one that was not.
"""

from collections.abc import Mapping
from typing import Any

from nerfstudio.engine.optimizers import Optimizers

from splatkit.optimize.nerfstudio.optimizers import optimizers_for
from splatkit.optimize.nerfstudio.trainer import GesTrainer


class RayTrainer(GesTrainer):
    """As `GesTrainer`, for models of fields; see the module."""

    def setup_optimizers(self) -> Optimizers:
        """The host's optimizers, with schedules that fit the length of this run."""
        groups = optimizers_for(self.config.optimizers, self.config.max_num_iterations)
        return Optimizers(groups, self.pipeline.get_param_groups())

    def _size(self) -> str:
        return f"{sum(p.numel() for p in self.pipeline.model.parameters())} parameters"

    def _own_state(self) -> dict[str, Any]:
        """When the proposals learned last; what else the next step depends on follows from its number."""
        sampler = self.pipeline.model.proposal_sampler
        return {"proposals": {"step": sampler._step, "since_update": sampler._steps_since_update}}

    def _load_own_state(self, own: Mapping[str, Any]) -> None:
        sampler, proposals = self.pipeline.model.proposal_sampler, own["proposals"]
        sampler._step, sampler._steps_since_update = proposals["step"], proposals["since_update"]
