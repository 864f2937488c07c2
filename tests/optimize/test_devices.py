"""Training on another device than the CPU: nothing is left behind there, and the bits are the same."""

import random
from types import SimpleNamespace

import pytest
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from torch.nn import Parameter

from splatkit.splatting.mcmc import McmcSettings
from tests.other_device import OTHER, OtherTensor, other_device

STEPS = 6


def move(module, device):
    """Parameters and buffers of a module to a device."""
    for name, p in list(module.named_parameters()) if module is not None else []:
        setattr(module, name, Parameter(p.detach().to(device)))
    for name, buffer in list(module.named_buffers()) if module is not None else []:
        setattr(module, name, buffer.to(device))


def train_on(device, config):
    """Steps of a model whose parameters, cameras and images are on a device: its parameters and an evaluation image."""
    torch.manual_seed(0)
    random.seed(0)  # the host draws evaluation images with it
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").train()
    model, data = pipeline.model, pipeline.datamanager
    model.device_indicator_param = Parameter(model.device_indicator_param.detach().to(device))
    for module in (model.gauss_params, model.camera_optimizer, getattr(model, "bil_grids", None), model.rig):
        move(module, device)
    groups = model.get_param_groups()
    optimizers = {name: torch.optim.Adam(group, lr=1e-2) for name, group in groups.items()}

    host = SimpleNamespace(parameters=groups, optimizers=optimizers, config=config, base_dir=config.output_dir)
    callbacks = model.get_training_callbacks(TrainingCallbackAttributes(host, None, pipeline, host))
    for step in range(STEPS):
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        camera, batch = data.next_train(step)
        batch = {key: x.to(device) if isinstance(x, torch.Tensor) else x for key, x in batch.items()}
        outputs = model(camera.to(device))
        sum(model.get_loss_dict(outputs, batch, model.get_metrics_dict(outputs, batch)).values()).backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
    model.densification.load_state(model.densification.state(), model.device)
    model.eval()
    camera, batch = data.next_eval_image(0)
    outputs = model.get_outputs_for_camera(camera.to(device))
    metrics, _ = model.get_image_metrics_and_images(outputs, batch)
    return {name: p.detach() for name, p in model.gauss_params.items()}, outputs, metrics


@pytest.mark.parametrize(
    ("strategy", "everything"), [("default", False), ("mcmc", False), ("default", True), ("default", "depths")]
)
def test_training_stays_on_its_device_and_gives_the_same_bits(
    make_config, monkeypatch, switch_on_everything, depth_dataset, strategy, everything
):
    monkeypatch.setattr("splatkit.optimize.ges.rendering.has_kernels", lambda device: True)
    monkeypatch.setattr("splatkit.optimize.nerfstudio.metrics.has_kernels", lambda device: True)

    def configure():
        config = make_config("devices", STEPS)
        config.pipeline.datamanager.data = depth_dataset if everything == "depths" else config.data
        config.pipeline.model.refine_rig = everything == "depths"
        config.pipeline.model.strategy = strategy
        config.pipeline.model.mcmc = McmcSettings(warmup_steps=2, refine_every=2, max_splats=200)
        return switch_on_everything(config) if everything is True else config

    expected, expected_outputs, expected_metrics = train_on(torch.device("cpu"), configure())
    assert len(expected["means"]) > 150  # it densified
    with other_device():
        actual, outputs, metrics = train_on(OTHER, configure())
    for name, p in expected.items():
        assert isinstance(actual[name], OtherTensor), name
        assert torch.equal(actual[name].inner, p), name
    for name, image in expected_outputs.items():
        assert torch.equal(outputs[name].inner, image), name
    assert metrics == expected_metrics


def test_device_without_kernels_is_rendered_on_the_cpu(make_config):
    config = make_config("viewed", STEPS)
    config.pipeline.datamanager.data = config.data
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").eval()
    camera, batch = pipeline.datamanager.next_eval_image(0)
    expected = pipeline.model.get_outputs_for_camera(camera)
    with other_device():
        model = pipeline.model
        model.device_indicator_param = Parameter(model.device_indicator_param.detach().to(OTHER))
        for name, p in list(model.gauss_params.items()):
            model.gauss_params[name] = Parameter(p.detach().to(OTHER))
        outputs = model.get_outputs_for_camera(camera)
        assert torch.equal(outputs["rgb"].inner, expected["rgb"])
        assert model.get_image_metrics_and_images(outputs, batch)[0]["psnr"] > 0
