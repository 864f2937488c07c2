"""What `plan_blocks`, `train_blocks` and `merge_blocks` take, and their commands; apart from the code that does it."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from splatkit.errors import SettingsError

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class PlanBlocksSettings:
    """Plan the training of a dataset in blocks: a coarse run of all of it, cells of space, and the views of each cell.

    The plan is a folder with plan.json, a picture of the cells, and the coarse run. `splatkit blocks train` trains it,
    `splatkit blocks merge` makes one run of what was trained.
    """

    dataset: tyro.conf.Positional[Path]
    """Dataset: a folder with a transforms.json, or the file."""
    out: Path
    """Folder of the plan. If interrupted, the same command resumes; a coarse run that is there is not trained again."""
    blocks: Literal["auto"] | int = "auto"
    """Number of blocks; auto: as few as each fit into memory_gb."""
    splats: int = 200_000
    """Number of splats of the merged run, at most, about; blocks share it by the pixels that show them."""
    steps: int = 7000
    """Length of the run that the blocks stand for: a third is the coarse run's; of the rest a block takes its views'
    share."""
    memory_gb: float | None = None
    """Memory that training a block may take, GB; by default 70 % of what this machine can give now."""
    least_views: int = 50
    """Number of views that a block needs; one that would have fewer is not cut off."""
    margin: float = 0.15
    """How far beyond its cell a block is trained, as a share of the cell's size."""
    coarse: Path | None = None
    """The config.yml of a run of the same dataset to take for the coarse run; by default one is trained."""
    train_options: str = ""
    """Options of `ns-train ges` for the coarse run and all blocks, in one string behind an equals sign:
    --train-options="--NAME VALUE"."""
    seed: int = 0
    """Seed of all randomness."""
    overwrite: bool = False
    """Replace an existing plan."""

    def __post_init__(self) -> None:
        if self.blocks != "auto" and (not isinstance(self.blocks, int) or self.blocks < 1):
            raise SettingsError(f"blocks: expected auto or a whole number from 1, got {self.blocks!r}")
        for name, least in (("splats", 1), ("steps", 1), ("least_views", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SettingsError(f"{name}: expected a whole number from {least}, got {value!r}")
        if not 0 <= self.margin <= 1:
            raise SettingsError(f"margin: expected a share from 0 to 1, got {self.margin:g}")
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise SettingsError(f"memory_gb: expected more than 0, got {self.memory_gb:g}")
        for option in parse_options(self.train_options):
            if option.replace("_", "-").endswith(".max-splats"):
                raise SettingsError(f"train_options: --{option} is set for each block; set splats, of the merged run")


@dataclass(frozen=True)
class TrainBlocksSettings:
    """Train the blocks of a plan, here or on a Ray cluster. What is trained is kept: the same command resumes."""

    plan: tyro.conf.Positional[Path]
    """Folder of the plan; workers of a cluster must see it, and the dataset, under the same path."""
    engine: Engine = "local"
    """local: one block after another on this machine. ray: as many at a time as a cluster has room for."""
    address: str | None = None
    """Address of a Ray cluster, as `ray.init` takes it; by default one is started on this machine."""
    retries: int = 2
    """How often a block is tried again whose process was killed."""
    cpus: float = 2.0
    """CPUs that Ray sets aside for a block."""
    gpus: float | None = None
    """GPUs that Ray sets aside for a block; by default 1 where the cluster has any."""

    def __post_init__(self) -> None:
        if self.engine not in ("local", "ray"):
            raise SettingsError(f"engine: expected local or ray, got {self.engine!r}")
        if self.engine == "local" and self.address is not None:
            raise SettingsError("address: is of a Ray cluster; pass --engine ray with it")
        if self.retries < 0:
            raise SettingsError(f"retries: expected a whole number from 0, got {self.retries}")
        for name in ("cpus", "gpus"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise SettingsError(f"{name}: expected a number from 0, got {value}")


@dataclass(frozen=True)
class MergeBlocksSettings:
    """Make one run of the trained blocks of a plan: viewer, evaluation, rendering and exports take it as any other."""

    plan: tyro.conf.Positional[Path]
    """Folder of the plan, all of whose blocks are trained."""
    out: Path
    """Folder of runs; the run goes to OUT/field/ges/run, with a report in merge.json."""
    seam_steps: int | None = None
    """Steps that fit opacities and base colors near seams, by the views that cross them; by default 2 for each such
    view, 0 leaves it out."""
    overwrite: bool = False
    """Replace an existing run."""

    def __post_init__(self) -> None:
        if self.seam_steps is not None and self.seam_steps < 0:
            raise SettingsError(f"seam_steps: expected a whole number from 0, got {self.seam_steps}")


def parse_options(words: str) -> dict[str, Any]:
    """Options of `ns-train` by name, of a string as one would type them.

    Raises:
        SettingsError: a value stands before the first name.
    """
    options: dict[str, Any] = {}
    name = None
    try:
        split = shlex.split(words)
    except ValueError as error:
        raise SettingsError(f"train_options: {error} in {words!r}") from None
    for word in split:
        if word.startswith("--"):
            name = word.removeprefix("--")
            options[name] = []
        elif name is None:
            raise SettingsError(f"train_options: expected --NAME VALUE ..., got {words!r}")
        else:
            options[name].append(word)
    return options
