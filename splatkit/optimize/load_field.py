"""A run of a field that was trained on rays, read from disk: its model rendered from cameras in the dataset's frame."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.models.base_model import Model
from torch import Tensor

from splatkit.geometry.camera import PosedCamera
from splatkit.optimize.load_ges import dataset_views, parse_dataset, read_config
from splatkit.optimize.methods import find_method
from splatkit.optimize.nerfstudio.cameras import to_nerfstudio
from splatkit.optimize.nerfstudio.checkpoints import CheckpointError, read_newest_checkpoint
from splatkit.runs.views import RenderedView, RunView

_PREFIX = "_model."
_CHUNK = 1 << 15  # points whose distances are computed at a time
_VIEW_PIXELS = 9_000  # that a core renders in about a second


@dataclass(frozen=True, eq=False)
class TrainedField:
    """What export needs of a run that trained on rays."""

    model: Model
    is_distance: bool  # else a density
    transform: Tensor  # [3, 4] from the dataset's frame, before scaling, to the model's
    scale: float  # from lengths of the dataset to lengths of the model
    train_views: tuple[RunView, ...]
    eval_views: tuple[RunView, ...]
    dataset: Path
    checkpoint: Path
    step: int  # index of the last step done

    @property
    def view_pixels(self) -> int:
        """How many pixels of a view are worth their time on one core."""
        return _VIEW_PIXELS

    def render_surface(self, posed: PosedCamera) -> RenderedView:
        """What a pinhole of the dataset's frame sees of the field; as `TrainedRun.render_surface`."""
        camera = self._camera(posed)
        bundle = camera.generate_rays(camera_indices=0, keep_shape=True)
        lengths = bundle.metadata["directions_norm"][..., 0]  # of a ray along which z grows by 1
        with torch.no_grad():
            outputs = self.model.get_outputs_for_camera_ray_bundle(bundle)
        depths, expected = self._depths(outputs, lengths)
        alphas = outputs["accumulation"][..., 0]
        return RenderedView(
            posed,
            torch.where(alphas > 0, depths, 0) / self.scale,
            (expected - depths) / self.scale,
            self._normals(outputs, bundle.directions),
            alphas,
            (outputs["rgb"] / alphas.clamp_min(1e-6)[..., None]).clamp(0, 1) if self.is_distance else outputs["rgb"],
        )

    @cached_property
    def distance(self) -> "FieldDistance | None":
        """The signed distance itself, of runs that have one."""
        return FieldDistance(self) if self.is_distance else None

    def _depths(self, outputs: dict[str, Tensor], lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Median and expected z [H, W] in lengths of the model."""
        depth = outputs["depth"][..., 0]
        if self.is_distance:  # the host has already made z of it, and renders the mean alone
            return depth, depth
        return depth / lengths, outputs["expected_depth"][..., 0] / lengths

    def _normals(self, outputs: dict[str, Tensor], directions: Tensor) -> Tensor:
        """[H, W, 3] of the dataset's frame, turned to the camera; zeros where the method renders none."""
        if "normal" not in outputs:
            return torch.zeros_like(directions)
        normals = outputs["normal"]
        away = (normals * directions).sum(-1, keepdim=True) > 0
        return torch.where(away, -normals, normals) @ self.transform[:, :3]  # rows: R^T n

    def _camera(self, posed: PosedCamera) -> Cameras:
        """The camera in the model's frame, whose scale moves it and does not stretch its axes."""
        R, t = (part.double().numpy() for part in (self.transform[:, :3], self.transform[:, 3]))
        T = np.eye(4)
        T[:3, :3] = R @ posed.T_world_camera[:3, :3]
        T[:3, 3] = self.scale * (R @ posed.center + t)
        return to_nerfstudio([PosedCamera(posed.name, posed.camera, T)])


class FieldDistance:
    """The signed distance of a field, negative inside, in the dataset's frame and scale."""

    def __init__(self, run: TrainedField) -> None:
        self._run = run

    @torch.no_grad()
    def __call__(self, points: Tensor) -> Tensor:
        """[M, 3] -> [M]."""
        R, t = self._run.transform[:, :3], self._run.transform[:, 3]
        field: Any = self._run.model.field
        parts = []
        for part in points.split(_CHUNK):
            placed = self._run.scale * (part @ R.T + t)
            parts.append(field.forward_geonetwork(placed)[:, 0])
        return torch.cat(parts) / self._run.scale


def load_field_run(config_path: Path) -> TrainedField:
    """Read a run of a method that gives a density or a distance by its `config.yml`; raises what `load_run` does."""
    config = read_config(config_path)
    state, checkpoint = read_newest_checkpoint(config_path.parent / config.relative_model_dir)
    train, test = (parse_dataset(config, split) for split in ("train", "test"))
    model = _build_model(config, train)
    weights = {k.removeprefix(_PREFIX): v for k, v in state["pipeline"].items() if k.startswith(_PREFIX)}
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{checkpoint}: not a checkpoint of this {config.method_name} run ({reason})") from error
    model.eval()
    return TrainedField(
        model=model,
        is_distance=find_method(config.method_name).gives == "distance",
        transform=train.dataparser_transform.float(),
        scale=float(train.dataparser_scale),
        train_views=dataset_views(train),
        eval_views=dataset_views(test),
        dataset=Path(config.pipeline.datamanager.data),
        checkpoint=checkpoint,
        step=int(state["step"]),
    )


def _build_model(config: TrainerConfig, outputs: DataparserOutputs) -> Model:
    return config.pipeline.model.setup(
        scene_box=outputs.scene_box,
        num_train_data=len(outputs.image_filenames),
        metadata=outputs.metadata,
        device="cpu",
        grad_scaler=None,
    )
