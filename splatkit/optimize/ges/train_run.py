"""Training with the method `ges` from Python: what `ns-train` does, without its windows."""

import copy
import time
from dataclasses import dataclass
from pathlib import Path

from nerfstudio.engine.trainer import TrainerConfig

from splatkit.optimize.ges.method import ges_method


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


def read_scalars(config_path: Path, tag: str) -> tuple[list[int], list[float]]:
    """Steps and values that training logged under a tag, e.g. "Train Loss"; of all parts of an interrupted run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(config_path.parent))
    events.Reload()
    if tag not in events.Tags()["scalars"]:
        return [], []
    points = events.Scalars(tag)
    return [point.step for point in points], [point.value for point in points]
