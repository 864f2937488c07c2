"""`simplex-nerf` on a few photographs in the study of encodings: its lattices, at equal steps or CPU time."""

import copy
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers

from splatkit.evaluation.image import psnr
from splatkit.ops import native_threads_only
from splatkit.optimize.rays.simplex_nerf_config import simplex_nerf_method
from studies.encoded import SIZES, EncodedCase

_RAYS = 1024
_FINAL_SHARE = 0.1  # of the learning rate
_EVERY = 8  # a photograph in so many is held out
_MOST_STEPS = 100_000


def measure_scene(case: EncodedCase, data: Path) -> dict[str, float]:
    """Mean PSNR of the held-out photographs."""
    random.seed(case.seed)
    np.random.seed(case.seed)  # noqa: NPY002 - nerfstudio draws from numpy's global generator
    torch.manual_seed(case.seed)
    config = copy.deepcopy(simplex_nerf_method.config)
    manager, model = config.pipeline.datamanager, config.pipeline.model
    manager.data = data / case.subject
    manager.dataparser.eval_mode, manager.dataparser.eval_interval = "interval", _EVERY
    manager.train_num_rays_per_batch = _RAYS
    sizes = SIZES["scenes"]
    model.lattice, model.num_levels, model.log2_hashmap_size = sizes.of(case.variant)
    model.base_res, model.max_res = sizes.min_res, sizes.max_res
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    groups = {name: {**group, "scheduler": None} for name, group in config.optimizers.items()}
    optimizers = Optimizers(groups, pipeline.get_param_groups())
    with native_threads_only():
        steps, seconds = _train(case, pipeline, optimizers)
        score = _score(pipeline)
    parameters = sum(p.numel() for p in pipeline.model.field.parameters())
    return {"psnr": score, "parameters": parameters, "cpu_s": seconds, "steps": steps}


def _train(case: EncodedCase, pipeline: Any, optimizers: Optimizers) -> tuple[int, float]:
    """Steps done and CPU-seconds spent."""
    callbacks = pipeline.get_training_callbacks(
        TrainingCallbackAttributes(optimizers=optimizers, grad_scaler=None, pipeline=pipeline, trainer=None)
    )
    rates = [(group, group["lr"]) for optimizer in optimizers.optimizers.values() for group in optimizer.param_groups]
    started = time.process_time()
    for step in range(_MOST_STEPS):
        done = (step if case.limit == "steps" else time.process_time() - started) / case.amount
        if done >= 1:
            return step, time.process_time() - started
        pipeline.model.set_levels(done)
        for group, rate in rates:
            group["lr"] = rate * _FINAL_SHARE**done
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        optimizers.zero_grad_all()
        _, losses, _ = pipeline.get_train_loss_dict(step=step)
        sum(losses.values()).backward()
        optimizers.optimizer_step_all()
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
    return _MOST_STEPS, time.process_time() - started


@torch.no_grad()
def _score(pipeline: Any) -> float:
    pipeline.eval()
    scores = []
    for camera, batch in pipeline.datamanager.fixed_indices_eval_dataloader:
        rendered = pipeline.model.get_outputs_for_camera(camera)["rgb"]
        scores.append(float(psnr(rendered, batch["image"][..., :3])))
    return float(np.mean(scores))
