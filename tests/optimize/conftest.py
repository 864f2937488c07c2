"""One small dataset for all tests of the host: 10 views, 56x40 px, of 150 known splats."""

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.engine.trainer import TrainerConfig

from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.spherical_harmonics import sh0_to_rgb
from splatkit.io.images import write_image
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.transforms_json import read_transforms, write_transforms
from splatkit.optimize.nerfstudio.cameras import opengl_from_viewmats, viewmats_from_opengl
from splatkit.runs.views import intrinsics_of, viewmat_of
from splatkit.splatting.rendering import render_splats
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.splats import Splats

VIEWS, WIDTH, HEIGHT, FOCAL = 10, 56, 40, 60.0


def scene_splats() -> Splats:
    """A colorful, opaque ball of splats, 10 units from the origin: the frame of the dataset is not a normalized one."""
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(150, 3, generator=generator), dim=1)
    center = torch.tensor([10.0, 0.0, 0.0])
    splats = splats_from_points(
        center + 2 * directions, torch.rand(150, 3, generator=generator), 0, 1000, torch.Generator().manual_seed(0)
    )
    return Splats(**{**vars(splats), "opacities": torch.full((150,), 0.95)})


def orbit_viewmats() -> torch.Tensor:
    """[VIEWS, 4, 4] cameras on a circle of radius 7 around the ball, looking at its center."""
    poses = []
    for angle in np.linspace(0, 2 * np.pi, VIEWS, endpoint=False):
        backward = np.array([np.cos(angle), np.sin(angle), 0.3])
        backward /= np.linalg.norm(backward)
        right = np.cross([0.0, 0.0, 1.0], backward)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(backward, right), backward], 1)
        pose[:3, 3] = np.array([10.0, 0.0, 0.0]) + 7 * backward
        poses.append(pose)
    return viewmats_from_opengl(torch.tensor(np.stack(poses), dtype=torch.float32))


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """Folder of the dataset."""
    folder = tmp_path_factory.mktemp("tiny") / "ball"
    (folder / "images").mkdir(parents=True)
    splats, viewmats = scene_splats(), orbit_viewmats()
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])
    frames = []
    for index, viewmat in enumerate(viewmats):
        s = splats
        rendering = render_splats(
            s.means,
            s.quats,
            s.scales,
            s.opacities,
            s.betas,
            s.sh,
            viewmat[None],
            K[None],
            WIDTH,
            HEIGHT,
            sh_degree=0,
            backgrounds=torch.full((1, 3), 0.4),
        )
        name = f"images/{index:03d}.png"
        write_image(folder / name, rendering.colors[0].clamp(0, 1).numpy())
        frames.append({"file_path": name, "transform_matrix": opengl_from_viewmats(viewmat).tolist()})
    colors = (sh0_to_rgb(splats.sh0).clamp(0, 1) * 255).to(torch.uint8)
    write_point_cloud(folder / "points.ply", PointCloud(splats.means.numpy(), colors.numpy()))
    camera = {"camera_model": "PINHOLE", "w": WIDTH, "h": HEIGHT, "fl_x": FOCAL, "fl_y": FOCAL}
    camera |= {"cx": WIDTH / 2, "cy": HEIGHT / 2, "ply_file_path": "points.ply"}
    (folder / "transforms.json").write_text(json.dumps({**camera, "frames": frames}))
    return folder


@pytest.fixture(scope="session")
def depth_dataset(tiny_dataset, tmp_path_factory) -> Path:
    """The same with depth maps of every second pixel, of all images but 004.png, and normals in the seed cloud."""
    folder = shutil.copytree(tiny_dataset, tmp_path_factory.mktemp("depths") / "ball")
    transforms, s, frames = read_transforms(folder), scene_splats(), []
    for frame in transforms.frames:
        viewmat = viewmat_of(frame.posed)
        K = intrinsics_of(frame.camera)
        rendering = render_splats(
            s.means,
            s.quats,
            s.scales,
            s.opacities,
            s.betas,
            s.sh,
            viewmat[None],
            K[None],
            WIDTH,
            HEIGHT,
            sh_degree=0,
            outputs=["median_depths"],
        )
        assert rendering.median_depths is not None
        depths = rendering.median_depths[0, ..., 0].numpy().copy()
        depths[::2] = 0
        name = frame.image_path.stem
        paths = folder / f"{name}_depth.png", folder / f"{name}_sigma.png"
        if name != "004":
            write_depth_map(paths[0], depths)
            write_depth_sigmas(paths[1], 0.02 * (depths > 0))
            frame = dataclasses.replace(frame, depth_path=paths[0], depth_sigma_path=paths[1], rig_camera="left")
        frames.append(frame)
    rig = (MountedCamera("left", np.eye(4), np.diag([0.01**2] * 3 + [0.02**2] * 3)),)
    cloud = read_point_cloud(folder / "points.ply")
    normals = cloud.points - np.array([10.0, 0, 0])
    write_point_cloud(folder / "points.ply", PointCloud(cloud.points, cloud.colors, normals.astype(np.float32)))
    write_transforms(folder / "transforms.json", dataclasses.replace(transforms, frames=tuple(frames), rig=rig))
    return folder


@pytest.fixture
def make_config(tiny_dataset, tmp_path):
    """Configurations of short runs that densify: `make_config("name", steps)`."""
    from splatkit.optimize.ges.method import ges_method
    from splatkit.splatting.densification import DensificationSettings

    def make(name: str, steps: int) -> TrainerConfig:
        config = copy.deepcopy(ges_method.config)
        config.data = tiny_dataset
        config.output_dir = tmp_path
        config.experiment_name, config.timestamp = "run", name
        config.max_num_iterations = steps
        config.steps_per_save = 3
        config.steps_per_eval_image = 4
        config.vis = "tensorboard"
        config.logging.local_writer.enable = False
        config.viewer.quit_on_train_completion = True
        config.pipeline.model.densification = DensificationSettings(
            warmup_steps=2, refine_every=2, stop_share=0.9, grad_threshold=1e-5, max_splats=400
        )
        return config

    return make


@pytest.fixture
def switch_on_everything():
    """Turns on what is off by default in a configuration."""
    from splatkit.splatting.frequency_loss import FrequencySettings
    from splatkit.splatting.kernels.table import ShapeSettings
    from splatkit.splatting.regularization import RegularizationSettings

    def switch_on(config: TrainerConfig) -> TrainerConfig:
        model = config.pipeline.model
        model.shape = ShapeSettings(coupling="mass", reset_every=4)
        model.rasterize_mode = "antialiased"
        model.camera_optimizer.mode = "SO3xR3"
        model.use_bilateral_grid, model.color_corrected_metrics = True, True
        model.grid_shape = (4, 4, 2)
        model.use_scale_regularization, model.max_gauss_ratio = True, 1.5
        model.num_downscales, model.resolution_schedule = 1, 4
        model.frequency = FrequencySettings(mode="area", levels=5)
        model.regularization = RegularizationSettings(flatness_weight=10.0, normal_weight=0.05, normal_from_share=0.3)
        return config

    return switch_on


@pytest.fixture
def trained(make_config):
    """Path of the config.yml of a short run."""
    from nerfstudio.scripts.train import main

    config = make_config("trained", 4)
    main(config)
    return config.get_base_dir() / "config.yml"


@pytest.fixture
def make_ray_config(tiny_dataset, tmp_path, monkeypatch) -> Callable[[str, str, int], TrainerConfig]:
    """Configurations of short runs with small networks: `make_ray_config("simplex-nerf", "name", steps)`."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))

    def make(method: str, name: str, steps: int) -> TrainerConfig:
        from splatkit.optimize.rays.simplex_nerf_config import simplex_nerf_method
        from splatkit.optimize.rays.simplex_sdf_config import simplex_sdf_method

        config = copy.deepcopy({"simplex-nerf": simplex_nerf_method, "simplex-sdf": simplex_sdf_method}[method].config)
        config.data = config.pipeline.datamanager.data = tiny_dataset
        config.output_dir = tmp_path
        config.experiment_name, config.timestamp = "run", name
        config.max_num_iterations, config.steps_per_save, config.vis = steps, 3, "tensorboard"
        config.logging.local_writer.enable = False
        config.pipeline.datamanager.train_num_rays_per_batch = 128
        config.pipeline.datamanager.dataparser.train_split_fraction = 0.7
        model = config.pipeline.model
        small = {"log2_hashmap_size": 10, "num_levels": 4, "max_res": 64}
        model.proposal_net_args_list = [{"hidden_dim": 8, **small}, {"hidden_dim": 8, **small}]
        for key, value in small.items():
            setattr(model.sdf_field if method == "simplex-sdf" else model, key, value)
        return config

    return make
