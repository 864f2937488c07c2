"""What the toolkit asks about a nerfstudio method, apart from the code that trains it: free of nerfstudio."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # seconds to import
    from nerfstudio.plugins.types import MethodSpecification

    from splatkit.runs.views import Run


@dataclass(frozen=True)
class TrainingCost:
    """What a step takes on two cores of an x86 machine, and how much memory; fitted to runs (`pipeline.estimates`)."""

    step_s: float  # of CPU time, whatever the photographs
    base_mb: float  # beside the photographs
    step_s_per_megapixel: float = 0.0  # of one photograph
    step_s_per_splat: float = 0.0
    mb_per_splat: float = 0.0
    splats: int = 0  # by default
    splats_option: str = ""  # of `ns-train`, dotted, which bounds their number


@dataclass(frozen=True)
class Method:
    """One of ours. `specification` and `loader` are "module:name" in `splatkit.optimize`, imported when asked for."""

    name: str  # as `ns-train` knows it
    specification: str  # the MethodSpecification that nerfstudio finds as an entry point
    loader: str  # a function from the config.yml of a run to the run, in the frame of its dataset
    gives: Literal["splats", "density", "distance"]  # what a run consists of; the last two are fields trained on rays
    steps: int  # of training by default, on a CPU
    cost: TrainingCost
    seed_options: tuple[str, ...] = ()  # of `ns-train`, dotted, that want the seed beside `machine.seed`

    @property
    def has_splats(self) -> bool:
        """Whether there are splats to export."""
        return self.gives == "splats"

    def load_specification(self) -> MethodSpecification:
        """What nerfstudio is told of the method; imports nerfstudio."""
        return load_name(self.specification)

    def load_run(self, config_path: Path) -> Run:
        """Read a run of the method by its `config.yml`; raises what `optimize.load_run.load_run` does."""
        run: Run = load_name(self.loader)(config_path)
        return run


def load_name(path: str) -> Any:
    """What "module:name" stands for in `splatkit.optimize`."""
    module, name = path.split(":")
    return getattr(import_module(f"splatkit.optimize.{module}"), name)
