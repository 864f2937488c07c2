"""The step that nerfstudio does: its table, whether it ended, and where it resumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splatkit.errors import SettingsError
from splatkit.optimize.method_record import Method
from splatkit.optimize.methods import DEFAULT_METHOD, find_method
from splatkit.optimize.train_settings import DATAPARSER, TrainSettings


def training_settings(table: Mapping[str, Any], folder: Path, where: str) -> TrainSettings:
    """What a table asks for.

    Args:
        table: `data`, and as far as wanted `method`, `steps`, `seed`, `vis`, options of `ns-train` by their names, and
            a table `splatkit-data` of options for the data parser.
        folder: of runs.
        where: names the table in errors.
    """
    rest = dict(table)
    named = {name: rest.pop(name) for name in ("method", "steps", "seed", "vis") if name in rest}
    data, dataparser_options = Path(rest.pop("data")), rest.pop(DATAPARSER, {})
    try:
        return TrainSettings(data, folder, **named, options=rest, dataparser_options=dataparser_options)
    except SettingsError as error:
        raise SettingsError(f"{where} {error}") from None


def method_of(table: Mapping[str, Any]) -> Method:
    """Which method a table asks for."""
    return find_method(table.get("method", DEFAULT_METHOD))


def checkpoint_folder(run: Path) -> Path:
    """Of a run."""
    return run / "nerfstudio_models"


def goes_on(words: tuple[str, ...], run: Path) -> tuple[str, ...]:
    """The words, with the order to resume where the run has checkpoints."""
    folder = checkpoint_folder(run)
    if not any(folder.glob("step-*.ckpt")):
        return words
    end = words.index(DATAPARSER) if DATAPARSER in words else len(words)
    return (*words[:end], "--load-dir", str(folder), *words[end:])
