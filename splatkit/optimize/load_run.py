"""Trained runs of any method of ours, read from disk."""

from pathlib import Path

from splatkit.errors import DatasetError, SettingsError
from splatkit.optimize.load_ges import read_config
from splatkit.optimize.method_record import Method
from splatkit.optimize.methods import METHODS, find_method
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import Run


def load_run(config_path: Path) -> Run:
    """Read a run by its `config.yml`: a `TrainedRun` of splats, or a field that was trained on rays.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the run has no readable checkpoint of its method.
        DatasetError: `config_path` is not a run's or of a foreign method, or the dataset of the run cannot be read.
    """
    return _method_of(config_path).load_run(config_path)


def load_splat_run(config_path: Path) -> TrainedRun:
    """Read a run that has splats; raises what `load_run` does, and DatasetError where it has none."""
    method = _method_of(config_path)
    run = method.load_run(config_path) if method.has_splats else None
    if not isinstance(run, TrainedRun):
        raise DatasetError(f"{config_path}: {method.name} has no splats; `splatkit export mesh` makes a mesh of it")
    return run


def _method_of(config_path: Path) -> Method:
    name = read_config(config_path).method_name
    try:
        return find_method(name)
    except SettingsError:
        raise DatasetError(
            f"{config_path}: a run of the method {name}; only runs of {', '.join(METHODS)} can be read"
        ) from None
