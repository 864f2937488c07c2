"""Runs whose model is `GesModel`, read from disk, in the frame of their dataset; what all methods share of reading."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.engine.trainer import TrainerConfig
from torch import Tensor

from splatkit.errors import DatasetError
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.rotation import multiply_quats, rotmat_to_quat
from splatkit.geometry.spherical_harmonics import rotate_sh
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.nerfstudio.cameras import lens_from_nerfstudio, pose_from_nerfstudio
from splatkit.optimize.nerfstudio.checkpoints import CheckpointError, read_newest_checkpoint
from splatkit.runs.config_file import load_config
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import RunView
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.spherical_beta import rotate_lobes
from splatkit.splatting.splats import Splats, raw_names


def load_ges_run(config_path: Path) -> TrainedRun:
    """Read a run by its `config.yml`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the run has no readable checkpoint of its method.
        DatasetError: `config_path` is not a run's, or the dataset of the run cannot be read.
    """
    config = read_config(config_path)
    state, checkpoint = read_newest_checkpoint(config_path.parent / config.relative_model_dir)
    parsed = {split: parse_dataset(config, split) for split in ("train", "test")}
    model, shape = state["pipeline"], config.pipeline.model.shape
    splats = _trained_splats(config, model, checkpoint)
    outputs = parsed["train"]
    return TrainedRun(
        splats=_to_input_frame(splats, outputs.dataparser_transform, outputs.dataparser_scale),
        sh_degree=int(model["_model.active_sh_degree"]),
        rasterize_mode=config.pipeline.model.rasterize_mode,
        kernel=shape.trained.profile.name,
        train_views=dataset_views(parsed["train"]),
        eval_views=dataset_views(parsed["test"]),
        dataset=Path(config.pipeline.datamanager.data),
        checkpoint=checkpoint,
        step=int(state["step"]),
        shell=SkyShell.from_numbers(model.get("_model.sky_shell")),
    )


def load_ges_splats(config_path: Path) -> Splats:
    """The splats alone, as training has them: nothing of the dataset is read. Raises what `load_ges_run` does."""
    config = read_config(config_path)
    state, checkpoint = read_newest_checkpoint(config_path.parent / config.relative_model_dir)
    return _trained_splats(config, state["pipeline"], checkpoint)


def _trained_splats(config: TrainerConfig, model: dict[str, Any], checkpoint: Path) -> Splats:
    shape = config.pipeline.model.shape
    names = raw_names(shape, config.pipeline.model.lobes)
    raw: dict[str, Any] = {name: model.get(f"_model.gauss_params.{name}") for name in names}
    if any(value is None for value in raw.values()):
        missing = ", ".join(name for name, value in raw.items() if value is None)
        raise CheckpointError(f"{checkpoint}: not a checkpoint of the method {config.method_name} (without {missing})")
    try:
        return Splats.from_raw(raw, shape)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint}: its splats do not fit together ({error})") from error


def read_config(path: Path) -> TrainerConfig:
    """The configuration of a run, whatever its method."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the config.yml of a training run")
    try:
        config = load_config(path.read_text(encoding="utf-8"), path)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: cannot be read as the config.yml of a run ({error})") from error
    if not isinstance(config, TrainerConfig):
        raise DatasetError(f"{path}: expected the config.yml of a training run, got a {type(config).__name__}")
    return config


def parse_dataset(config: TrainerConfig, split: str) -> DataparserOutputs:
    """A split ("train" or "test") of the dataset of a run, as training read it."""
    manager = config.pipeline.datamanager
    if manager.data is not None:
        manager.dataparser.data = Path(manager.data)
    if isinstance(manager.dataparser, SplatkitDataParserConfig):
        manager.dataparser.fisheye = "rectified"  # the same splats, and exports want pinholes
    return manager.dataparser.setup().get_dataparser_outputs(split=split)


def dataset_views(outputs: DataparserOutputs) -> tuple[RunView, ...]:
    """Photographs and cameras in the frame and scale of the dataset, whatever the parser made of it."""
    masks = outputs.metadata.get("mask_paths") or outputs.mask_filenames or [None] * len(outputs.image_filenames)
    if "photographed" in outputs.metadata:  # of `splatkit-data`, which moves nothing
        lenses = [lens.trained for lens in outputs.metadata["lenses"]]
        posed = outputs.metadata["photographed"]
    else:
        count = range(len(outputs.image_filenames))
        lenses = [lens_from_nerfstudio(outputs.cameras, index, with_distortion=False) for index in count]
        posed = [_photographed(outputs, index, pose) for index, pose in enumerate(_original_poses(outputs))]
    rows = zip(outputs.image_filenames, posed, lenses, masks, strict=True)
    views = [RunView(Path(path), camera, lens, mask) for path, camera, lens, mask in rows]
    return tuple(replace(view, **_measured(outputs, index)) for index, view in enumerate(views))


def _measured(outputs: DataparserOutputs, index: int) -> dict[str, Any]:
    """Files of what was measured in a photograph, by the names of `RunView`, in the dataset's own units."""
    metadata = outputs.metadata
    names = {"depth_filenames": "depth_path", "depth_sigma_filenames": "depth_sigma_path"}
    names |= {"normal_filenames": "normal_path", "background_filenames": "background_path"}
    files = {field: metadata[key][index] for key, field in names.items() if metadata.get(key) is not None}
    return {**files, "depth_unit": metadata.get("depth_unit_scale_factor", 1e-3)}


def _photographed(outputs: DataparserOutputs, index: int, pose: Tensor) -> PosedCamera:
    lens = lens_from_nerfstudio(outputs.cameras, index)
    return PosedCamera(outputs.image_filenames[index].name, lens, pose_from_nerfstudio(pose))


def _original_poses(outputs: DataparserOutputs) -> Tensor:
    """[C, 4, 4] OpenGL poses as the dataset has them, before the parser turned, moved and scaled them."""
    poses = outputs.cameras.camera_to_worlds
    last = poses.new_tensor([[0.0, 0.0, 0.0, 1.0]])
    applied = torch.cat([outputs.dataparser_transform.to(poses), last])
    scaled = torch.cat([poses[:, :, :3], poses[:, :, 3:] / outputs.dataparser_scale], 2)
    return torch.linalg.inv(applied) @ torch.cat([scaled, last.expand(len(poses), 1, 4)], 1)


def _to_input_frame(splats: Splats, transform: Tensor, scale: float) -> Splats:
    """Undo x_train = scale * (R x + t), transform = [R | t] [3, 4]; `splatkit-data` applies none."""
    if scale == 1.0 and torch.equal(transform, torch.eye(4)[:3]):
        return splats
    rotation, translation = transform[:, :3].to(splats.means), transform[:, 3].to(splats.means)
    sh = rotate_sh(splats.sh, rotation.T)
    return Splats(
        means=(splats.means / scale - translation) @ rotation,  # rows: R^T (x - t)
        quats=multiply_quats(rotmat_to_quat(rotation.T), splats.quats),
        scales=splats.scales / scale,
        opacities=splats.opacities,
        sh0=sh[:, 0],
        shN=sh[:, 1:],
        betas=splats.betas,
        lobes=rotate_lobes(splats.lobes, rotation.T),
    )
