"""A finished (or interrupted) training run, read from disk: splats and cameras in the frame of the dataset."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.engine.trainer import TrainerConfig
from torch import Tensor

from splatkit.errors import DatasetError
from splatkit.evaluation.image import psnr, ssim
from splatkit.geometry.rotation import multiply_quats, rotmat_to_quat
from splatkit.geometry.spherical_harmonics import rotate_sh
from splatkit.io.images import read_image_float
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.nerfstudio.cameras import viewmats_from_opengl
from splatkit.optimize.nerfstudio.checkpoints import CheckpointError, read_newest_checkpoint
from splatkit.runs.config_file import load_config
from splatkit.splatting.appearance import color_arguments
from splatkit.splatting.rasterization import Rendering, rasterization
from splatkit.splatting.spherical_beta import rotate_lobes
from splatkit.splatting.splats import Splats, raw_names


@dataclass(frozen=True)
class RunCameras:
    """C cameras of a dataset, in its own frame and scale."""

    image_paths: tuple[Path, ...]
    viewmats: Tensor  # [C, 4, 4] world to camera, OpenCV axes
    Ks: Tensor  # [C, 3, 3] px, without distortion
    sizes: Tensor  # [C, 2] int64, width and height, px

    def __len__(self) -> int:
        return len(self.image_paths)


class RenderedView(NamedTuple):
    """A pinhole camera and what it sees. H x W pixels."""

    viewmat: Tensor  # [4, 4] world to camera, OpenCV axes
    K: Tensor  # [3, 3] px, pixel centers at +0.5
    depths: Tensor  # [H, W] z where half of the light is gone; 0 where it never is
    spreads: Tensor  # [H, W] how far the expected depth is from it: large where a pixel shows two surfaces
    normals: Tensor  # [H, W, 3] world, turned to the camera; length up to 1, less where what is seen disagrees
    alphas: Tensor  # [H, W] in [0, 1]
    colors: Tensor  # [H, W, 3] in [0, 1], as if opaque


@dataclass(frozen=True)
class ImageScore:
    """How close one held-out image is."""

    image_path: Path
    psnr: float  # dB
    ssim: float  # valid windows


@dataclass(frozen=True)
class TrainedRun:
    """What export needs of a run."""

    splats: Splats  # in the frame and scale of the dataset
    sh_degree: int  # that training had reached
    rasterize_mode: str  # that training used
    kernel: str  # of the rasterizer
    train_cameras: RunCameras
    eval_cameras: RunCameras
    dataset: Path
    checkpoint: Path
    step: int  # index of the last step done

    @torch.no_grad()
    def render(self, viewmat: Tensor, K: Tensor, width: int, height: int, outputs: Sequence[str] = ()) -> Rendering:
        """Render one camera over black.

        Args:
            viewmat: [4, 4] dataset frame to camera, OpenCV axes.
            K: [3, 3] px.
            width: px.
            height: px.
            outputs: what to render besides, as `rasterization` takes it.

        Returns:
            Rendering with C = 1; depths are z, 0 where nothing was hit.
        """
        s = self.splats
        colors, sh_degree = color_arguments(s, viewmat, self.sh_degree)
        return rasterization(
            s.means, s.quats, s.scales, s.opacities, s.betas, colors, viewmat[None], K[None], width, height,
            sh_degree=sh_degree, rasterize_mode=self.rasterize_mode, kernel=self.kernel, outputs=outputs,
        )  # fmt: skip

    @property
    def distance(self) -> None:
        """Splats have no signed distance; see `TrainedField`."""

    @property
    def view_pixels(self) -> int:
        """How many pixels of a view `render_surface` makes in about a second: more than a photograph has."""
        return 1 << 24

    def render_surface(self, viewmat: Tensor, K: Tensor, width: int, height: int) -> RenderedView:
        """What a camera sees of the splats' surface; arguments as those of `render`."""
        rendering = self.render(viewmat, K, width, height, ("median_depths", "normals"))
        alphas = rendering.alphas[0, ..., 0]
        assert rendering.median_depths is not None  # asked for
        assert rendering.normals is not None
        # Median depths do not float between a near and a far surface at the edge of the near one.
        depths = rendering.median_depths[0, ..., 0]
        colors = (rendering.colors[0] / alphas.clamp_min(1e-6)[..., None]).clamp(0, 1)
        return RenderedView(
            viewmat, K, depths, rendering.depths[0, ..., 0] - depths, rendering.normals[0], alphas, colors
        )


def load_run(config_path: Path) -> TrainedRun:
    """Read a run by its `config.yml`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the run has no readable checkpoint of the method ges.
        DatasetError: `config_path` is not a run's, or the dataset of the run cannot be read.
    """
    config = read_config(config_path)
    state, checkpoint = read_newest_checkpoint(config_path.parent / config.relative_model_dir)
    parsed = {split: parse_dataset(config, split) for split in ("train", "test")}
    model = state["pipeline"]
    shape = config.pipeline.model.shape
    raw = {name: model.get(f"_model.gauss_params.{name}") for name in raw_names(shape, config.pipeline.model.lobes)}
    if any(value is None for value in raw.values()):
        missing = ", ".join(name for name, value in raw.items() if value is None)
        raise CheckpointError(f"{checkpoint}: not a checkpoint of the method ges (without {missing})")
    try:
        splats = Splats.from_raw(raw, shape)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint}: its splats do not fit together ({error})") from error
    outputs = parsed["train"]
    return TrainedRun(
        splats=_to_input_frame(splats, outputs.dataparser_transform, outputs.dataparser_scale),
        sh_degree=int(model["_model.active_sh_degree"]),
        rasterize_mode=config.pipeline.model.rasterize_mode,
        kernel=shape.rasterizer_kernel,
        train_cameras=dataset_cameras(parsed["train"]),
        eval_cameras=dataset_cameras(parsed["test"]),
        dataset=Path(config.pipeline.datamanager.data),
        checkpoint=checkpoint,
        step=int(state["step"]),
    )


def render_view(run: TrainedRun, cameras: RunCameras, index: int) -> torch.Tensor:
    """A view of the run over black, [H, W, 3] in [0, 1]."""
    width, height = cameras.sizes[index].tolist()
    return run.render(cameras.viewmats[index], cameras.Ks[index], width, height).colors[0].clamp(0, 1)


def read_target(path: Path) -> torch.Tensor:
    """A photograph [H, W, 3] in [0, 1]; a transparent one before black, as `render_view` renders."""
    image = torch.from_numpy(read_image_float(path))
    return image[..., :3] * image[..., 3:] if image.shape[-1] == 4 else image


def evaluate(run: TrainedRun) -> list[ImageScore]:
    """Score every held-out image of a run; where it is transparent, before black.

    Images are compared as stored; for lenses with distortion use `ns-eval`, which rectifies them.
    """
    scores = []
    for index, path in enumerate(run.eval_cameras.image_paths):
        target = read_target(path)
        rendered = render_view(run, run.eval_cameras, index)
        scores.append(ImageScore(path, float(psnr(rendered, target)), float(ssim(rendered, target))))
    return scores


def mean_scores(scores: list[ImageScore]) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM over images."""
    return math.fsum(s.psnr for s in scores) / len(scores), math.fsum(s.ssim for s in scores) / len(scores)


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


def dataset_cameras(outputs: DataparserOutputs) -> RunCameras:
    """Cameras in the frame and scale of the dataset, whatever the parser made of it."""
    cameras: Cameras = outputs.cameras
    poses = cameras.camera_to_worlds
    bottom = poses.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(poses), 1, 4)
    applied = torch.cat([outputs.dataparser_transform.to(poses), poses.new_tensor([[0.0, 0.0, 0.0, 1.0]])])
    scaled = torch.cat([poses[:, :, :3], poses[:, :, 3:] / outputs.dataparser_scale], 2)
    original = torch.linalg.inv(applied) @ torch.cat([scaled, bottom], 1)
    return RunCameras(
        image_paths=tuple(outputs.image_filenames),
        viewmats=viewmats_from_opengl(original),
        Ks=cameras.get_intrinsics_matrices(),
        sizes=torch.cat([cameras.width, cameras.height], 1).long(),
    )


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
