"""The stage `train`: what `ns-train` does, in this process and without its windows."""

import copy
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nerfstudio.engine.trainer import TrainerConfig

from splatkit.command_line import parse
from splatkit.optimize.methods import DEFAULT_METHOD, find_method
from splatkit.optimize.train_settings import TrainSettings


@dataclass(frozen=True)
class Trained:
    """A run that ended, and what it took."""

    config_path: Path  # its config.yml
    wall_s: float
    cpu_s: float


def train(settings: TrainSettings) -> Trained:
    """Train to the end.

    Raises:
        SettingsError: `ns-train` does not take these settings; says why.
        DatasetError, OSError: the dataset cannot be read.
    """
    return train_config(parse_words(settings.words()))


def train_config(config: TrainerConfig) -> Trained:
    """Train by a configuration of nerfstudio."""
    from nerfstudio.scripts.train import main
    from nerfstudio.utils import writer

    wall, cpu = time.perf_counter(), time.process_time()
    main(config)
    writer.EVENT_WRITERS.clear()  # the host would go on to write the figures of later runs into this one's folder
    config_path = config.get_base_dir() / "config.yml"
    return Trained(config_path, time.perf_counter() - wall, time.process_time() - cpu)


def parse_words(words: Sequence[str]) -> TrainerConfig:
    """The configuration that words behind `ns-train` stand for; SettingsError in one line where they stand for none."""
    from nerfstudio.configs.config_utils import convert_markup_to_ansi
    from nerfstudio.configs.method_configs import AnnotatedBaseConfigUnion

    config: TrainerConfig = parse(AnnotatedBaseConfigUnion, words, description=convert_markup_to_ansi(""))
    return config


def make_config(data: Path, output_dir: Path, name: str, steps: int, seed: int = 0) -> TrainerConfig:
    """The configuration of a run without a viewer, by the default method, to be changed in Python.

    The run goes to output_dir/name/METHOD/run.

    Args:
        data: dataset folder or its transforms.json.
        output_dir: folder of runs.
        name: of the experiment.
        steps: in total.
        seed: of all randomness.
    """
    method = find_method(DEFAULT_METHOD)
    config: TrainerConfig = copy.deepcopy(method.load_specification().config)
    config.data = data
    config.output_dir = output_dir
    config.experiment_name, config.timestamp = name, "run"
    config.max_num_iterations = steps
    config.vis = "tensorboard"
    for option in (*method.seed_options, "machine.seed"):
        *path, last = option.split(".")
        setattr(functools.reduce(getattr, path, config), last, seed)
    config.steps_per_eval_image = 0
    config.viewer.quit_on_train_completion = True
    return config
