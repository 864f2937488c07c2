"""The step that nerfstudio does: its command line, whether it ended, and where it goes on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from splatkit.errors import SettingsError

_METHODS = ("ges", "simplex-nerf", "simplex-sdf")
_EXPERIMENT, _TIMESTAMP = "field", "run"
_DATAPARSER = "splatkit-data"


def training_words(table: Mapping[str, Any], folder: Path, where: str) -> tuple[list[str], Path]:
    """Words behind `ns-train`, and the folder of the run.

    Args:
        table: `data`, and as far as wanted `method`, `steps`, `seed`, options of `ns-train` by their names, and a table
            `splatkit-data` of options for the data parser.
        folder: of runs.
        where: names the table in errors.
    """
    rest = dict(table)
    method = rest.pop("method", "ges")
    if method not in _METHODS:
        raise SettingsError(f"{where} method: expected one of {', '.join(_METHODS)}, got {method!r}")
    steps = rest.pop("steps", None)
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        raise SettingsError(f"{where} steps: expected a whole number from 1, got {steps!r}")
    words = [method, "--data", rest.pop("data"), "--output-dir", str(folder), "--experiment-name", _EXPERIMENT]
    words += ["--timestamp", _TIMESTAMP, "--vis", str(rest.pop("vis", "tensorboard"))]
    words += ["--viewer.quit-on-train-completion", "True"]
    if steps is not None:
        words += ["--max-num-iterations", str(steps)]
    if "seed" in rest:
        if method == "ges":
            words += ["--pipeline.model.seed", str(rest["seed"])]
        words += ["--machine.seed", str(rest.pop("seed"))]
    parser = rest.pop(_DATAPARSER, {})
    words += _flags(rest)
    if parser:
        words += [_DATAPARSER, *_flags(parser)]
    return words, folder / _EXPERIMENT / method / _TIMESTAMP


def checkpoint_folder(run: Path) -> Path:
    """Of a run."""
    return run / "nerfstudio_models"


def goes_on(words: tuple[str, ...], run: Path) -> tuple[str, ...]:
    """The words, with the order to go on where the run has checkpoints."""
    folder = checkpoint_folder(run)
    if not any(folder.glob("step-*.ckpt")):
        return words
    end = words.index(_DATAPARSER) if _DATAPARSER in words else len(words)
    return (*words[:end], "--load-dir", str(folder), *words[end:])


def _flags(table: Mapping[str, Any]) -> list[str]:
    return [word for name, value in _flat(table) for word in (f"--{name}", *_texts(value))]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names: TOML makes tables of them."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _texts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
