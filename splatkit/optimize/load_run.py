"""Trained runs of any method of ours, read from disk."""

from pathlib import Path

from splatkit.optimize.load_field import FIELD_METHODS, TrainedField, load_field_run
from splatkit.optimize.load_ges import load_ges_run, read_config
from splatkit.runs.trained_run import TrainedRun


def load_run(config_path: Path) -> TrainedRun | TrainedField:
    """Read a run by its `config.yml`: splats of the method `ges`, or a field that was trained on rays.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the run has no readable checkpoint of its method.
        DatasetError: `config_path` is not a run's, or the dataset of the run cannot be read.
    """
    method = read_config(config_path).method_name
    return load_field_run(config_path) if method in FIELD_METHODS else load_ges_run(config_path)
