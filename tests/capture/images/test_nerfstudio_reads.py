"""A captured dataset is a plain nerfstudio dataset: its own parser, depth dataset and methods take it."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from splatkit.capture.dataset import CapturedFrame, CapturedScene, write_dataset
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.maps.depth_maps import DepthMap
from splatkit.io.point_cloud import PointCloud
from tests.room import Room, photograph_room

WITHOUT_DEPTH = 2  # of the photographs, one that trains


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[Path, Room]:
    """The room, small, with masks, points, and depth maps of all photographs but one."""
    folder = tmp_path_factory.mktemp("host")
    room = photograph_room(folder / "photographs", count=6, size=(64, 48))
    lens = Camera.from_K("pinhole", room.K, *room.size)
    frames = []
    for index, (name, pose) in enumerate(zip(room.names, room.poses, strict=True)):
        depths = np.full(room.size[::-1], 1.0 + 0.5 * index, np.float32)
        depths[:10] = 0
        mask = np.ones(room.size[::-1], bool)
        mask[:, :5] = False
        depth = DepthMap(depths, 0.01 * depths) if index != WITHOUT_DEPTH else None
        frames.append(CapturedFrame(PosedCamera(name, lens, pose), room.folder / name, mask, depth))
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, 1, 0], [2, 4, 2], size=(200, 3))
    cloud = PointCloud(points, rng.integers(0, 256, (200, 3), dtype=np.uint8))
    (folder / "dataset").mkdir()
    write_dataset(folder / "dataset", frames, CapturedScene(points=cloud))
    return folder / "dataset", room


def parse(folder: Path):
    from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig

    config = NerfstudioDataParserConfig(
        data=folder,
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        load_3D_points=True,
        downscale_factor=1,
    )
    return config.setup().get_dataparser_outputs("train")


def test_its_parser_reads_cameras_points_and_masks(dataset):
    folder, room = dataset
    outputs = parse(folder)
    names = [path.name for path in outputs.image_filenames]
    poses = np.stack([room.poses[room.names.index(name)] @ np.diag([1.0, -1, -1, 1]) for name in names])
    assert np.abs(outputs.cameras.camera_to_worlds.numpy() - poses[:, :3]).max() < 1e-6
    assert outputs.cameras.fx[0].item() == pytest.approx(room.K[0, 0])
    assert outputs.metadata["points3D_xyz"].shape == (200, 3)
    assert len(outputs.mask_filenames) == len(names)


def test_its_depth_dataset_reads_our_depth_maps(dataset):
    from nerfstudio.data.datasets.depth_dataset import DepthDataset

    folder, room = dataset
    outputs = parse(folder)
    depths = DepthDataset(outputs)
    for index in range(len(depths)):
        number = room.names.index(outputs.image_filenames[index].name)
        depth = depths[index]["depth_image"]
        assert depth.shape == (48, 64, 1)
        assert depth[20, 20].item() == pytest.approx(0 if number == WITHOUT_DEPTH else 1.0 + 0.5 * number)
        assert depth[5, 20].item() == 0


class NoLpips(torch.nn.Module):
    """In place of a metric whose weights would be downloaded."""

    def __init__(self, **settings) -> None:
        super().__init__()

    def forward(self, *images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(())


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_one_of_its_own_methods_trains_on_it(dataset, tmp_path, monkeypatch):
    import torchmetrics.image.lpip
    from nerfstudio.configs.method_configs import method_configs
    from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
    from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
    from nerfstudio.models.nerfacto import NerfactoModel
    from nerfstudio.scripts.train import main

    monkeypatch.setattr(torchmetrics.image.lpip, "LearnedPerceptualImagePatchSimilarity", NoLpips)
    config = copy.deepcopy(method_configs["nerfacto"])
    config.machine.device_type = "cpu"
    config.mixed_precision = False
    config.output_dir, config.experiment_name, config.timestamp = tmp_path, "run", "now"
    config.max_num_iterations, config.vis = 4, "tensorboard"
    config.logging.local_writer.enable = False
    config.pipeline.datamanager = VanillaDataManagerConfig(
        dataparser=NerfstudioDataParserConfig(data=dataset[0], downscale_factor=1),
        train_num_rays_per_batch=64,
        eval_num_rays_per_batch=64,
    )
    model = config.pipeline.model
    model.implementation = "torch"
    model.num_levels, model.log2_hashmap_size, model.hidden_dim = 4, 10, 16
    model.num_nerf_samples_per_ray, model.num_proposal_samples_per_ray = 8, (16, 8)
    for network in model.proposal_net_args_list:
        network |= {"log2_hashmap_size": 8, "num_levels": 2}
    losses = []
    original = NerfactoModel.get_loss_dict

    def record(self, *arguments, **more):
        found = original(self, *arguments, **more)
        losses.append({name: value.item() for name, value in found.items()})
        return found

    monkeypatch.setattr(NerfactoModel, "get_loss_dict", record)
    main(config)
    assert len(losses) >= 4
    assert all(np.isfinite(list(loss.values())).all() for loss in losses)
    assert list((tmp_path / "run/nerfacto/now/nerfstudio_models").glob("*.ckpt"))
