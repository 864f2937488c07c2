"""The host's training loop with checkpoints that survive a kill and a resume that changes nothing.

The host saves in place, keeps only the newest file, and stores neither random states nor the order of views; it also
reads `max_num_iterations` as "so many more" when it resumes. Here a run that was interrupted and resumed ends, on a
CPU, with the same bits as one that was not.
"""

import random
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from nerfstudio.engine.optimizers import Optimizers
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from nerfstudio.utils import writer
from nerfstudio.utils.decorators import check_main_thread

from splatkit.memory import peak_memory_mb
from splatkit.ops import has_kernels, native_threads_only
from splatkit.optimize.nerfstudio.checkpoints import read_checkpoint, read_newest_checkpoint, write_checkpoint
from splatkit.optimize.nerfstudio.console import repeat_warnings, tell
from splatkit.optimize.nerfstudio.optimizers import SplatOptimizers, optimizers_for


class GesTrainer(Trainer):
    """Trainer of the splatting methods; see the module."""

    def __init__(self, config: TrainerConfig, local_rank: int = 0, world_size: int = 1) -> None:
        config.machine.device_type = _usable_device(config.machine.device_type)
        super().__init__(config, local_rank, world_size)

    def setup_optimizers(self) -> Optimizers:
        """The host's optimizers, with rates and schedules that fit this scene and the length of this run."""
        groups = optimizers_for(self.config.optimizers, self.config.max_num_iterations)
        # Positions live in the units of the dataset: a step must grow with the scene.
        groups["means"]["optimizer"].lr *= self.pipeline.model.extent
        return SplatOptimizers(groups, self.pipeline.get_param_groups(), list(self.pipeline.model.gauss_params))

    def train(self) -> None:
        """Train until `max_num_iterations` steps are done in total, however many of them were done before."""
        total = self.config.max_num_iterations
        remaining = total - self._start_step
        if remaining <= 0:
            tell(f"Nothing to do: {self._start_step} of {total} steps are done; raise --max-num-iterations.")
            self.step = self._start_step - 1
            self.stop_training = False
            self._init_viewer_state()
            writer.GLOBAL_BUFFER["step"] = self.step  # the host reads it and has set it only where a step was done
            self._after_train()
            return
        self.config.max_num_iterations = remaining  # the host counts from the step it resumes at
        started = time.perf_counter()
        try:
            with self._threads():
                super().train()
        finally:
            self.config.max_num_iterations = total
        per_step = (time.perf_counter() - started) / remaining
        tell(f"{remaining} steps, {per_step:.4f} s each, {self._size()}, {peak_memory_mb():.0f} MB of memory at most")
        repeat_warnings()

    def _size(self) -> str:
        """Of the model, for people."""
        return f"{self.pipeline.model.num_points} splats"

    def _threads(self) -> AbstractContextManager[None]:
        """How torch's operators use threads during training."""
        return native_threads_only()

    @check_main_thread
    def save_checkpoint(self, step: int) -> None:
        """Write all that the next step depends on."""
        state = {
            "step": step,
            "pipeline": self.pipeline.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.optimizers.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.optimizers.schedulers.items()},
            "scalers": self.grad_scaler.state_dict(),
            "splatkit": {"random": _random_state(), **self._own_state()},
        }
        write_checkpoint(self.checkpoint_dir, step, state, keep_all=not self.config.save_only_latest_checkpoint)

    def _load_checkpoint(self) -> None:
        state, path = self._find_checkpoint()
        if state is None:
            tell("No checkpoint to load: training starts from the beginning.")
            return
        self._start_step = state["step"] + 1
        self.pipeline.load_pipeline(state["pipeline"], state["step"])
        self.optimizers.load_optimizers(state["optimizers"])
        if "schedulers" in state and self.config.load_scheduler:
            self.optimizers.load_schedulers(state["schedulers"])
        self.grad_scaler.load_state_dict(state["scalers"])
        if "splatkit" in state:
            self._load_own_state(state["splatkit"])
            _load_random_state(state["splatkit"]["random"])
        tell(f"Resuming after step {state['step']} from {path}")

    def _own_state(self) -> dict[str, Any]:
        """What the next step depends on besides parameters and random states."""
        return {
            "order": self.pipeline.datamanager.order_state(),
            "densification": self.pipeline.model.densification.state(),
        }

    def _load_own_state(self, own: Mapping[str, Any]) -> None:
        self.pipeline.datamanager.load_order_state(own["order"])
        self.pipeline.model.densification.load_state(own["densification"], self.pipeline.model.device)

    def _find_checkpoint(self) -> tuple[dict[str, Any] | None, Path | None]:
        if self.config.load_dir is not None:
            if self.config.load_step is None:
                return read_newest_checkpoint(self.config.load_dir)
            path = self.config.load_dir / f"step-{self.config.load_step:09d}.ckpt"
            return read_checkpoint(path), path
        if self.config.load_checkpoint is not None:
            return read_checkpoint(self.config.load_checkpoint), self.config.load_checkpoint
        return None, None


def _usable_device(wanted: Literal["cpu", "cuda", "mps"]) -> Literal["cpu", "cuda"]:
    """The device that a run gets; where it is not the one that was asked for, the console says why."""
    if wanted == "cuda" and not torch.cuda.is_available():
        reason = "torch sees no GPU"
    elif wanted == "cuda" and not has_kernels(torch.device("cuda")):
        reason = "splatkit was installed without its CUDA kernels (they need nvcc at the installation)"
    elif wanted in ("cpu", "cuda"):
        return wanted
    else:
        reason = f"there are no kernels for {wanted}"
    tell(f"No GPU can be used, {reason}: this run trains on its CPU.")
    return "cpu"


def _random_state() -> dict[str, Any]:
    """States of the global generators, as tensors and plain values that load without running code."""
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - nerfstudio draws from it
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys, dtype=np.int64)), int(position), int(has_gauss), float(cached)),
        "torch": torch.get_rng_state(),
    }


def _load_random_state(state: Mapping[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002 - as above
    torch.set_rng_state(state["torch"])
