"""The nerfstudio model `simplex-sdf`: a signed distance field on a simplex encoding, for meshes.

NeuS-facto (NeuS, arXiv 2106.10689, sampled by proposal networks) with a field of ours: the host's calls tiny-cuda-nn
directly and cannot run without it. Levels of the encoding join from coarse to fine (Neuralangelo, arXiv 2306.03092);
the eikonal loss is differentiated exactly, through the encoding's second derivatives.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes
from nerfstudio.fields.sdf_field import SDFField, SDFFieldConfig
from nerfstudio.models.neus_facto import NeuSFactoModel, NeuSFactoModelConfig
from nerfstudio.utils import colormaps
from torch import Tensor
from torch.nn import Parameter

from splatkit.encodings import SimplexHashEncoding
from splatkit.optimize.nerfstudio.guards import without_lpips
from splatkit.optimize.nerfstudio.metrics import image_metrics
from splatkit.optimize.rays.coarse_to_fine import before_each_step, set_levels
from splatkit.optimize.rays.lattice_encodings import fuse_networks, replace_encodings


@dataclass
class SimplexSdfFieldConfig(SDFFieldConfig):
    """nerfstudio's settings, for networks that fit an encoding and a CPU."""

    _target: type = field(default_factory=lambda: SimplexSdfField)
    encoding_type: Literal["hash", "periodic", "tensorf_vm"] = "periodic"
    """Keeps nerfstudio from making its own encoding."""
    use_grid_feature: bool = True
    num_layers: int = 1
    hidden_dim: int = 64
    geo_feat_dim: int = 15
    num_layers_color: int = 2
    hidden_dim_color: int = 64
    weight_norm: bool = False
    lattice: Literal["simplex", "grid"] = "simplex"
    """Where features lie: on simplices, or on the cubes of instant-ngp for comparison."""


class SimplexSdfField(SDFField):
    """See the module."""

    config: SimplexSdfFieldConfig

    def initialize_geo_layers(self) -> None:
        """The encoding, then the host's network behind it."""
        config = self.config
        self.encoding = SimplexHashEncoding(
            in_dim=3,
            num_levels=config.num_levels,
            min_res=config.base_res,
            max_res=config.max_res,
            log2_hashmap_size=config.log2_hashmap_size,
            features_per_level=config.features_per_level,
            lattice=config.lattice,
        )
        super().initialize_geo_layers()


@dataclass
class SimplexSdfModelConfig(NeuSFactoModelConfig):
    """NeuS-facto with a signed distance field on a simplex encoding."""

    _target: type = field(default_factory=lambda: SimplexSdfModel)
    sdf_field: SimplexSdfFieldConfig = field(default_factory=SimplexSdfFieldConfig)
    """The field of distances and colors."""
    background_model: Literal["grid", "mlp", "none"] = "none"
    """What lies behind the box of the scene."""
    first_levels: int = 4
    """Levels of the encoding that training starts with."""
    levels_share: float = 0.5
    """Share of the run after which all levels take part."""


class SimplexSdfModel(NeuSFactoModel):
    """See the module."""

    config: SimplexSdfModelConfig
    field: SimplexSdfField

    def populate_modules(self) -> None:
        """NeuS-facto's parts, with encodings of ours, and networks of ours in its proposals.

        The field's own layers stay torch's: the eikonal loss differentiates them twice.
        """
        with without_lpips():
            super().populate_modules()
        replace_encodings(self, self.config.sdf_field.lattice)
        fuse_networks(self)

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        """Groups with something to train: a dummy background is none."""
        groups = super().get_param_groups()
        return {name: kept for name, ps in groups.items() if (kept := [p for p in ps if p.requires_grad])}

    def get_training_callbacks(self, attributes: TrainingCallbackAttributes) -> list[TrainingCallback]:
        """The host's, the angle's annealing made a share of the run, and levels from coarse to fine."""
        total = attributes.trainer.config.max_num_iterations if attributes.trainer is not None else 1
        self.anneal_end = max(total // 4, 1)
        return super().get_training_callbacks(attributes) + before_each_step(attributes, self.set_levels)

    def set_levels(self, done: float) -> None:
        """Levels that take part after a share `done` of the run."""
        set_levels(self.field.encoding, self.config.first_levels, self.config.levels_share, done)

    @torch.no_grad()
    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics of an evaluation image; the photograph beside the rendering, depth and normals."""
        target = self.renderer_rgb.blend_background(batch["image"].to(self.device))
        images = {
            "img": torch.cat([target, outputs["rgb"]], 1),
            "depth": colormaps.apply_depth_colormap(outputs["depth"], accumulation=outputs["accumulation"]),
            "normal": outputs["normal_vis"],
        }
        return image_metrics(outputs["rgb"], target), images
