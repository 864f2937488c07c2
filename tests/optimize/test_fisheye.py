"""Fisheye cameras are splatted as they are: they show what rectified ones show, and their corners teach."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import CameraType

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.images import write_image
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.rectification import rectify
from splatkit.io.transforms_json import Frame, Transforms, write_transforms
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.ges.rendering import Rasterizer
from splatkit.optimize.ges.view import View, view_of_posed
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.splats import Splats
from splatkit.synthetic.cameras import orbit_cameras
from splatkit.synthetic.description import find_scene, read_scene

SIZE, FOCAL, K1, K2 = 72, 36.0, 0.03, -0.01  # px; the corners look 79 degrees sideways
_FINE = 288  # px
LENS = Camera("kannala_brandt", SIZE, SIZE, FOCAL, FOCAL, SIZE / 2, SIZE / 2, (K1, K2, 0.0, 0.0))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two fisheye photographs of noise, of which the second is for training, in a ball of one gray seed a pixel."""
    folder = tmp_path_factory.mktemp("fisheye")
    (folder / "images").mkdir()
    rng, frames = np.random.default_rng(0), []
    for index in range(2):
        posed = PosedCamera(f"images/{index}.png", LENS, compose(np.eye(3), np.array([5.0 - 5 * index, 0, 0])))
        write_image(folder / posed.name, rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8))
        frames.append(Frame(posed, folder / posed.name))
    pixels = np.indices((SIZE, SIZE)).reshape(2, -1).T + 0.5
    seeds = (3 * LENS.rays(pixels)).astype(np.float32)
    write_point_cloud(folder / "points.ply", PointCloud(seeds, np.full(seeds.shape, 128, np.uint8)))
    write_transforms(folder / "transforms.json", Transforms(folder, tuple(frames), folder / "points.ply"))
    return folder


def test_splats_look_the_same_natively_and_rectified():
    """Where a rectified pixel's ray falls in the fisheye's rendering, there is its color.

    Both kinds of view flatten each splat about its own center, which for small splats differs by less than a level.
    """
    fine = LENS.scaled(_FINE, _FINE)  # splats of some pixels: the rasterizer widens smaller ones
    generator = torch.Generator().manual_seed(0)
    distances = 3 + torch.rand(600, 1, generator=generator)
    splats = Splats(
        means=distances * fine.rays(torch.rand(600, 2, generator=generator) * _FINE),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(600, 1),
        scales=torch.full((600, 3), 0.06),
        opacities=torch.full((600,), 0.9),
        betas=torch.full((600,), 2.0),
        sh0=torch.randn(600, 3, generator=generator),
        shN=torch.zeros(600, 0, 3),
    )
    rasterizer = Rasterizer("classic", "generalized_exponential")
    fisheye, pinhole = (
        rasterizer.render_outputs(splats, View(camera, torch.eye(4)[None]), 0, torch.zeros(3))["rgb"].numpy()
        for camera in (fine, fine.rectified())
    )
    assert pinhole.std() > 0.1
    expected = rectify(fisheye, fine, fine.rectified(), cv2.INTER_CUBIC)
    assert np.abs(pinhole - expected).mean() < 0.01  # half of that


def first_gradients(config, dataset, kind) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the first step: where splats are, how large, and the gradients [N, 3] of their means."""
    config.data = config.pipeline.datamanager.data = dataset
    config.pipeline.datamanager.dataparser = SplatkitDataParserConfig(fisheye=kind)
    config.pipeline.model.densification = DensificationSettings(max_splats=SIZE**2)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    sum(pipeline.get_train_loss_dict(0)[1].values()).backward()
    means = pipeline.model.gauss_params["means"]
    return means.detach().double(), pipeline.model.splats().scales.detach().double(), means.grad


def test_the_corners_of_native_views_teach_splats_that_rectified_views_do_not_show(dataset, make_config):
    """One step of either, from the same splats: nothing here hangs on how a training goes.

    A rectified view still moves a few of them a little: pinholes flatten splats far beside the image so much that they
    reach into it.
    """
    places, scales, native = first_gradients(make_config("native", 1), dataset, "native")
    same, _, from_rectified = first_gradients(make_config("rectified", 1), dataset, "rectified")
    assert torch.equal(places, same)
    rectified = LENS.rectified()
    shown_rad = np.arctan(np.hypot(rectified.cx, rectified.cy) / rectified.fx)  # to the corners of its image
    sideways = torch.atan2(places[:, :2].norm(dim=1) - 4 * scales.amax(1), places[:, 2])  # seen from the training view
    beyond = sideways > shown_rad
    assert beyond.sum() > 200
    assert (native[beyond].abs().sum(1) > 0).all()
    assert native[beyond].norm(dim=1).mean() > 5 * from_rectified[beyond].norm(dim=1).mean()  # 23 to 91 times


@pytest.mark.parametrize("fisheye", [True, False])
def test_views_project_and_unproject_like_their_camera(fisheye):
    """Against the lens's formula, inverted by a table of angles."""
    camera = Camera("pinhole", SIZE, SIZE, FOCAL, FOCAL, 36.5, 35.0)
    if fisheye:
        camera = dataclasses.replace(camera, model="kannala_brandt", distortion=(K1, K2, 0.0, 0.0))
    rig = read_scene(find_scene("studio")).cameras
    assert rig is not None
    pose = orbit_cameras(rig, SIZE, SIZE, 3, 0.4)[1].T_world_camera
    view = view_of_posed(PosedCamera("a.png", camera, pose))
    pixels = np.random.default_rng(0).uniform(1, SIZE - 1, (50, 2))
    plane = (pixels - [36.5, 35.0]) / FOCAL
    radius = np.linalg.norm(plane, axis=1)
    angles = np.linspace(0, np.deg2rad(88), 20_000)
    theta = np.interp(radius, angles * (1 + K1 * angles**2 + K2 * angles**4), angles) if fisheye else np.arctan(radius)
    depths = np.linspace(1, 5, 50)
    local = np.column_stack([plane / radius[:, None] * np.tan(theta)[:, None], np.ones(50)]) * depths[:, None]
    found, z = view.project(torch.from_numpy(local @ pose[:3, :3].T + pose[:3, 3]).float())
    np.testing.assert_allclose(found, pixels, atol=2e-3)
    np.testing.assert_allclose(z, depths, rtol=1e-4)
    back = view.camera.unproject(torch.from_numpy(pixels).float(), torch.from_numpy(depths).float())
    np.testing.assert_allclose(back, local, atol=2e-2, rtol=2e-3)


def test_cameras_of_people_without_distortion_render_as_equidistant_fisheyes(trained):
    from nerfstudio.utils.eval_utils import eval_setup

    _, pipeline, _, _ = eval_setup(trained)
    camera = pipeline.datamanager.eval_dataset.cameras[0:1]
    plain = pipeline.model.get_outputs_for_camera(camera)["rgb"]
    camera.camera_type = torch.full_like(camera.camera_type, CameraType.FISHEYE.value)
    bent = pipeline.model.get_outputs_for_camera(camera)["rgb"]
    # The center is the same, and what is beside it moves inwards.
    assert (plain - bent)[18:22, 26:30].abs().max() < 0.02
    assert (plain - bent).abs().max() > 0.02
