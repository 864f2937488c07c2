"""The coarse run: a short training of the whole scene on small images, which all blocks start from."""

from pathlib import Path

import numpy as np

from splatkit.blocks.observation import CoarseScene
from splatkit.errors import DatasetError
from splatkit.optimize.train_settings import TrainSettings
from splatkit.runs.trained_run import TrainedRun
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splat_archives import read_splat_archive, write_splat_archive

STEPS_SHARE = 3  # of the whole run's steps: one in so many; blocks have the others
_SPLATS_SHARE = 2  # of its splats, likewise
_DOWNSCALES = 2  # power of two by which images are smaller


def coarse_settings(
    dataset: Path, folder: Path, splats: int, steps: int, seed: int, options: dict[str, object]
) -> TrainSettings:
    """The training that makes it; arguments are the whole run's."""
    steps, splats = max(1, steps // STEPS_SHARE), max(1, splats // _SPLATS_SHARE)
    small = {
        "pipeline.model.num-downscales": _DOWNSCALES,
        "pipeline.model.resolution-schedule": steps + 1,  # to the end
        **cap_options(splats),
        "steps-per-eval-image": 0,
    }
    return TrainSettings(dataset, folder, "coarse", steps=steps, seed=seed, options={**options, **small})


def cap_options(splats: int) -> dict[str, object]:
    """Options of `ns-train` that bound the number of splats, by whatever strategy."""
    return {
        "pipeline.model.densification.max-splats": splats,
        "pipeline.model.mcmc.max-splats": splats,
    }


def write_coarse(path: Path, run: TrainedRun) -> None:
    """Keep what blocks need of a run: its splats and how they are rendered."""
    how = {"sh_degree": np.array(run.sh_degree), "kernel": np.array(run.kernel), "mode": np.array(run.rasterize_mode)}
    sky = {} if run.shell is None else {"sky_shell": run.shell.numbers.numpy()}
    write_splat_archive(path, run.splats, {**how, **sky})


def read_coarse(path: Path) -> CoarseScene:
    """Read what `write_coarse` wrote.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged; names it.
    """
    import torch

    splats, more = read_splat_archive(path)
    try:
        degree, kernel, mode = int(more["sh_degree"]), str(more["kernel"]), str(more["mode"])
    except (KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{path}: not a coarse run of `splatkit blocks plan` ({error})") from error
    numbers = more.get("sky_shell")
    shell = SkyShell.from_numbers(None if numbers is None else torch.from_numpy(numbers))
    return CoarseScene(TrainedRun(splats, degree, mode, kernel, (), (), path, path, 0, shell))
