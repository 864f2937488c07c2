"""Training where a dataset says that nothing is: splats leave the sky free, a shell shows it, meshes have none."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from nerfstudio.scripts.train import main

from splatkit.errors import SettingsError
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.background_maps import write_background_map
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import read_transforms
from splatkit.optimize.load_ges import load_ges_run
from splatkit.runs.trained_run import evaluate, mean_scores
from splatkit.runs.views import intrinsics_of, viewmat_of
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.depth_losses import DepthSettings
from splatkit.splatting.mcmc import McmcSettings
from splatkit.splatting.rendering import render_splats
from splatkit.splatting.sky_shell import SkySettings
from tests.optimize.conftest import scene_splats

STEPS, EMPTY = 200, 0.02  # steps, and alpha of the truth where nothing is


def small_ball():
    """The ball of the tiny dataset at a third of its size: there is sky all around."""
    splats, center = scene_splats(), torch.tensor([10.0, 0, 0])
    return replace(splats, means=center + (splats.means - center) / 3, scales=splats.scales / 3)


@pytest.fixture(scope="module")
def sky_dataset(tiny_dataset, tmp_path_factory):
    """The small ball before plain blue; maps say that nothing is there, and first points lie everywhere."""
    folder = shutil.copytree(tiny_dataset, tmp_path_factory.mktemp("sky") / "ball")
    meta = json.loads((folder / "transforms.json").read_text())
    for frame, entry in zip(read_transforms(folder).frames, meta["frames"], strict=True):
        rendering = rendered(small_ball(), frame.posed)
        write_image(frame.image_path, rendering.colors[0].clamp(0, 1).numpy())
        path = folder / f"{frame.image_path.stem}_background.png"
        write_background_map(path, (rendering.alphas[0, ..., 0] < EMPTY).float().numpy())
        entry["background_file_path"] = path.name
    strays = np.random.default_rng(0).uniform([6, -4, -4], [14, 4, 4], (400, 3)).astype(np.float32)
    points = np.concatenate([small_ball().means.numpy(), strays])
    write_point_cloud(folder / "points.ply", PointCloud(points, np.full(points.shape, 128, np.uint8)))
    (folder / "transforms.json").write_text(json.dumps(meta))
    return folder


def rendered(splats, posed):
    """What a camera sees of splats without harmonics, before blue."""
    camera = posed.camera
    shape = (splats.means, splats.quats, splats.scales, splats.opacities, splats.betas, splats.sh)
    view = (viewmat_of(posed)[None], intrinsics_of(camera)[None], camera.width, camera.height)
    return render_splats(*shape, *view, sh_degree=0, backgrounds=torch.tensor([[0.3, 0.5, 0.9]]))


@pytest.fixture
def make_sky_config(make_config, sky_dataset):
    def make(name, steps=STEPS, seed=0):
        config = make_config(name, steps)
        config.data = config.pipeline.datamanager.data = sky_dataset
        config.steps_per_save, config.steps_per_eval_image = steps, 0
        config.pipeline.model.densification = DensificationSettings(warmup_steps=20, refine_every=20, max_splats=2000)
        config.pipeline.model.sky = SkySettings(share=0.4)  # fine enough for images this small
        config.pipeline.model.seed = config.machine.seed = seed
        return config

    return make


def trained(config):
    main(config)
    return load_ges_run(config.get_base_dir() / "config.yml")


def before_sky(run):
    """How much of what nothing is in, over all training views, shows something nearer than the shell."""
    shares = []
    for view in run.train_views:
        nothing = rendered(small_ball(), view.posed).alphas[0, ..., 0] < EMPTY
        shares.append(float(run.on_surfaces.render(view.posed).alphas[0, ..., 0][nothing].mean()))
    return float(np.mean(shares))


def test_splats_leave_the_sky_free_and_a_shell_shows_it(make_sky_config):
    """Over three seeds 0.02 % of the sky's light ends before it, at 27.9 to 28.8 dB; without maps 99 %, at 17 dB."""
    run = trained(make_sky_config("sky"))
    assert run.shell is not None
    assert before_sky(run) < 0.01
    assert mean_scores(evaluate(run))[0] > 25
    view = run.eval_views[0]
    surface = run.render_surface(view.posed)
    nothing = rendered(small_ball(), view.posed).alphas[0, ..., 0] < EMPTY
    assert (surface.alphas[nothing] < 0.5).float().mean() > 0.95
    assert (run.render(view.posed).alphas[0, ..., 0][nothing] > 0.9).float().mean() > 0.85


def test_pictures_of_depths_end_where_the_scene_does(make_sky_config):
    pipeline = make_sky_config("depths", 1).pipeline.setup(device="cpu", test_mode="val")
    pipeline.eval()
    outputs = pipeline.model.get_outputs_for_camera(pipeline.datamanager.eval_dataset.cameras[:1])
    reach = pipeline.model.shell.radius / SkySettings().distance
    assert 5 < reach < 15
    assert float(outputs["depth"].max()) == pytest.approx(reach)


def test_switched_off_the_sky_is_filled(make_sky_config):
    config = make_sky_config("off")
    config.pipeline.model.sky = SkySettings(share=0)
    config.pipeline.model.depth = DepthSettings(carving_weight=0)
    run = trained(config)
    assert run.shell is None
    assert before_sky(run) > 0.5


def test_sampling_keeps_the_shell(make_sky_config):
    config = make_sky_config("mcmc", steps=60)
    config.pipeline.model.strategy = "mcmc"
    config.pipeline.model.mcmc = McmcSettings(warmup_steps=10, refine_every=10, max_splats=2000)
    run = trained(config)
    assert run.shell is not None
    sky = run.splats.select(run.shell.holds(run.splats.means))
    assert len(sky) > 500
    assert (sky.opacities > 0.5).float().mean() > 0.8  # 0.878 to 0.888 over six seeds


def test_an_interrupted_run_keeps_its_shell(make_sky_config):
    config = make_sky_config("again", steps=2)
    main(config)
    config.load_dir, config.max_num_iterations = config.get_checkpoint_dir(), 4
    main(config)
    run = load_ges_run(config.get_base_dir() / "config.yml")
    assert run.step == 3
    assert run.shell is not None
    assert run.shell.holds(run.splats.means).sum() > 500


def test_a_checkpoint_has_its_own_shell_whatever_maps_the_dataset_has(make_sky_config, tiny_dataset):
    config = make_sky_config("with", 1)
    with_shell = config.pipeline.setup(device="cpu", test_mode="val").model
    config.data = config.pipeline.datamanager.data = tiny_dataset
    without = config.pipeline.setup(device="cpu", test_mode="val").model
    states = with_shell.state_dict(), without.state_dict()
    without.load_state_dict(states[0])
    assert without.shell is not None
    assert without.shell.radius == pytest.approx(with_shell.shell.radius)
    assert without.densification.shell.holds(without.means).sum() > 500
    with_shell.load_state_dict(states[1])
    assert with_shell.shell is None is with_shell.densification.shell


def test_without_maps_there_is_no_shell(make_config, tiny_dataset):
    config = make_config("plain", 1)
    config.pipeline.datamanager.data = tiny_dataset
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    assert pipeline.model.shell is None
    assert not [name for name in pipeline.model.state_dict() if "sky" in name]


@pytest.mark.parametrize("settings", [{"share": 1.0}, {"share": -0.1}, {"distance": 2.0}, {"distance": float("nan")}])
def test_settings_that_cannot_be_are_refused(make_sky_config, settings):
    config = make_sky_config("refused", 1)
    config.pipeline.model.sky = SkySettings(**settings)
    with pytest.raises(SettingsError, match=f"sky.{next(iter(settings))}"):
        main(config)


def test_transparent_photographs_need_no_shell(make_sky_config, sky_dataset, tmp_path):
    """Nothing is there, and no color either; what stands there is carved all the same."""
    folder = shutil.copytree(sky_dataset, tmp_path / "clear")
    for path in (folder / "images").iterdir():
        alpha = read_image(folder / f"{path.stem}_background.png") == 0
        write_image(path, np.dstack([read_image(path)[..., :3], 255 * alpha[..., 0].astype(np.uint8)]))
    config = make_sky_config("clear", 1)
    config.data = config.pipeline.datamanager.data = folder
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    assert pipeline.model.shell is None
    pipeline.train()
    assert float(pipeline.get_train_loss_dict(0)[1]["carving"].detach()) > 0
