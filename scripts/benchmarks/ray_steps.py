"""Whole training steps on rays: simplex-nerf beside nerfacto in plain torch, same photographs, rays and samples."""

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig
from nerfstudio.configs.method_configs import method_configs
from nerfstudio.engine.optimizers import Optimizers
from torch import nn

from benchmarks.record import Record, record
from splatkit.ops import native_threads_only
from splatkit.optimize import simplex_nerf_model
from splatkit.optimize.lattice_encodings import without_lpips
from splatkit.optimize.simplex_nerf_config import simplex_nerf_method

_RAYS = 1024
_UNFUSED = ("train_step/simplex-nerf-torch-layers",)
_PEER_SIZES = {"max_res": 2048, "log2_hashmap_size": 19}  # nerfacto's tables


def measure_ray_steps(data: Path, quick: bool) -> list[Record]:
    """Wall and CPU seconds of a step, all threads at work.

    Records: simplex-nerf as it is; with nerfacto's tables and appearance, like for like; the same with the layers run
    by torch, as before they were fused; and nerfacto itself.
    """
    like = {**_PEER_SIZES, "use_appearance_embedding": True}
    methods: dict[str, tuple[Callable[[], Any], AbstractContextManager[None]]] = {
        "train_step/simplex-nerf": (lambda: _simplex_nerf({}), native_threads_only()),
        "train_step/simplex-nerf-like-nerfacto": (lambda: _simplex_nerf(like), native_threads_only()),
        "train_step/simplex-nerf-torch-layers": (lambda: _simplex_nerf(like), nullcontext()),
        "train_step/nerfacto-torch": (_nerfacto, nullcontext()),
    }
    records, medians = [], {}
    for name, (make, threads) in methods.items():
        model = make()
        with patch.object(simplex_nerf_model, "fuse_networks", _keep) if name in _UNFUSED else nullcontext(), threads:
            wall, cpu = _time_steps(data, model, 1 if quick else 5)
        params: dict[str, str | int] = {"scene": data.name, "rays": _RAYS, "threads": torch.get_num_threads()}
        records.append(record(name, {**params, "clock": "wall"}, "s", wall))
        records.append(record(name, {**params, "clock": "cpu"}, "s", cpu))
        medians[name] = sorted(cpu)[len(cpu) // 2]
    peer = medians["train_step/nerfacto-torch"]
    return records + [
        record(f"speedup/{name.removeprefix('train_step/')}_over_nerfacto", {"clock": "cpu"}, "x", [peer / median])
        for name, median in medians.items()
        if "nerfacto-torch" not in name
    ]


def _keep(_: nn.Module) -> int:
    return 0


def _simplex_nerf(settings: dict[str, Any]) -> Any:
    model = copy.deepcopy(simplex_nerf_method.config.pipeline.model)
    for name, value in settings.items():
        setattr(model, name, value)
    return model


def _nerfacto() -> Any:
    model = copy.deepcopy(method_configs["nerfacto"].pipeline.model)
    model.implementation, model.camera_optimizer = "torch", CameraOptimizerConfig(mode="off")
    return model


def _time_steps(data: Path, model: Any, count: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of steps, after one that is dropped; proposals learn in each, as early in training."""
    config = copy.deepcopy(simplex_nerf_method.config)
    config.pipeline.model = model
    config.pipeline.datamanager.data = data
    config.pipeline.datamanager.train_num_rays_per_batch = _RAYS
    torch.manual_seed(0)
    with without_lpips():
        pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    groups = {name: {**group, "scheduler": None} for name, group in config.optimizers.items()}
    optimizers = Optimizers(groups, pipeline.get_param_groups())
    wall, cpu = [], []
    for step in range(count + 1):
        started, spent = time.perf_counter(), time.process_time()
        optimizers.zero_grad_all()
        _, losses, _ = pipeline.get_train_loss_dict(step=step)
        sum(losses.values()).backward()
        optimizers.optimizer_step_all()
        if step > 0:
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - spent)
    return wall, cpu
