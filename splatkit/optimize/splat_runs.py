"""A run whose splats came of something else than its own training, written so that every tool takes it for a run."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_directory
from splatkit.optimize.load_ges import read_config
from splatkit.optimize.methods import DEFAULT_METHOD
from splatkit.optimize.nerfstudio.checkpoints import read_newest_checkpoint, write_checkpoint
from splatkit.splatting.splats import Splats

NAME, _TIMESTAMP = "field", "run"


def run_folder(out: Path) -> Path:
    """Where `write_splat_run` puts a run."""
    return out.resolve() / NAME / DEFAULT_METHOD / _TIMESTAMP


def write_splat_run(like: Path, splats: Splats, out: Path, steps: int, cap: int, overwrite: bool = False) -> Path:
    """Write a run on the dataset, and with the settings, of another.

    Training can be resumed from it, as from any other; the optimizers start without moments.

    Args:
        like: config.yml of the other run, of the method `ges` on a dataset that `splatkit-data` reads.
        splats: in the frame of the dataset.
        out: folder of runs; this one goes to out/field/ges/run.
        steps: what its training would have taken.
        cap: on the number of splats, in its settings.
        overwrite: replace an existing run.

    Returns:
        Its config.yml.

    Raises:
        CheckpointError, DatasetError, OSError: the other run cannot be read.
        FileExistsError: there is a run, and overwrite is False.
    """
    config = copy.deepcopy(read_config(like))
    state, checkpoint = read_newest_checkpoint(like.parent / config.relative_model_dir)
    model = config.pipeline.model
    raw = splats.to_raw(model.shape)
    pipeline = dict(state["pipeline"])
    names = {name.removeprefix("_model.gauss_params.") for name in pipeline if ".gauss_params." in name}
    if names != set(raw):
        raise DatasetError(f"{checkpoint}: has {', '.join(sorted(names))}, the new splats {', '.join(sorted(raw))}")
    pipeline["_model.active_sh_degree"] = torch.tensor(splats.sh_degree)
    pipeline |= {f"_model.gauss_params.{name}": value for name, value in raw.items()}
    config.output_dir, config.experiment_name, config.timestamp = out.resolve(), NAME, _TIMESTAMP
    config.max_num_iterations, config.load_dir, config.load_checkpoint = steps, None, None
    model.num_downscales, model.start = 0, None
    model.densification = replace(model.densification, max_splats=cap)
    model.mcmc = replace(model.mcmc, max_splats=cap)
    fresh = {name: _without_moments(optimizer) for name, optimizer in state["optimizers"].items()}
    written = {
        "step": steps - 1,
        "pipeline": pipeline,
        "optimizers": fresh,
        "schedulers": {},
        "scalers": state["scalers"],
    }
    with atomic_directory(config.get_base_dir(), overwrite) as folder:
        (folder / "config.yml").write_text(yaml.dump(config), encoding="utf-8")
        write_checkpoint(folder / config.relative_model_dir, steps - 1, written, keep_all=True)
    found: Path = config.get_base_dir() / "config.yml"
    return found


def _without_moments(state: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer that has not stepped yet."""
    return {**state, "state": {}}
