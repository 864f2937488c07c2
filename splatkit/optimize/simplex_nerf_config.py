"""The nerfstudio method `simplex-nerf` and its settings."""

from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig

from splatkit.optimize.ray_method import ray_method
from splatkit.optimize.simplex_nerf_model import SimplexNerfModelConfig

simplex_nerf_method = ray_method(
    "simplex-nerf",
    SimplexNerfModelConfig(
        average_init_density=0.01,
        eval_num_rays_per_chunk=1 << 12,
        camera_optimizer=CameraOptimizerConfig(mode="off"),  # poses are taken as they are
    ),
    groups=("proposal_networks", "fields"),
    description="Nerfacto on native simplex-hash encodings: trains without tiny-cuda-nn, also on a CPU.",
)
