"""The host's own commands on a run of `ges`, offline: evaluate, render, export."""

import json
import math
import socket

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
import torch
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.scripts.exporter import (
    ExportCameraPoses,
    ExportGaussianSplat,
    ExportMarchingCubesMesh,
    ExportPointCloud,
    ExportTSDFMesh,
)
from nerfstudio.scripts.render import DatasetRender, RenderCameraPath, RenderInterpolated
from nerfstudio.utils.eval_utils import eval_setup
from plyfile import PlyData

from splatkit.export.files.splat_export import export_splats
from splatkit.export.settings import ExportSplatsSettings
from splatkit.optimize.load_ges import load_ges_run


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No network but the machine's own, and an empty torch cache."""
    connect = socket.socket.connect

    def refuse(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"network used: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))


def test_eval_writes_metrics_of_the_held_out_images(trained, tmp_path):
    ComputePSNR(trained, tmp_path / "eval.json", tmp_path / "pictures").main()
    results = json.loads((tmp_path / "eval.json").read_text())["results"]
    pictures = [iio.imread(path) / 255 for path in (tmp_path / "pictures").glob("*.png")]
    assert len(pictures) == 2  # every 8th of 10 images; photograph and rendering side by side
    scores = [-10 * np.log10(np.mean((picture[:, :56] - picture[:, 56:]) ** 2)) for picture in pictures]
    assert results["psnr"] == pytest.approx(np.mean(scores), abs=0.1)  # pictures are bytes
    assert 0 < results["ssim"] < 1
    assert "lpips" not in results


def test_render_dataset_writes_all_outputs(trained, tmp_path):
    DatasetRender(load_config=trained, output_path=tmp_path / "r", image_format="png").main()
    assert {path.name for path in (tmp_path / "r" / "test").iterdir()} == {
        "rgb",
        "depth",
        "accumulation",
        "background",
        "beta",
        "gt-rgb",
    }
    picture = next((tmp_path / "r" / "test" / "rgb").glob("*.png"))
    assert iio.imread(picture).shape == (40, 56, 3)


def test_render_interpolate_writes_a_video(trained, tmp_path):
    RenderInterpolated(load_config=trained, output_path=tmp_path / "v.mp4", interpolation_steps=3).main()
    # Two evaluation cameras, three frames from one to the other; video codecs want even sides.
    video = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    frames = []
    while (frame := video.read())[0]:
        frames.append(frame[1])
    assert np.stack(frames).shape == (3, 40, 56, 3)


def test_render_camera_path_writes_images(trained, tmp_path):
    pose = np.eye(4)
    pose[:3, 3] = [10, 0, 7]
    view = {"camera_to_world": pose.reshape(-1).tolist(), "fov": 50, "aspect": 1.5}
    path = {"camera_type": "perspective", "render_height": 32, "render_width": 48, "seconds": 1, "crop": None}
    (tmp_path / "path.json").write_text(json.dumps({**path, "fps": 2, "camera_path": [view, view]}))
    RenderCameraPath(
        load_config=trained,
        output_path=tmp_path / "images",
        output_format="images",
        camera_path_filename=tmp_path / "path.json",
    ).main()
    pictures = sorted((tmp_path / "images").iterdir())
    assert len(pictures) == 2
    assert iio.imread(pictures[0]).std() > 5


@pytest.mark.parametrize("colors", ["sh_coeffs", "rgb"])
def test_export_gaussian_splat_holds_the_splats_in_the_input_frame(trained, tmp_path, colors):
    ExportGaussianSplat(load_config=trained, output_dir=tmp_path / "e", ply_color_mode=colors).main()
    vertices = PlyData.read(tmp_path / "e" / "splat.ply")["vertex"]
    splats = load_ges_run(trained).splats
    assert len(vertices) == len(splats)
    np.testing.assert_allclose(np.sort(vertices["x"]), np.sort(splats.means[:, 0]), atol=1e-4)
    assert 8 < np.mean(vertices["x"]) < 12  # the ball is at 10, in the frame of training at 0


def test_export_gaussian_splat_holds_the_nearest_gaussians_as_our_own_export_does(trained, tmp_path):
    ExportGaussianSplat(load_config=trained, output_dir=tmp_path / "e", ply_color_mode="sh_coeffs").main()
    export_splats(ExportSplatsSettings(trained, tmp_path / "own.ply"))
    theirs, ours = (PlyData.read(tmp_path / name)["vertex"] for name in ("e/splat.ply", "own.ply"))
    assert len(theirs) == len(ours)
    for name in ("x", "scale_0", "opacity", "f_dc_0", "f_rest_3", "rot_1"):
        np.testing.assert_allclose(theirs[name], ours[name], atol=1e-4)


def test_export_tsdf_makes_a_mesh_around_the_scene(trained, tmp_path):
    ExportTSDFMesh(
        load_config=trained,
        output_dir=tmp_path / "t",
        downscale_factor=1,
        resolution=[48, 48, 48],
        bounding_box_min=(7.5, -2.5, -2.5),
        bounding_box_max=(12.5, 2.5, 2.5),
        texture_method="tsdf",
    ).main()
    vertices = PlyData.read(tmp_path / "t" / "tsdf_mesh.ply")["vertex"]
    points = np.stack([vertices[axis] for axis in "xyz"], 1)
    radii = np.linalg.norm(points - [10, 0, 0], axis=1)
    assert abs(np.median(radii) - 2) < 0.5  # 0.23 to 0.31


def test_export_cameras_keeps_the_poses_of_the_dataset(trained, tmp_path, tiny_dataset):
    ExportCameraPoses(load_config=trained, output_dir=tmp_path / "c").main()
    exported = json.loads((tmp_path / "c" / "transforms_train.json").read_text())
    frames = {f["file_path"]: f for f in json.loads((tiny_dataset / "transforms.json").read_text())["frames"]}
    assert len(exported) == 8
    for frame in exported:
        name = "images/" + frame["file_path"].rsplit("/", 1)[1]
        np.testing.assert_allclose(frame["transform"], np.array(frames[name]["transform_matrix"])[:3], atol=1e-6)


def test_outputs_keep_their_names_inside_outside_and_beside_the_crop_box(trained):
    from nerfstudio.data.scene_box import OrientedBox

    _, pipeline, _, _ = eval_setup(trained)
    camera = pipeline.datamanager.train_dataset.cameras[:1]
    plain = pipeline.model.get_outputs_for_camera(camera)
    half = OrientedBox(R=torch.eye(3), T=torch.tensor([10.0, 0.0, 2.0]), S=torch.tensor([8.0, 8.0, 4.0]))
    beside = OrientedBox(R=torch.eye(3), T=torch.tensor([90.0, 0.0, 0.0]), S=torch.ones(3))
    cropped = pipeline.model.get_outputs_for_camera(camera, obb_box=half)
    empty = pipeline.model.get_outputs_for_camera(camera, obb_box=beside)
    assert plain.keys() == cropped.keys() == empty.keys()
    assert all(plain[name].shape == cropped[name].shape == empty[name].shape for name in plain)
    assert 0 < cropped["accumulation"].sum() < plain["accumulation"].sum()
    assert empty["accumulation"].sum() == 0


def test_rays_of_a_camera_give_its_image_and_ray_length_as_depth(trained):
    _, pipeline, _, _ = eval_setup(trained)
    cameras = pipeline.datamanager.train_dataset.cameras
    bundle = cameras.generate_rays(camera_indices=1)
    rays = pipeline.model.get_outputs_for_camera_ray_bundle(bundle)
    direct = pipeline.model.get_outputs_for_camera(cameras[1:2])
    assert (rays["rgb"] - direct["rgb"]).abs().max() < 2e-3
    stretch = bundle.metadata["directions_norm"]
    hit = direct["accumulation"] > 0.3
    assert ((rays["depth"] / (direct["depth"] * stretch))[hit] - 1).abs().max() < 1e-2
    assert math.isclose(float(stretch.min()), 1, abs_tol=1e-3)


def test_exports_that_need_rays_say_what_to_take_instead(trained, tmp_path):
    with pytest.raises(AttributeError, match="splatkit export mesh"):
        ExportPointCloud(load_config=trained, output_dir=tmp_path / "p", normal_method="open3d").main()
    with pytest.raises(ValueError, match="splatkit export mesh"):
        ExportMarchingCubesMesh(load_config=trained, output_dir=tmp_path / "m").main()


def test_single_rays_are_refused_with_what_to_do(trained):
    _, pipeline, _, _ = eval_setup(trained)
    bundle = pipeline.datamanager.train_dataset.cameras.generate_rays(camera_indices=1)
    bundle.origins = bundle.origins + torch.rand_like(bundle.origins)
    with pytest.raises(ValueError, match="--texture-method tsdf"):
        pipeline.model.get_outputs_for_camera_ray_bundle(bundle)
