"""How often a training step makes the host wait for a GPU, counted on the pretended device."""

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from torch.nn import Parameter

import tests.other_device as other
from splatkit.splatting.mcmc import McmcSettings
from tests.optimize.test_devices import move
from tests.other_device import OTHER, OtherTensor, other_device

STEPS = 4  # the last one is counted
# Operators whose results are as large as their values say.
SIZED_BY_VALUES = {
    f"aten::{name}" for name in ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount")
}
INDEXING = {f"aten::{name}" for name in ("index", "index_put", "index_put_", "_index_put_impl_")}


class Waits:
    """Counts, while it is on, what a GPU would make the host wait for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on, self.counts = False, Counter[str]()
        operators, functions = OtherTensor.__torch_dispatch__.__func__, other._OtherFactories.__torch_function__  # type: ignore[attr-defined]  # a classmethod's own function

        def dispatch(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if self.on:
                self._note_operator(func._schema.name, args, kwargs or {})
            return operators(cls, func, types, args, kwargs)

        def function(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if self.on:
                self._note_function(getattr(func, "__name__", ""), args, kwargs or {})
            return functions(mode, func, types, args, kwargs)

        monkeypatch.setattr(OtherTensor, "__torch_dispatch__", classmethod(dispatch))
        monkeypatch.setattr(other._OtherFactories, "__torch_function__", function)

    def _note_operator(self, name: str, args: Any, kwargs: Any) -> None:
        masks = args[1] or [] if name in INDEXING else []
        if name == "aten::_local_scalar_dense":
            self.counts["number read"] += 1
        elif kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cpu":
            self.counts["copy home"] += 1
        elif name in SIZED_BY_VALUES or any(isinstance(x, torch.Tensor) and x.dtype == torch.bool for x in masks):
            self.counts["size read"] += 1
        elif name in other._COPIES and any(isinstance(x, torch.Tensor) and not _is_there(x) for x in args):
            self.counts["upload"] += 1

    def _note_function(self, name: str, args: Any, kwargs: Any) -> None:
        first = args[0] if args and isinstance(args[0], torch.Tensor) else None
        wanted = args[1] if len(args) > 1 else kwargs.get("device")
        goes = name == "to" and first is not None and not _is_there(first) and other._is_other(wanted)
        made = name in ("tensor", "as_tensor") and other._is_other(kwargs.get("device"))
        if goes or made or (name == "new_tensor" and isinstance(first, OtherTensor)):
            self.counts["upload"] += 1


def _is_there(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, OtherTensor)


def waits_of_a_step(config: Any, waits: Waits) -> Counter[str]:
    """Of the last of a few steps; the image itself, which the host uploads, is not counted."""
    torch.manual_seed(0)
    random.seed(0)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").train()
    model, data = pipeline.model, pipeline.datamanager
    model.device_indicator_param = Parameter(model.device_indicator_param.detach().to(OTHER))
    for module in (model.gauss_params, model.camera_optimizer, model.rig):
        move(module, OTHER)
    model.background_color = model.background_color.to(OTHER)
    groups = model.get_param_groups()
    optimizers = {name: torch.optim.Adam(group, lr=1e-2) for name, group in groups.items()}
    host = SimpleNamespace(parameters=groups, optimizers=optimizers, config=config, base_dir=config.output_dir)
    callbacks = model.get_training_callbacks(TrainingCallbackAttributes(host, None, pipeline, host))
    for step in range(STEPS):
        camera, batch = data.next_train(step)
        camera = camera.to(OTHER)
        batch = {key: x.to(OTHER) if isinstance(x, torch.Tensor) else x for key, x in batch.items()}
        waits.on = step == STEPS - 1
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        outputs = model(camera)
        sum(model.get_loss_dict(outputs, batch, model.get_metrics_dict(outputs, batch)).values()).backward()
        waits.on = False  # the optimizers of a run on a GPU are fused ones
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        waits.on = step == STEPS - 1
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
        waits.on = False
    return waits.counts


@pytest.mark.parametrize("strategy", ["default", "mcmc"])
def test_only_the_lens_of_the_camera_makes_the_host_wait(make_config, monkeypatch, strategy):
    """Beside the count of intersections, which native code reads."""
    monkeypatch.setattr("splatkit.optimize.ges.rendering.has_kernels", lambda device: True)
    monkeypatch.setattr("splatkit.optimize.nerfstudio.metrics.has_kernels", lambda device: True)
    config = make_config("waits", 200)
    config.pipeline.datamanager.data = config.data
    model = config.pipeline.model
    model.strategy = strategy
    model.mcmc = McmcSettings(warmup_steps=50, refine_every=50, max_splats=200)
    model.densification = replace(model.densification, warmup_steps=50, refine_every=50)
    with other_device():
        assert waits_of_a_step(config, Waits(monkeypatch)) == {"copy home": 1}
