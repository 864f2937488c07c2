"""The nerfstudio model `simplex-nerf`: nerfacto with native simplex encodings in its main and proposal fields."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes
from nerfstudio.models.nerfacto import NerfactoModel, NerfactoModelConfig
from nerfstudio.utils import colormaps
from torch import Tensor

from splatkit.optimize.nerfstudio.guards import without_lpips
from splatkit.optimize.nerfstudio.metrics import image_metrics
from splatkit.optimize.rays.coarse_to_fine import before_each_step, set_levels
from splatkit.optimize.rays.lattice_encodings import fuse_networks, replace_encodings
from splatkit.optimize.rays.simplex_fields import SimplexDensityField, SimplexNerfField


@dataclass
class SimplexNerfModelConfig(NerfactoModelConfig):
    """Nerfacto whose encodings look up d + 1 vertices of simplices, natively on the CPU and on CUDA."""

    _target: type = field(default_factory=lambda: SimplexNerfModel)
    implementation: Literal["tcnn", "torch"] = "torch"
    """Implementation of the small networks and of the directions' encoding; the positions' encoding is ours."""
    lattice: Literal["simplex", "grid"] = "simplex"
    """Where features lie: on simplices, or on the cubes of instant-ngp for comparison."""
    first_levels: int = 3
    """Levels of the field's encoding that training starts with."""
    levels_share: float = 0.5
    """Share of the run after which all levels take part."""


class SimplexNerfModel(NerfactoModel):
    """See the module."""

    config: SimplexNerfModelConfig

    def populate_modules(self) -> None:
        """Nerfacto's parts, with fields, encodings and networks of ours.

        Nerfacto names the classes of its fields. Ours add methods alone, so that its fields can become ours.
        """
        with without_lpips():
            super().populate_modules()
        self.field.__class__ = SimplexNerfField
        for network in self.proposal_networks:
            network.__class__ = SimplexDensityField
        methods: list[Any] = vars(self)["density_fns"]  # of the classes that the networks had
        self.density_fns = [method.__self__.density_fn for method in methods]
        if replace_encodings(self, self.config.lattice) == 0:
            raise ValueError("implementation: expected torch; tcnn fuses the encoding with its network")
        fuse_networks(self)

    def get_training_callbacks(self, attributes: TrainingCallbackAttributes) -> list[TrainingCallback]:
        """The host's, and levels from coarse to fine."""
        return super().get_training_callbacks(attributes) + before_each_step(attributes, self.set_levels)

    def set_levels(self, done: float) -> None:
        """Levels that take part after a share `done` of the run."""
        set_levels(self.field.mlp_base.model[0], self.config.first_levels, self.config.levels_share, done)

    @torch.no_grad()
    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics of an evaluation image, and the photograph beside the rendering."""
        target = self.renderer_rgb.blend_background(batch["image"].to(self.device))
        accumulation = outputs["accumulation"]
        images = {
            "img": torch.cat([target, outputs["rgb"]], 1),
            "accumulation": colormaps.apply_colormap(accumulation),
            "depth": colormaps.apply_depth_colormap(outputs["depth"], accumulation=accumulation),
        }
        return image_metrics(outputs["rgb"], target), images
