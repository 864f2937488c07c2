"""Fisheye cameras are splatted as they are: as good as rectified where both see, and the corners are kept."""

import dataclasses

import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import CameraType
from nerfstudio.scripts.train import main

from splatkit.geometry.se3 import invert
from splatkit.io.depth_maps import write_depth_map
from splatkit.io.images import write_image
from splatkit.io.point_clouds import PointCloud, write_point_cloud
from splatkit.io.transforms_json import Frame, Intrinsics, Transforms, read_transforms, write_transforms
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.data.lenses import lens_of, view_of_frame
from splatkit.optimize.load_run import load_run
from splatkit.optimize.nerfstudio.cameras import opengl_from_viewmats
from splatkit.synthetic.cameras import Pinhole, orbit_cameras
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.tracer import Tracer

SIZE, FOCAL, K1, K2 = 72, 36.0, 0.03, -0.01  # px; the corners look 79 degrees sideways
STEPS, VIEWS = 120, 16


class Fisheye(Pinhole):
    """A Kannala-Brandt lens of OpenCV's coefficients, by its own inverse: a table of angles."""

    def directions(self, pixels):
        """World directions, z-depth 1 long, of pixel coordinates [N, 2] -> [N, 3]."""
        plane = (pixels - self.K[:2, 2]) / self.K[0, 0]
        radius = np.linalg.norm(plane, axis=1)
        angles = np.linspace(0, np.deg2rad(88), 20_000)
        theta = np.interp(radius, angles * (1 + K1 * angles**2 + K2 * angles**4), angles)
        local = np.concatenate(
            [plane / np.maximum(radius, 1e-12)[:, None] * np.tan(theta)[:, None], np.ones((len(plane), 1))], 1
        )
        return local @ self.camera_to_world[:3, :3].T


def make_dataset(folder, size=SIZE, focal=FOCAL, views=VIEWS):
    """Views of the studio by a fisheye close to it, with depth maps; returns its tracer."""
    (folder / "images").mkdir(parents=True)
    description = read_scene(find_scene("studio"))
    assert description.cameras is not None
    rings = tuple(dataclasses.replace(ring, radius=0.6 * ring.radius) for ring in description.cameras.rings)
    rig = dataclasses.replace(description.cameras, rings=rings)
    K = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    tracer, rng, frames = Tracer(description, 0), np.random.default_rng(0), []
    for index, pinhole in enumerate(orbit_cameras(rig, size, size, views, 0.0)):
        view = tracer.render(Fisheye(size, size, K, pinhole.camera_to_world), 2, rng)
        name = f"images/{index:03d}.png"
        write_image(folder / name, view.colors)
        write_depth_map(folder / f"{index:03d}.png", view.depths)
        pose = opengl_from_viewmats(invert(torch.from_numpy(pinhole.camera_to_world)[None]))[0].numpy()
        lens = Intrinsics("OPENCV_FISHEYE", size, size, focal, focal, size / 2, size / 2, (K1, K2, 0.0, 0.0, 0.0, 0.0))
        frames.append(Frame(name, folder / name, pose, lens, depth_path=folder / f"{index:03d}.png"))
    corners = tracer.mesh.vertices[rng.integers(len(tracer.mesh.vertices), size=2000)]
    near = np.linalg.norm(corners, axis=1) < 6
    colors = np.full((near.sum(), 3), 128, np.uint8)
    write_point_cloud(folder / "points.ply", PointCloud(corners[near].astype(np.float32), colors))
    write_transforms(folder / "transforms.json", Transforms(folder, tuple(frames), folder / "points.ply"))
    return tracer


def scores(run, tracer, dataset):
    """PSNR of held-out views against the truth: of the pinholes that rectification makes, and of the whole fisheyes."""
    pinholes: list[float] = []
    whole: list[float] = []
    for frame in [frame for index, frame in enumerate(read_transforms(dataset).frames) if index % 8 == 0]:
        for native, out in ((False, pinholes), (True, whole)):
            lens = lens_of(frame, native)
            view = view_of_frame(frame, lens)
            kind = Fisheye if native else Pinhole
            pose = invert(view.viewmats[0].double()).numpy()
            truth = tracer.render(kind(view.width, view.height, lens.K, pose), 2, np.random.default_rng(1)).colors
            out.append(-10 * np.log10(((rendered(run, view) - truth) ** 2).mean()))
    return np.mean(pinholes), np.mean(whole)


def rendered(run, view):
    from splatkit.optimize.ges.rendering import Rasterizer

    rasterizer = Rasterizer(run.rasterize_mode, run.kernel)
    with torch.no_grad():
        outputs = rasterizer.render_outputs(run.splats, view, run.sh_degree, torch.zeros(3))
    return outputs["rgb"].numpy()


def test_native_views_are_as_good_as_rectified_ones_and_keep_their_corners(make_config, tmp_path):
    tracer = make_dataset(tmp_path / "data")
    found = {}
    for kind in ("native", "rectified"):
        config = make_config(kind, STEPS)
        config.data = config.pipeline.datamanager.data = tmp_path / "data"
        config.pipeline.datamanager.dataparser = SplatkitDataParserConfig(fisheye=kind)
        config.pipeline.model.background_color = "black"
        config.pipeline.model.densification = dataclasses.replace(
            config.pipeline.model.densification, max_splats=4000, warmup_steps=30, refine_every=30
        )
        config.steps_per_save = config.steps_per_eval_image = 0
        main(config)
        found[kind] = scores(load_run(config.get_base_dir() / "config.yml"), tracer, tmp_path / "data")
    (native_center, native_whole), (rectified_center, rectified_whole) = found["native"], found["rectified"]
    assert native_center > rectified_center - 0.3
    assert native_whole > rectified_whole + 1.0


@pytest.mark.parametrize("fisheye", [True, False])
def test_views_project_and_unproject_like_their_camera(fisheye, tmp_path):
    tracer_free = Fisheye if fisheye else Pinhole
    K = np.array([[FOCAL, 0, 36.5], [0, FOCAL, 35.0], [0, 0, 1]])
    distortion = (K1, K2, 0.0, 0.0, 0.0, 0.0) if fisheye else (0.0,) * 6
    intrinsics = Intrinsics(
        "OPENCV_FISHEYE" if fisheye else "PINHOLE", SIZE, SIZE, FOCAL, FOCAL, 36.5, 35.0, distortion
    )
    rig = read_scene(find_scene("studio")).cameras
    assert rig is not None
    pose = orbit_cameras(rig, SIZE, SIZE, 3, 0.4)[1].camera_to_world
    opengl = opengl_from_viewmats(invert(torch.from_numpy(pose)[None]))[0].numpy()
    frame = Frame("a.png", tmp_path / "a.png", opengl, intrinsics)
    view = view_of_frame(frame, lens_of(frame, True))
    pixels = np.random.default_rng(0).uniform(1, SIZE - 1, (50, 2))
    camera = tracer_free(SIZE, SIZE, K, pose)
    depths = np.linspace(1, 5, 50)
    points = torch.from_numpy(camera.center + camera.directions(pixels) * depths[:, None]).float()
    found, z = view.project(points)
    np.testing.assert_allclose(found, pixels, atol=2e-3)
    np.testing.assert_allclose(z, depths, rtol=1e-4)
    local = view.unproject(torch.from_numpy(pixels).float(), torch.from_numpy(depths).float())
    np.testing.assert_allclose(local, (points.numpy() - pose[:3, 3]) @ pose[:3, :3], atol=2e-2, rtol=2e-3)


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
