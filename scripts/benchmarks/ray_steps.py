"""Whole training steps on rays: simplex-nerf beside nerfacto in plain torch, same photographs, rays and samples.

Each method runs in a process of its own, so that the memory it took is its own too.
"""

import copy
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig
from nerfstudio.configs.method_configs import method_configs
from nerfstudio.engine.optimizers import Optimizers
from torch import nn

from benchmarks.record import Record, record
from splatkit.memory import peak_memory_mb
from splatkit.ops import native_threads_only
from splatkit.optimize.nerfstudio.guards import without_lpips
from splatkit.optimize.rays.lattice_encodings import FusedMlp
from splatkit.optimize.rays.simplex_nerf_config import simplex_nerf_method

_RAYS = 1024
_LIKE_NERFACTO = {"max_res": 2048, "log2_hashmap_size": 19, "use_appearance_embedding": True}
# As it is; with nerfacto's tables and appearance, like for like; the same with the layers run by torch, as before they
# were fused; and nerfacto itself.
_METHODS = ("simplex-nerf", "simplex-nerf-like-nerfacto", "simplex-nerf-torch-layers", "nerfacto-torch")
_PEER = _METHODS[-1]


@dataclass(frozen=True)
class _Measured:
    wall_s: list[float]  # of steps
    cpu_s: list[float]
    train_mb: float  # growth of the process by the pipeline and its steps
    render_mb: float  # by a model that renders a photograph and was never trained


def measure_ray_steps(data: Path, quick: bool) -> list[Record]:
    """Wall and CPU seconds of a step, all threads at work; memory of training and of a fixed model."""
    threads = torch.get_num_threads()
    measured = {name: _measure(data, name, 1 if quick else 5, threads) for name in _METHODS}
    params: dict[str, str | int] = {"scene": data.name, "rays": _RAYS, "threads": threads}
    records = []
    for name, found in measured.items():
        records += [
            record(f"train_step/{name}", {**params, "clock": "wall"}, "s", found.wall_s),
            record(f"train_step/{name}", {**params, "clock": "cpu"}, "s", found.cpu_s),
            record(f"train_step/memory/{name}", params, "MB", [found.train_mb]),
            record(f"fixed_model/memory/{name}", params, "MB", [found.render_mb]),
        ]
        if name != _PEER:
            for clock in ("wall", "cpu"):
                mine, peer = (median(getattr(each, f"{clock}_s")) for each in (found, measured[_PEER]))
                records.append(record(f"speedup/{name}_over_nerfacto", {**params, "clock": clock}, "x", [peer / mine]))
    return records


def _measure(data: Path, name: str, steps: int, threads: int) -> _Measured:
    wall_s, cpu_s, train_mb = _in_new_process(_time_steps, data, name, steps, threads)
    return _Measured(wall_s, cpu_s, train_mb, _in_new_process(_render_photograph, data, name, threads))


def _in_new_process(task: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def _simplex_nerf(settings: dict[str, Any]) -> Any:
    model = copy.deepcopy(simplex_nerf_method.config.pipeline.model)
    for name, value in settings.items():
        setattr(model, name, value)
    return model


def _nerfacto() -> Any:
    model = copy.deepcopy(method_configs["nerfacto"].pipeline.model)
    model.implementation, model.camera_optimizer = "torch", CameraOptimizerConfig(mode="off")
    model.eval_num_rays_per_chunk = simplex_nerf_method.config.pipeline.model.eval_num_rays_per_chunk  # a GPU's before
    return model


def _set_up(data: Path, name: str) -> tuple[Any, Any]:
    """Configuration and pipeline of a method."""
    config = copy.deepcopy(simplex_nerf_method.config)
    if name == _PEER:
        config.pipeline.model = _nerfacto()
    elif name != _METHODS[0]:
        config.pipeline.model = _simplex_nerf(_LIKE_NERFACTO)
    config.pipeline.datamanager.data = data
    config.pipeline.datamanager.train_num_rays_per_batch = _RAYS
    torch.manual_seed(0)
    with without_lpips():
        pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    if name == "simplex-nerf-torch-layers":
        _use_torch_layers(pipeline.model)
    return config, pipeline


def _use_torch_layers(model: nn.Module) -> None:
    """Put torch's layers in the place of networks that run as one native pass."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, FusedMlp):
                last = [] if child.out_activation is None else [child.out_activation]
                hidden = [part for layer in child.layers[:-1] for part in (layer, nn.ReLU())]
                setattr(parent, name, nn.Sequential(*hidden, child.layers[-1], *last))


def _threads_of(name: str) -> AbstractContextManager[None]:
    return native_threads_only() if name in _METHODS[:2] else nullcontext()


def _time_steps(data: Path, name: str, count: int, threads: int) -> tuple[list[float], list[float], float]:
    """Wall and CPU seconds of steps, after one that is dropped; proposals learn in each, as early in training.

    Last the growth of the process, MB.
    """
    torch.set_num_threads(threads)
    before = peak_memory_mb()
    config, pipeline = _set_up(data, name)
    groups = {group: {**settings, "scheduler": None} for group, settings in config.optimizers.items()}
    optimizers = Optimizers(groups, pipeline.get_param_groups())
    wall, cpu = [], []
    with _threads_of(name):
        for step in range(count + 1):
            started, spent = time.perf_counter(), time.process_time()
            optimizers.zero_grad_all()
            _, losses, _ = pipeline.get_train_loss_dict(step=step)
            sum(losses.values()).backward()
            optimizers.optimizer_step_all()
            if step > 0:
                wall.append(time.perf_counter() - started)
                cpu.append(time.process_time() - spent)
    return wall, cpu, peak_memory_mb() - before


@torch.no_grad()
def _render_photograph(data: Path, name: str, threads: int) -> float:
    """Growth of the process, MB, by a model that renders one of the photographs held out."""
    torch.set_num_threads(threads)
    before = peak_memory_mb()
    _, pipeline = _set_up(data, name)
    pipeline.eval()
    camera, _ = next(iter(pipeline.datamanager.fixed_indices_eval_dataloader))
    camera.rescale_output_resolution(0.5)  # still more rays than are rendered at a time
    with _threads_of(name):
        pipeline.model.get_outputs_for_camera(camera)
    return peak_memory_mb() - before
