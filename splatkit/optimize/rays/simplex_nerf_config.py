"""The nerfstudio method `simplex-nerf` and its settings.

Where they differ from nerfacto's, runs on 14 photographs of 135x240 px decided (a hundred to three hundred steps): an
appearance of each photograph fits them better and held-out ones worse; before random colors a ray must end on a
surface, before the color of its last sample it need not; tables meant for large photographs fit noise, and cost a CPU
its time; with all levels from the start each photograph is explained by things close before its camera, more or less by
the seed; and levels that join late learn little in what is left at nerfacto's rate, while four times that is too much.
"""

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig

from splatkit.optimize.rays.method import NERFACTO_RATE, ray_method, rays_at_a_time
from splatkit.optimize.rays.records import SIMPLEX_NERF
from splatkit.optimize.rays.simplex_nerf_model import SimplexNerfModelConfig

_ON_GPU = torch.cuda.is_available()

simplex_nerf_method = ray_method(
    SIMPLEX_NERF,
    SimplexNerfModelConfig(
        average_init_density=0.01,
        background_color="random",
        use_appearance_embedding=False,
        eval_num_rays_per_chunk=rays_at_a_time(_ON_GPU),
        camera_optimizer=CameraOptimizerConfig(mode="off"),  # poses are taken as they are
        max_res=2048 if _ON_GPU else 512,
        log2_hashmap_size=19 if _ON_GPU else 17,
    ),
    rates={"proposal_networks": NERFACTO_RATE, "fields": 2 * NERFACTO_RATE},
    description="Nerfacto on native simplex-hash encodings: trains without tiny-cuda-nn, also on a CPU.",
)
