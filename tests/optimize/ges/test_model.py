"""Losses of the model with masks and transparency, and what it says on a machine with a GPU."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from nerfstudio.scripts.train import main

from splatkit import ops
from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image
from splatkit.optimize.ges.view import view_of
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.nerfstudio.checkpoints import list_checkpoints, read_checkpoint
from splatkit.optimize.nerfstudio.trainer import GesTrainer
from splatkit.runs.trained_run import evaluate
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.frequency_loss import FrequencySettings
from splatkit.splatting.kernels.table import KERNELS, ShapeSettings
from splatkit.splatting.mcmc import McmcSettings
from splatkit.splatting.regularization import RegularizationSettings
from tests.helpers import free_port


@pytest.fixture
def dataset(tiny_dataset, tmp_path):
    return shutil.copytree(tiny_dataset, tmp_path / "data")


def edit_frames(dataset, change):
    file = dataset / "transforms.json"
    meta = json.loads(file.read_text())
    for frame in meta["frames"]:
        change(frame)
    file.write_text(json.dumps(meta))


def pipeline_of(config):
    return config.pipeline.setup(device="cpu", test_mode="val")


def with_data(make_config, name, dataset):
    config = make_config(name, 4)
    config.data = config.pipeline.datamanager.data = dataset
    return config


def test_masked_pixels_do_not_move_the_splats(make_config, dataset):
    """Spoil a part of all photographs and mask it: gradients must be those of the clean ones."""
    mask = np.full((40, 56), 255, np.uint8)
    mask[:, 30:] = 0
    write_image(dataset / "mask.png", mask)
    edit_frames(dataset, lambda frame: frame.update(mask_path="mask.png"))
    gradients = []
    for spoil in (False, True):
        if spoil:
            for path in (dataset / "images").glob("*.png"):
                image = read_image(path)
                image[:, 30:] = 255 - image[:, 30:]
                write_image(path, image)
        torch.manual_seed(0)
        pipeline = pipeline_of(with_data(make_config, "masked", dataset)).train()
        _, losses, _ = pipeline.get_train_loss_dict(0)
        losses["main_loss"].backward()
        gradients.append(pipeline.model.gauss_params["features_dc"].grad)
    assert gradients[0].abs().max() > 0
    assert torch.equal(gradients[0], gradients[1])


def test_transparent_photographs_stand_before_the_background_of_the_rendering(make_config, dataset):
    for path in (dataset / "images").glob("*.png"):
        image = read_image(path)
        write_image(path, np.concatenate([image, np.full_like(image[..., :1], 0)], -1))
    config = with_data(make_config, "transparent", dataset)
    pipeline = pipeline_of(config)
    camera, batch = pipeline.datamanager.next_train(0)
    pipeline.train()
    outputs = pipeline.model.get_outputs(camera)
    outputs["rgb"] = outputs["background"].expand_as(outputs["rgb"])
    assert pipeline.model.get_loss_dict(outputs, batch)["main_loss"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("gpu", "kernels", "device", "reason"),
    [
        (True, "for sm 90", "cuda:0", None),
        (True, "none", "cpu", "without its CUDA kernels"),
        (False, "for sm 90", "cpu", "torch sees no GPU"),
    ],
)
def test_run_gets_the_gpu_that_it_asks_for_or_hears_why_not(
    make_config, monkeypatch, capsys, gpu, kernels, device, reason
):
    config = make_config("gpu", 1)
    config.machine.device_type = "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(ops, "build_info", lambda: {"cuda": kernels})
    assert GesTrainer(config).device == device
    shown = " ".join(capsys.readouterr().out.split())
    assert ("trains on its CPU" in shown) == (reason is not None)
    assert reason is None or reason in shown


@pytest.mark.parametrize("degree", [0, 1])
def test_lower_degrees_of_harmonics_train_and_save(make_config, degree):
    config = make_config(f"sh{degree}", 3)
    config.pipeline.model.sh_degree = degree
    main(config)
    saved = read_checkpoint(list_checkpoints(config.get_checkpoint_dir())[0])["pipeline"]
    assert saved["_model.gauss_params.features_rest"].shape[1] == (degree + 1) ** 2 - 1


@pytest.mark.slow
def test_training_with_viewer_and_tensorboard_ends_by_itself(make_config):
    config = make_config("watched", 4)
    config.vis = "viewer+tensorboard"
    config.viewer.websocket_port = free_port()  # where one is taken, the host leaves a socket open
    main(config)
    assert list(config.get_base_dir().glob("events.out.tfevents.*"))
    assert len(list_checkpoints(config.get_checkpoint_dir())) == 1


def test_same_seed_gives_the_same_bits(make_config):
    ends = []
    for name in ("one", "two"):
        config = make_config(name, 5)
        main(config)
        ends.append(read_checkpoint(list_checkpoints(config.get_checkpoint_dir())[0])["pipeline"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_trains_and_loads(make_config, kernel):
    config = make_config(kernel, 6)
    config.pipeline.model.shape = ShapeSettings(kernel=kernel, coupling="mass")
    main(config)
    run = load_ges_run(config.get_base_dir() / "config.yml")
    assert len(run.splats) > 150  # it densified
    assert (run.splats.betas.unique().numel() == 1) == (kernel in ("gaussian", "approximate"))
    saved = read_checkpoint(run.checkpoint)["pipeline"]
    assert ("_model.gauss_params.betas" in saved) == (kernel != "gaussian")


def test_lobes_train_load_and_replace_harmonics(make_config):
    config = make_config("lobes", 6)
    config.pipeline.model.lobes = 2
    main(config)
    run = load_ges_run(config.get_base_dir() / "config.yml")
    assert run.splats.lobes.shape == (len(run.splats), 2, 6)
    assert run.splats.lobes[..., :3].abs().max() > 0
    assert run.splats.sh_degree == 0
    assert evaluate(run) != evaluate(replace(run, splats=replace(run.splats, lobes=0 * run.splats.lobes)))


def test_cap_below_the_seed_count_thins_the_cloud_and_says_so(make_config, capsys):
    config = make_config("capped", 1)
    config.pipeline.datamanager.data = config.data
    config.pipeline.model.densification = DensificationSettings(max_splats=60)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    assert 50 < pipeline.model.num_points <= 60
    assert "150 points and is thinned on a grid to at most 60" in " ".join(capsys.readouterr().out.split())


def test_parser_without_a_seed_cloud_is_refused_with_the_cure(make_config):
    config = make_config("seedless", 1)
    config.pipeline.datamanager.data = config.data
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    with pytest.raises(DatasetError, match="use splatkit-data, or load_3D_points"):
        config.pipeline.model.setup(
            scene_box=pipeline.datamanager.train_dataset.scene_box, num_train_data=2, metadata={}, seed_points=None
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"densification": DensificationSettings(max_splats=0)}, "densification.max_splats"),
        ({"strategy": "mcmc", "mcmc": McmcSettings(max_splats=-1)}, "mcmc.max_splats"),
        ({"lobes": 9}, "lobes: expected 0 to 8"),
        ({"frequency": FrequencySettings(mode="area", weight=0.9)}, "frequency.weight"),
        ({"shape": ShapeSettings(kernel="compact"), "rasterize_mode": "antialiased"}, "rasterize_mode"),
        ({"regularization": RegularizationSettings(flatness_weight=-1.0)}, "flatness_weight"),
        ({"shape": ShapeSettings(gate_pixels=-1.0)}, "gate_pixels"),
        (
            {"shape": ShapeSettings(gate_pixels=2.0, kernel="gaussian")},
            "gate_pixels: only the kernels exact, compact",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_before_training(make_config, change, message):
    config = make_config("refused", 1)
    for name, value in change.items():
        setattr(config.pipeline.model, name, value)
    with pytest.raises(ValueError, match=message):
        main(config)


def test_exponents_are_reset_in_the_first_half_of_a_run(make_config):
    moved = []
    for steps in (8, 9):
        config = make_config(f"reset{steps}", steps)
        config.pipeline.model.densification = DensificationSettings(stop_share=0.0)
        config.pipeline.model.shape = ShapeSettings(reset_every=4)
        main(config)
        saved = read_checkpoint(list_checkpoints(config.get_checkpoint_dir())[0])["pipeline"]
        moved.append(float(saved["_model.gauss_params.betas"].abs().max()))
    rate = make_config("any", 1).optimizers["betas"]["optimizer"].lr
    assert moved[0] > 6 * rate  # of eight steps all count, of nine those after the fourth
    assert 3 * rate < moved[1] < 5.5 * rate


def test_views_do_not_teach_exponents_of_splats_below_the_gate(make_config):
    config = make_config("gated", 1)
    config.pipeline.datamanager.data = config.data
    config.pipeline.model.shape = ShapeSettings(gate_pixels=6.0)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").train()
    model = pipeline.model
    camera, _ = pipeline.datamanager.next_train(0)
    with torch.no_grad():
        model.gauss_params["scales"][::2] -= 3
    outputs = model(camera)
    extents = model._last[0].extents[0].amax(1)
    outputs["rgb"].sum().backward()
    learned = model.gauss_params["betas"].grad != 0
    assert (extents > 0).logical_and(extents < 6).sum() > 20
    assert not learned[extents < 6].any()
    assert learned[extents >= 6].float().mean() > 0.5
    assert (model.gauss_params["scales"].grad[(extents > 0) & (extents < 6)] != 0).any()


def test_every_option_leaves_its_mark(make_config, switch_on_everything):
    config = switch_on_everything(make_config("everything", 8))
    config.pipeline.datamanager.data = config.data
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").train()
    model = pipeline.model
    model.schedule.step, model.schedule.total_steps = 0, 8
    camera, batch = pipeline.datamanager.next_train(0)
    outputs = model(camera)
    assert outputs["rgb"].shape == (20, 28, 3)  # half of 40 x 56
    losses = model.get_loss_dict(outputs, batch)
    assert {"main_loss", "frequency", "flatness", "scale_reg", "tv_loss", "camera_opt_regularizer"} <= losses.keys()
    model.schedule.step = 5
    outputs = model(camera)
    assert outputs["rgb"].shape == (40, 56, 3)
    losses = model.get_loss_dict(outputs, batch)
    assert "normals" in losses
    sum(losses.values()).backward()
    index = camera.metadata["cam_idx"]
    for gradient in (model.camera_optimizer.pose_adjustment.grad, model.bil_grids.grids.grad):
        assert gradient[index].abs().max() > 0
    model.eval()
    metrics, _ = model.get_image_metrics_and_images(model.get_outputs_for_camera(camera), batch)
    assert metrics["cc_psnr"] > metrics["psnr"]


def test_pose_corrections_move_the_cameras_by_shares_of_the_scene(make_config):
    config = make_config("poses", 1)
    config.pipeline.datamanager.data = config.data
    config.pipeline.model.camera_optimizer.mode = "SO3xR3"
    pipeline = config.pipeline.setup(device="cpu", test_mode="val").train()
    camera, _ = pipeline.datamanager.next_train(0)
    optimizer = pipeline.model.camera_optimizer
    optimizer.extent = 5.0
    optimizer.pose_adjustment.data[camera.metadata["cam_idx"]] = torch.tensor([0.1, 0, 0, 0, 0, np.pi / 2])
    pose = optimizer.apply_to_camera(camera)[0]
    before = camera.camera_to_worlds[0]
    torch.testing.assert_close(pose[:, 3], before[:, 3] + torch.tensor([0.5, 0, 0]))
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(pose[:, :3], quarter @ before[:, :3])
    del camera.metadata["cam_idx"]  # the camera of somebody who looks
    assert optimizer.apply_to_camera(camera) is camera.camera_to_worlds


def test_mixed_precision_rounds_no_pose_and_no_image(make_config):
    """Autocast, as the host turns it on around a step, multiplies poses in 16 bits."""
    config = make_config("mixed", 4)
    config.pipeline.datamanager.data = config.data
    pipeline = pipeline_of(config).eval()
    model, cameras = pipeline.model, pipeline.datamanager.train_dataset.cameras
    cameras.camera_to_worlds[:, :, 3] += 100.0
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            view = view_of(cameras[:1], cameras[:1].camera_to_worlds)
            cameras.camera_to_worlds[:, :, 3] -= 100.0
            outputs = model.get_outputs_for_camera(cameras[1:2])
            cameras.camera_to_worlds[:, :, 3] += 100.0
        results.append([view.viewmats, *outputs.values()])
    for plain, cast in zip(*results, strict=True):
        assert torch.equal(plain, cast)
    assert results[0][1].std() > 0
