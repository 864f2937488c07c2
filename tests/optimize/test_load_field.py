"""Runs of the methods that train on rays, opened for export: frames, depths and distances of the dataset."""

import json
from collections.abc import Callable

import pytest
import torch
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.scripts.train import main

from splatkit.optimize.load_field import TrainedField
from splatkit.optimize.load_ges import parse_dataset
from splatkit.optimize.load_run import load_run
from splatkit.optimize.nerfstudio.cameras import viewmats_from_opengl
from splatkit.optimize.nerfstudio.checkpoints import CheckpointError, list_checkpoints
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import viewmat_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


def opened(make: Callable[[str, str, int], TrainerConfig], method: str) -> tuple[TrainedField, TrainerConfig]:
    config = make(method, "opened", 2)
    if method == "simplex-sdf":  # training begins with a ball before the cameras
        config.pipeline.model.sdf_field.inside_outside = False
        config.pipeline.model.sdf_field.bias = 0.3
    main(config)
    run = load_run(config.get_base_dir() / "config.yml")
    assert isinstance(run, TrainedField)
    return run, config


@pytest.mark.parametrize("method", ["simplex-nerf", "simplex-sdf"])
def test_cameras_and_depths_are_those_of_the_dataset(make_ray_config, tiny_dataset, method):
    run, config = opened(make_ray_config, method)
    frames = json.loads((tiny_dataset / "transforms.json").read_text())["frames"]
    poses = {frame["file_path"]: torch.tensor(frame["transform_matrix"]) for frame in frames}
    expected = torch.stack([poses[f"images/{view.image_path.name}"] for view in run.train_views])
    viewmats = torch.stack([viewmat_of(view.posed) for view in run.train_views])
    torch.testing.assert_close(viewmats, viewmats_from_opengl(expected), atol=1e-4, rtol=0)
    view = run.render_surface(run.train_views[0].posed)
    assert view.depths.shape == view.alphas.shape == (40, 56)
    assert run.scale < 0.5  # the host shrinks the scene
    bundle = parse_dataset(config, "train").cameras.generate_rays(camera_indices=0, keep_shape=True)
    with torch.no_grad():
        outputs = run.model.get_outputs_for_camera_ray_bundle(bundle)
    along = outputs["depth"][..., 0]
    z = along if method == "simplex-sdf" else along / bundle.metadata["directions_norm"][..., 0]
    torch.testing.assert_close(view.depths, z / run.scale, atol=1e-2, rtol=1e-2)


def test_signed_distances_vanish_where_views_see_the_surface(make_ray_config):
    run, _ = opened(make_ray_config, "simplex-sdf")
    assert run.distance is not None
    view = run.render_surface(run.train_views[0].posed)
    rows, columns = (view.alphas > 0.9).nonzero().unbind(1)
    assert len(rows) > 20
    pixels = torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(rows)], -1).float()
    local = pixels @ torch.linalg.inv(view.K).T * view.depths[rows, columns, None]
    points = torch.cat([local, torch.ones(len(local), 1)], 1) @ torch.linalg.inv(view.viewmat).T
    center = torch.linalg.inv(view.viewmat)[:3, 3]
    at_surface, at_camera = run.distance(points[:, :3]).abs(), float(run.distance(center[None]))
    assert at_camera > 0  # outside
    assert float(at_surface.median()) < 0.35 * at_camera  # 0.12 to 0.22 of it over four seeds
    normals = view.normals[rows, columns]
    assert float(((points[:, :3] - center) * normals).sum(1).max()) <= 1e-4  # turned to the camera
    step = 0.05
    slope = (run.distance(points[:, :3] + step * normals) - run.distance(points[:, :3])) / step
    assert float(slope.median()) > 0.1  # 0.6 to 1.5: distances grow along normals, in the dataset's units


def test_other_methods_and_foreign_checkpoints_are_told_apart(make_config, make_ray_config):
    config = make_config("ges", 2)
    main(config)
    assert isinstance(load_run(config.get_base_dir() / "config.yml"), TrainedRun)
    _, other = opened(make_ray_config, "simplex-nerf")
    newest = list_checkpoints(other.get_checkpoint_dir())[0]
    state = torch.load(newest, weights_only=True)
    state["pipeline"] = {"_model.nothing": torch.zeros(1)}
    torch.save(state, newest)
    for old in list_checkpoints(other.get_checkpoint_dir())[1:]:
        old.unlink()
    with pytest.raises(CheckpointError, match="not a checkpoint of this simplex-nerf run"):
        load_run(other.get_base_dir() / "config.yml")
