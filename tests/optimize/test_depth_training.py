"""Training with measured depths: they move what is wrong, cost nothing when off, are scored, and survive a resume."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.scripts.train import main

from splatkit.errors import SettingsError
from splatkit.evaluation.depth import depth_metrics
from splatkit.geometry.camera import Camera
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.io.splits import held_out_names
from splatkit.io.transforms_json import read_transforms, write_transforms
from splatkit.optimize.data.lenses import lens_of
from splatkit.optimize.data.measured_cloud import measured_cloud
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.depth_error import depth_error_image
from splatkit.optimize.ges.supervision.depths import Shown, depth_losses, reduced_confidences
from splatkit.optimize.ges.view import View
from splatkit.splatting.depth_losses import DepthSettings, shortest_axes
from splatkit.splatting.rendering import render_splats
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import Splats

OFF, DEFAULT = DepthSettings(weight=0, carving_weight=0), DepthSettings()


@pytest.fixture
def make_depth_config(make_config, depth_dataset):
    def make(name, steps, **settings):
        config = make_config(name, steps)
        config.data = config.pipeline.datamanager.data = depth_dataset
        config.pipeline.model.depth = DepthSettings(**settings)
        return config

    return make


def pipeline_of(config):
    return config.pipeline.setup(device="cpu", test_mode="val")


def losses_of(pipeline, views=8):
    torch.manual_seed(0)
    pipeline.train()
    return [pipeline.get_train_loss_dict(step)[1] for step in range(views)]


def test_images_with_depths_add_a_depth_loss_and_the_others_none(make_depth_config):
    pipeline = pipeline_of(make_depth_config("terms", 4))
    order = list(pipeline.datamanager.train_unseen_cameras)
    names = [pipeline.datamanager.train_dataset.image_filenames[index].name for index in order]
    losses = losses_of(pipeline)
    assert [("depth" in each) for each in losses] == [name != "004.png" for name in names]
    assert all(float(each["depth"].detach()) > 0 for each in losses if "depth" in each)


def test_switched_off_depths_change_no_gradient(make_depth_config):
    found = []
    for measured in (True, False):
        pipeline = pipeline_of(make_depth_config("off", 4, weight=0, carving_weight=0))
        if not measured:
            for batch in pipeline.datamanager.cached_train:
                batch.pop("measured_depth", None)
        losses = losses_of(pipeline, views=1)[0]
        assert set(losses) == {"main_loss"}
        losses["main_loss"].backward()
        found.append(pipeline.model.gauss_params["means"].grad)
    assert torch.equal(*found)


def one_view():
    return View(Camera("pinhole", 40, 30, 40.0, 40.0, 20.0, 15.0), torch.eye(4)[None])


def wall_and_floater(floater_depth=1.5):
    """A wall at z = 4 and one splat before it, opaque; camera at the origin."""
    y, x = torch.meshgrid(torch.linspace(-1.6, 1.6, 17), torch.linspace(-2.2, 2.2, 23), indexing="ij")
    z = 4 + 1e-3 * torch.rand(x.numel(), generator=torch.Generator().manual_seed(0))  # equal ones share no median
    wall = torch.stack([x.flatten(), y.flatten(), z], 1)
    points = torch.cat([wall, torch.tensor([[0.0, 0.0, floater_depth]])])
    splats = splats_from_points(points, torch.zeros_like(points), 0, 1000, torch.Generator().manual_seed(0))
    scales = torch.full((len(points), 3), 0.12)
    scales[-1] = 0.1
    values = {**vars(splats), "scales": scales, "opacities": torch.full((len(points),), 0.9)}
    return Splats(**{name: value.clone().requires_grad_() for name, value in values.items()})


def shown(splats, view):
    rendering = render_splats(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        splats.betas,
        torch.zeros(len(splats), 1),
        view.viewmats,
        view.K,
        view.width,
        view.height,
        outputs=["median_depths"],
    )
    return Shown(splats, view, rendering)


def measurements(depth, width=40, height=30):
    indices = torch.arange(0, width * height, 3, dtype=torch.int32)
    values = torch.full((len(indices),), depth)
    return MeasuredDepth(indices, values, torch.zeros_like(values), width, height)


def losses_at(splats, measured, settings=DEFAULT, progress=0.0, background=None, shell=None):
    known = replace(shown(splats, one_view()), shell=shell)
    return depth_losses(known, measured, background, settings, 0.01, progress)


@pytest.mark.parametrize("median_share", [0.0, 1.0])
def test_a_step_along_the_gradient_brings_the_surface_to_its_measured_depth(median_share):
    splats = wall_and_floater(floater_depth=4.0)
    settings = DepthSettings(median_share=median_share, carving_weight=0)
    losses = losses_at(splats, measurements(3.6), settings)
    losses["depth"].backward()
    gradient = splats.means.grad[:, 2]
    assert (gradient > 0).sum() > 20  # nearer is better
    assert not (gradient < 0).any()


def test_carving_fades_the_floater_alone():
    splats = wall_and_floater()
    losses = losses_at(splats, measurements(4.0), DepthSettings(weight=0))
    losses["carving"].backward()
    gradient = splats.opacities.grad
    assert gradient[-1] > 0
    assert (gradient[:-1] == 0).all()


def facing(measured):
    """The same with normals of a wall across the optical axis."""
    return replace(measured, normals=torch.tensor([[0.0, 0, -1]]).expand(len(measured), 3).half())


def tilted_wall_and_floater():
    """Disks of the wall are turned by 17 degrees about x, and so is the floater's."""
    splats = {name: value.detach() for name, value in vars(wall_and_floater()).items()}
    n = len(splats["means"])
    splats["quats"] = torch.tensor([[math.cos(0.15), math.sin(0.15), 0, 0]]).repeat(n, 1)
    splats["scales"] = torch.tensor([[0.12, 0.12, 0.02]]).repeat(n, 1)
    return Splats(**{name: value.clone().requires_grad_() for name, value in splats.items()})


def test_splats_in_a_measured_surface_turn_to_its_normal_and_others_do_not():
    splats, settings = tilted_wall_and_floater(), DepthSettings(weight=0, carving_weight=0)
    loss = losses_at(splats, facing(measurements(4.0)), settings)["measured_normals"]
    assert float(loss.detach()) == pytest.approx(0.1 * math.sin(0.3), rel=1e-3)
    loss.backward()
    turned = splats.quats.grad.norm(dim=1)
    assert 50 < int((turned > 0).sum()) < len(splats) / 2  # every third pixel is measured
    assert turned[-1] == 0
    before = shortest_axes(splats.quats.detach(), splats.scales.detach())
    after = shortest_axes(splats.quats.detach() - 100 * splats.quats.grad, splats.scales.detach())
    assert (after[turned > 0, 2].abs() > before[turned > 0, 2].abs()).all()


def test_without_normals_nothing_turns():
    assert set(losses_at(tilted_wall_and_floater(), measurements(4.0))) == {"depth", "carving"}
    nowhere = replace(measurements(4.0), normals=torch.zeros(len(measurements(4.0)), 3).half())
    assert float(losses_at(tilted_wall_and_floater(), nowhere)["measured_normals"].detach()) == 0


@pytest.mark.parametrize("with_shell", [False, True])
def test_where_nothing_is_all_but_the_shell_fades_by_how_sure_that_is(with_shell):
    splats, background = wall_and_floater(), torch.full((30, 40), 0.5)
    background[:, :10] = 0
    shell = SkyShell(torch.zeros(3), 7.0) if with_shell else None  # what is farther than 3.5 is of it: the wall
    losses = losses_at(splats, None, background=background, shell=shell)
    assert set(losses) == {"carving"}
    losses["carving"].backward()
    gradient = splats.opacities.grad
    assert gradient[-1] > 0
    on_wall = gradient[:-1].reshape(17, 23)
    if with_shell:
        assert (on_wall == 0).all()
    else:
        assert (on_wall[2:-2, 8:-2] == gradient[-1]).all()
        assert (on_wall[:, :4] == 0).all()
    whole = wall_and_floater()
    losses_at(whole, None, background=2 * background, shell=shell)["carving"].backward()
    torch.testing.assert_close(whole.opacities.grad, 2 * gradient)


def test_confidences_of_a_smaller_image_are_those_of_the_least_sure_pixels():
    background = torch.full((4, 6), 255, dtype=torch.uint8)
    background[0, 0], background[2, 5] = 51, 0
    assert reduced_confidences(background, 3).tolist() == [[pytest.approx(0.2), 1, 1], [1, 1, 0]]


def test_nothing_measured_is_no_loss_and_weights_fall_as_stated():
    splats = wall_and_floater()
    nothing = MeasuredDepth(torch.zeros(0, dtype=torch.int32), torch.zeros(0), torch.zeros(0), 40, 30)
    assert losses_at(splats, nothing) == {}
    first, last = (
        losses_at(splats, measurements(4.5), DepthSettings(final_share=0.2), progress) for progress in (0.0, 1.0)
    )
    for name, value in first.items():
        assert float(last[name].detach() / value.detach()) == pytest.approx(0.2, rel=1e-5)


def test_reduced_images_keep_their_measurements():
    reduced = MeasuredDepth(torch.tensor([0, 41, 40 * 29 + 39]), torch.ones(3), torch.zeros(3), 40, 30).reduced(4)
    assert (reduced.width, reduced.height, len(reduced)) == (10, 7, 2)
    assert reduced.indices.tolist() == [0, 0]  # the last row does not fill a reduced one


def test_depth_is_scored_on_held_out_views_that_have_it(make_depth_config, depth_dataset, tmp_path):
    """Of the two held-out views one has a depth map: the mean is that one's."""
    config = make_depth_config("scored", 4)
    transforms = read_transforms(depth_dataset)
    held_out = ("images/000.png", "images/004.png")
    path = depth_dataset / "other.json"
    write_transforms(path, replace(transforms, splits={"test": held_out, "val": held_out}))
    config.data = config.pipeline.datamanager.data = path
    main(config)
    run = config.get_base_dir() / "config.yml"
    ComputePSNR(run, tmp_path / "eval.json").main()
    results = json.loads((tmp_path / "eval.json").read_text(), parse_constant=pytest.fail)["results"]
    assert 0 < results["depth_median_error"] < 5
    assert 0 < results["median_depth_median_error"] < 10  # after four steps most pixels have no median yet
    assert results["depth_mean_error"] >= 0
    assert 0 <= results["depth_share_within_5_percent"] <= 1
    assert "depth_median_error_std" not in results
    assert "psnr_std" in results
    path.unlink()


@pytest.mark.parametrize("empty", [False, True])
def test_held_out_views_without_depths_are_scored_by_their_colors_alone(
    make_depth_config, depth_dataset, tmp_path, empty
):
    """As where depths come from the training photographs themselves; an empty map is as good as none."""
    transforms, path = read_transforms(depth_dataset), depth_dataset / f"trained_{empty}.json"
    held_out, nothing = held_out_names(transforms), depth_dataset / "nothing.png"
    write_depth_map(nothing, np.zeros((40, 56)))
    frames = [
        replace(frame, depth_path=nothing if empty else None, depth_sigma_path=None)
        if frame.file_path in held_out
        else frame
        for frame in transforms.frames
    ]
    write_transforms(path, replace(transforms, frames=tuple(frames)))
    config = make_depth_config("colors", 4)
    config.data = config.pipeline.datamanager.data = path
    main(config)
    ComputePSNR(config.get_base_dir() / "config.yml", tmp_path / "eval.json").main()
    path.unlink()
    results = json.loads((tmp_path / "eval.json").read_text(), parse_constant=pytest.fail)["results"]
    assert results["psnr"] > 0
    assert not [name for name in results if "depth" in name]


def test_depth_metrics_in_closed_form():
    found = depth_metrics(torch.tensor([2.0, 4.1, 0.0]), torch.tensor([2.0, 4.0, 10.0]))
    assert found["median_error"] == pytest.approx(0.1)
    assert found["mean_error"] == pytest.approx(10.1 / 3)
    assert found["share_within_5_percent"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="at least one"):
        depth_metrics(torch.zeros(0), torch.zeros(0))


def test_depth_error_shows_red_before_and_blue_behind_what_was_measured():
    view = one_view()
    rendered = torch.full((30, 40, 1), 4.0)
    cloud = torch.tensor([[0.0, 0, 4.0], [1.0, 0, 5.0], [-1.0, 0, 3.0], [0.0, 1.0, -4.0]])
    picture = depth_error_image(rendered, view, cloud)
    pixels = view.project(cloud[:3])[0].long()
    assert picture[pixels[:, 1], pixels[:, 0]].tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 1]]
    assert (picture.sum(-1) > 0).sum() == 3


def test_measured_cloud_lies_on_the_scene(depth_dataset):
    transforms = read_transforms(depth_dataset)
    frames = list(transforms.frames)
    lenses = [lens_of(frame, True) for frame in frames]
    found = measured_cloud(frames, lenses, transforms.depth_unit, with_colors=True)
    cloud, colors = found.points, found.colors
    assert colors is not None
    assert (colors.shape, colors.dtype) == (cloud.shape, torch.uint8)
    assert colors.float().std(0).min() > 20  # the ball is colorful
    radii = (cloud - torch.tensor([10.0, 0, 0])).norm(dim=1)
    assert len(cloud) > 1000
    assert 1.5 < float(radii.median()) < 2.6  # 2.28 to 2.30: a ball of radius 2, of splats as large as their spacing


def test_the_floor_comes_from_the_deviations_of_the_dataset_unless_it_is_set(make_depth_config, depth_dataset):
    transforms = read_transforms(depth_dataset)
    frames = list(transforms.frames)
    lenses = [lens_of(frame, True) for frame in frames]
    share = measured_cloud(frames, lenses, transforms.depth_unit).deviation_share
    assert share is not None
    assert share == pytest.approx(0.02 / 5.5, rel=0.3)  # deviations of 2 cm; the ball is 4.7 to 7 away
    unknown = [replace(frame, depth_sigma_path=None) for frame in frames]
    assert measured_cloud(unknown, lenses, transforms.depth_unit).deviation_share is None
    assert pipeline_of(make_depth_config("floor", 1)).model.losses.floor_share == 0.01  # five times the share is more
    assert pipeline_of(make_depth_config("set", 1, floor_share=0.004)).model.losses.floor_share == 0.004
    fine = depth_dataset / "fine.png"
    write_depth_sigmas(fine, np.full((40, 56), 0.002))
    path = depth_dataset / "fine.json"
    sure = [frame if frame.depth_path is None else replace(frame, depth_sigma_path=fine) for frame in frames]
    write_transforms(path, replace(transforms, frames=tuple(sure)))
    config = make_depth_config("fine", 1)
    config.data = config.pipeline.datamanager.data = path
    assert pipeline_of(config).model.losses.floor_share == pytest.approx(0.5 * share, rel=0.02)
    path.unlink()
    fine.unlink()


def test_without_a_seed_cloud_splats_start_at_measured_depths(make_depth_config, depth_dataset, capsys):
    path = depth_dataset / "seedless.json"
    write_transforms(path, replace(read_transforms(depth_dataset), ply_path=None))
    config = make_depth_config("seedless", 1)
    config.data = config.pipeline.datamanager.data = path
    model = pipeline_of(config).model
    path.unlink()
    assert "start at measured depths" in " ".join(capsys.readouterr().out.split())
    radii = (model.means - torch.tensor([10.0, 0, 0])).norm(dim=1)
    assert 1.5 < float(radii.median()) < 2.8  # 2.56 to 2.59: what is thinned is the middle of each view


def test_outputs_for_people_show_the_depth_error(make_depth_config):
    pipeline = pipeline_of(make_depth_config("outputs", 4)).eval()
    camera, _ = pipeline.datamanager.fixed_indices_eval_dataloader[0]
    outputs = pipeline.model.get_outputs_for_camera(camera)
    assert outputs["depth_error"].shape == (40, 56, 3)
    assert outputs["median_depth"].shape == (40, 56, 1)
    assert outputs["depth_error"].max() > 0
    assert np.isfinite(outputs["depth_error"].numpy()).all()


def test_settings_that_make_no_sense_are_refused(make_depth_config):
    for settings in ({"weight": -1.0}, {"median_share": float("nan")}):
        with pytest.raises(SettingsError, match=f"depth.{next(iter(settings))}"):
            pipeline_of(make_depth_config("refused", 4, **settings))
