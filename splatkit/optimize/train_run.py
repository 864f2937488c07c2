"""Training and evaluation of the method `ges` from Python: what `ns-train` and `ns-eval` do, without their windows."""

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from nerfstudio.engine.trainer import TrainerConfig

from splatkit.evaluation.image import psnr, ssim
from splatkit.io.images import read_image_float
from splatkit.optimize.ges_config import ges_method
from splatkit.optimize.load_run import RunCameras, TrainedRun, load_run


@dataclass(frozen=True)
class ImageScore:
    """How close one held-out image is."""

    image_path: Path
    psnr: float  # dB
    ssim: float  # valid windows


@dataclass(frozen=True)
class TrainingCost:
    """What a training run took."""

    wall_s: float
    cpu_s: float


def make_config(data: Path, output_dir: Path, name: str, steps: int, seed: int = 0) -> TrainerConfig:
    """The configuration of a run without a viewer, at output_dir/name/ges/run.

    Args:
        data: dataset folder or its transforms.json.
        output_dir: folder of runs.
        name: of the experiment.
        steps: in total.
        seed: of all randomness.
    """
    config = copy.deepcopy(ges_method.config)
    config.data = data
    config.output_dir = output_dir
    config.experiment_name, config.timestamp = name, "run"
    config.max_num_iterations = steps
    config.vis = "tensorboard"
    config.machine.seed = seed
    config.pipeline.model.seed = seed
    config.steps_per_eval_image = 0
    config.viewer.quit_on_train_completion = True
    return config


def train(config: TrainerConfig) -> tuple[Path, TrainingCost]:
    """Run a configuration to its end. Returns the path of its config.yml, and its cost."""
    from nerfstudio.scripts.train import main
    from nerfstudio.utils import writer

    wall, cpu = time.perf_counter(), time.process_time()
    main(config)
    writer.EVENT_WRITERS.clear()  # the host would go on to write the figures of later runs into this one's folder
    cost = TrainingCost(time.perf_counter() - wall, time.process_time() - cpu)
    return config.get_base_dir() / "config.yml", cost


def render_view(run: TrainedRun, cameras: RunCameras, index: int) -> torch.Tensor:
    """A view of the run over black, [H, W, 3] in [0, 1]."""
    width, height = cameras.sizes[index].tolist()
    return run.render(cameras.viewmats[index], cameras.Ks[index], width, height).colors[0].clamp(0, 1)


def read_target(path: Path) -> torch.Tensor:
    """A photograph [H, W, 3] in [0, 1]; a transparent one before black, as `render_view` renders."""
    image = torch.from_numpy(read_image_float(path))
    return image[..., :3] * image[..., 3:] if image.shape[-1] == 4 else image


def evaluate(config_path: Path) -> list[ImageScore]:
    """Score every held-out image of a run; where it is transparent, before black.

    Images are compared as stored; for lenses with distortion use `ns-eval`, which rectifies them.
    """
    run = load_run(config_path)
    scores = []
    for index, path in enumerate(run.eval_cameras.image_paths):
        target = read_target(path)
        rendered = render_view(run, run.eval_cameras, index)
        scores.append(ImageScore(path, float(psnr(rendered, target)), float(ssim(rendered, target))))
    return scores


def mean_scores(scores: list[ImageScore]) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM over images."""
    return math.fsum(s.psnr for s in scores) / len(scores), math.fsum(s.ssim for s in scores) / len(scores)


def read_scalars(config_path: Path, tag: str) -> tuple[list[int], list[float]]:
    """Steps and values that training logged under a tag, e.g. "Train Loss"; of all parts of an interrupted run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(config_path.parent))
    events.Reload()
    if tag not in events.Tags()["scalars"]:
        return [], []
    points = events.Scalars(tag)
    return [point.step for point in points], [point.value for point in points]
