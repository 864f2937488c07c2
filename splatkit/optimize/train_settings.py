"""What `train` takes, and the words of `ns-train` for it; apart from the code that does it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splatkit.errors import SettingsError
from splatkit.optimize.methods import DEFAULT_METHOD, find_method

DATAPARSER = "splatkit-data"
_TIMESTAMP = "run"


@dataclass(frozen=True)
class TrainSettings:
    """What is trained on what, and for how long; `options` takes whatever else `ns-train` does."""

    data: Path
    """Dataset: a folder with a transforms.json, or the file."""
    out: Path = Path("outputs")
    """Folder of runs; this one goes to OUT/NAME/METHOD/run."""
    name: str = "field"
    """Name of the experiment."""
    method: str = DEFAULT_METHOD
    """One of `splatkit.optimize.methods`."""
    steps: int | None = None
    """Number of training steps; by default the method's."""
    seed: int | None = None
    """Seed of all randomness; by default the method's."""
    vis: str = "tensorboard"
    """Where progress is shown, as for `ns-train`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of `ns-train` by name: dotted, or nested as TOML makes them."""
    dataparser_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the data parser `splatkit-data`."""

    def __post_init__(self) -> None:
        find_method(self.method)
        steps = self.steps
        if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
            raise SettingsError(f"steps: expected a whole number from 1, got {steps!r}")

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.out / self.name / self.method / _TIMESTAMP

    def words(self) -> list[str]:
        """Words behind `ns-train`."""
        words = [self.method, "--data", str(self.data), "--output-dir", str(self.out), "--experiment-name", self.name]
        words += ["--timestamp", _TIMESTAMP, "--vis", self.vis, "--viewer.quit-on-train-completion", "True"]
        if self.steps is not None:
            words += ["--max-num-iterations", str(self.steps)]
        if self.seed is not None:
            for option in (*find_method(self.method).seed_options, "machine.seed"):
                words += [f"--{option}", str(self.seed)]
        words += option_words(self.options)
        if self.dataparser_options:
            words += [DATAPARSER, *option_words(self.dataparser_options)]
        return words


def option_words(table: Mapping[str, Any]) -> list[str]:
    """Words of options by name, dotted or nested."""
    return [word for name, value in _flat(table) for word in (f"--{name}", *_texts(value))]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of what is nested."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _texts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
