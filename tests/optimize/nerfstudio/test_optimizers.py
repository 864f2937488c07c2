"""Optimizers of splats: one native pass that does what torch's own would, with the same state."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from splatkit.optimize.nerfstudio.optimizers import (
    ExponentialDecayConfig,
    FusedAdamConfig,
    SplatOptimizers,
    optimizers_for,
)

WIDTHS = {"means": (3,), "features_rest": (15, 3), "opacities": (1,)}


def make_optimizers(together: bool, **settings: Any) -> SplatOptimizers:
    generator = torch.Generator().manual_seed(0)
    groups = {name: [Parameter(torch.randn(50, *width, generator=generator))] for name, width in WIDTHS.items()}
    config: dict[str, Any] = {
        name: {"optimizer": FusedAdamConfig(lr=0.01 * (i + 1)), "scheduler": None} for i, name in enumerate(groups)
    }
    config["means"]["scheduler"] = ExponentialDecayConfig(max_steps=10)
    config["opacities"]["optimizer"] = replace(config["opacities"]["optimizer"], **settings)
    return SplatOptimizers(config, groups, list(WIDTHS) if together else [])


def train(optimizers: SplatOptimizers, steps: int, scaler_enabled: bool = False) -> None:
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for (parameter,) in optimizers.parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        scaler = torch.amp.GradScaler("cpu", enabled=scaler_enabled)
        optimizers.optimizer_scaler_step_some(scaler, list(optimizers.parameters))
        optimizers.scheduler_step_all(step)


def assert_alike(one: SplatOptimizers, other: SplatOptimizers) -> None:
    for name, (parameter,) in one.parameters.items():
        (expected,) = other.parameters[name]
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6)
        states = one.optimizers[name].state[parameter], other.optimizers[name].state[expected]
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            torch.testing.assert_close(value, states[1][key], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"max_norm": 1.0}, {"eps": 1e-3}])
def test_steps_are_those_of_torch(settings):
    one, other = make_optimizers(True, **settings), make_optimizers(False, **settings)
    for optimizers in (one, other):
        train(optimizers, 5)
    assert_alike(one, other)


def test_short_runs_take_larger_steps():
    groups: dict[str, Any] = {
        "means": {"optimizer": FusedAdamConfig(lr=0.1, short_run_power=0.5), "scheduler": ExponentialDecayConfig()},
        "betas": {"optimizer": FusedAdamConfig(lr=0.1), "scheduler": None},
    }
    rates = {
        steps: tuple(group["optimizer"].lr for group in optimizers_for(groups, steps).values())
        for steps in (4, 500, 7500, 30_000, 100_000)
    }
    expected = {4: 60**0.5, 500: 60**0.5, 7500: 2.0, 30_000: 1.0, 100_000: 1.0}  # times the rate
    assert rates == {steps: (pytest.approx(0.1 * factor), 0.1) for steps, factor in expected.items()}
    assert groups["means"]["optimizer"].lr == 0.1
    assert optimizers_for(groups, 300)["means"]["scheduler"].max_steps == 300


@pytest.mark.parametrize("first", [True, False])
def test_state_loads_either_way(first):
    """Checkpoints of before and of now: what either wrote, the other continues."""
    start, ours, torchs = (make_optimizers(together) for together in (first, True, False))
    train(start, 3)
    for optimizers in (ours, torchs):
        for name, optimizer in optimizers.optimizers.items():
            optimizer.load_state_dict(deepcopy(start.optimizers[name].state_dict()))
            optimizers.parameters[name][0].data.copy_(start.parameters[name][0])
        train(optimizers, 3)
    assert_alike(ours, torchs)


def test_parameters_without_gradients_rest():
    optimizers = make_optimizers(True)
    before = [parameter.detach().clone() for (parameter,) in optimizers.parameters.values()]
    optimizers.parameters["means"][0].grad = torch.ones(50, 3)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    optimizers.optimizer_scaler_step_some(scaler, list(optimizers.parameters))
    moved = [not torch.equal(p, old) for (p,), old in zip(optimizers.parameters.values(), before, strict=True)]
    assert moved == [True, False, False]
    assert not optimizers.optimizers["opacities"].state
