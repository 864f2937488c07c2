"""What an export is made of: a trained run, or a dataset whose depths were measured."""

from pathlib import Path

from splatkit.runs.dataset_run import load_dataset_run
from splatkit.runs.views import Run


def open_run(load_config: Path | None, dataset: Path | None) -> Run:
    """Read the one of the two that is named; see `load_run` and `load_dataset_run` for what is raised."""
    if load_config is None:
        assert dataset is not None  # settings say one of the two
        return load_dataset_run(dataset)
    from splatkit.optimize.load_run import load_run  # takes seconds, and datasets do without

    return load_run(load_config)
