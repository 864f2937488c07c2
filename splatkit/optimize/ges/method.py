"""The nerfstudio method `ges` and its settings for small scenes."""

from copy import deepcopy

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from splatkit.optimize.data.datamanager import GesDatamanagerConfig
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.ges.model import GesModel
from splatkit.optimize.ges.pipeline import GesPipeline
from splatkit.optimize.ges.record import GES
from splatkit.optimize.ges.settings import GesModelConfig
from splatkit.optimize.nerfstudio.guards import apply_host_guards
from splatkit.optimize.nerfstudio.optimizers import ExponentialDecayConfig, FusedAdamConfig
from splatkit.optimize.nerfstudio.trainer import GesTrainer

apply_host_guards()

# Learning rates of 3DGS and splatfacto. That of the means is for a scene of extent 1 and is scaled by the trainer; that
# of betas is ours: at the published 0.001 exponents hardly leave the Gaussian in some thousand steps, and most of what
# they bring is lost (0.5 dB on 10 000 splats of photographs).
_RATES = {
    "means": 1.6e-4,
    "scales": 0.005,
    "quats": 0.001,
    "features_dc": 0.0025,
    "features_rest": 0.0025 / 20,
    "opacities": 0.05,
    "betas": 0.01,
    "lobes": 0.0025,
}


# Those rates are for 30 000 steps; in a run of 1 000 places would hardly move, and colors end half-way. The powers were
# found on photographs kept from training (fox, `studio`; 1 000 and 3 000 steps). Opacities and exponents gain nothing.
_SHORT_RUN_POWERS = {"means": 0.6, "scales": 1 / 3, "quats": 1 / 3, "features_dc": 1 / 3, "features_rest": 1 / 3}


def _optimizers() -> dict[str, dict[str, object]]:
    groups: dict[str, dict[str, object]] = {
        name: {
            "optimizer": FusedAdamConfig(lr=rate, short_run_power=_SHORT_RUN_POWERS.get(name, 0.0)),
            "scheduler": None,
        }
        for name, rate in _RATES.items()
    }
    groups["means"]["scheduler"] = ExponentialDecayConfig(final_share=0.01)
    # Used where the model has such parameters; rates of splatfacto.
    groups["camera_opt"] = {
        "optimizer": FusedAdamConfig(lr=1e-4),
        "scheduler": ExponentialDecayConfig(final_share=0.005),
    }
    # Ours: a hundred steps are a degree, or as many centimeters as two.
    groups["rig"] = {"optimizer": FusedAdamConfig(lr=2e-4), "scheduler": ExponentialDecayConfig(final_share=0.1)}
    groups["bilateral_grid"] = {
        "optimizer": FusedAdamConfig(lr=2e-3),
        "scheduler": ExponentialDecayConfig(final_share=0.05),
    }
    return deepcopy(groups)


ges_method = MethodSpecification(
    config=TrainerConfig(
        _target=GesTrainer,
        method_name=GES.name,
        max_num_iterations=GES.steps,
        steps_per_save=500,
        steps_per_eval_batch=0,
        steps_per_eval_image=500,
        steps_per_eval_all_images=0,
        mixed_precision=False,
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        pipeline=VanillaPipelineConfig(
            _target=GesPipeline,
            datamanager=GesDatamanagerConfig(dataparser=SplatkitDataParserConfig()),
            model=GesModelConfig(_target=GesModel),
        ),
        optimizers=_optimizers(),
        viewer=ViewerConfig(websocket_host="127.0.0.1", num_rays_per_chunk=1 << 15),
        vis="viewer",
    ),
    description="Generalized exponential splatting, on a GPU or a CPU: splats that learn how sharp they are.",
)
