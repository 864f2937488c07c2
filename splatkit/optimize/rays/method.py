"""What the nerfstudio methods that train on rays have in common."""

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from splatkit.optimize.method_record import Method
from splatkit.optimize.nerfstudio.guards import apply_host_guards
from splatkit.optimize.nerfstudio.optimizers import ExponentialDecayConfig, FusedAdamConfig
from splatkit.optimize.nerfstudio.ray_images import RayDatamanager
from splatkit.optimize.rays.trainer import RayTrainer

apply_host_guards()

NERFACTO_RATE = 0.01  # instant-ngp's too, for tables and networks alike
_FINAL_SHARE = 0.1  # of it at the end: with a hundredth, short runs stand still before they have learned


def rays_at_a_time(on_gpu: bool) -> int:
    """Of pictures. A GPU waits for launches where they are few (nerfacto's number); a CPU keeps few in its caches."""
    return 1 << 15 if on_gpu else 1 << 12


def ray_method(record: Method, model: ModelConfig, rates: dict[str, float], description: str) -> MethodSpecification:
    """A method whose model is trained on rays by Adam, each group of parameters with its own falling rate.

    Positions are normalized by the host's own data parser: the fields live in its unit cube.
    """
    on_gpu = torch.cuda.is_available()
    return MethodSpecification(
        config=TrainerConfig(
            _target=RayTrainer,
            method_name=record.name,
            max_num_iterations=30_000 if on_gpu else record.steps,
            steps_per_save=500,
            steps_per_eval_batch=0,
            steps_per_eval_image=0 if not on_gpu else 500,  # an image takes a CPU as long as many steps
            steps_per_eval_all_images=0,
            mixed_precision=False,
            machine=MachineConfig(device_type="cuda" if on_gpu else "cpu"),
            pipeline=VanillaPipelineConfig(
                datamanager=VanillaDataManagerConfig(
                    _target=RayDatamanager,
                    dataparser=NerfstudioDataParserConfig(),
                    train_num_rays_per_batch=4096 if on_gpu else 1024,
                    eval_num_rays_per_batch=4096 if on_gpu else 1024,
                ),
                model=model,
            ),
            optimizers={
                group: {
                    "optimizer": FusedAdamConfig(lr=rate),
                    "scheduler": ExponentialDecayConfig(final_share=_FINAL_SHARE),
                }
                for group, rate in rates.items()
            },
            viewer=ViewerConfig(
                websocket_host="127.0.0.1", num_rays_per_chunk=max(1 << 12, model.eval_num_rays_per_chunk)
            ),
            vis="viewer",
        ),
        description=description,
    )
