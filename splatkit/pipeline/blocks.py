"""The table `[optimize]` with a key `blocks`: training in blocks, three commands in the place of one."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatkit.errors import SettingsError
from splatkit.optimize.methods import DEFAULT_METHOD
from splatkit.optimize.train_settings import DATAPARSER, TrainSettings, option_words
from splatkit.pipeline.command_options import CommandOptions

IN_BLOCKS = "blocks"  # the key that says so
PLAN_STEP, BLOCKS_STEP = "optimize.plan", "optimize.blocks"  # before the one that makes the run
_SET_HERE = {"dataset", "plan", "out", "overwrite", "train_options"}
_NOT_IN_BLOCKS = {
    "vis": "blocks are trained in processes of their own, with a log for each",
    DATAPARSER: "blocks know no options of the data parser",
}


@dataclass(frozen=True)
class BlockTables:
    """What a table asks of each command, by the names of their options."""

    plan: Mapping[str, Any]
    train: Mapping[str, Any]
    merge: Mapping[str, Any]
    training: TrainSettings  # the run that they stand for


def block_tables(table: Mapping[str, Any], data: Path, folder: Path, where: str) -> BlockTables:
    """Share a table out among the commands; what none of them has is an option of `ns-train`.

    Args:
        table: as in the file, with `blocks`.
        data: the dataset.
        folder: of runs.
        where: names the table in errors.

    Raises:
        SettingsError: something in it cannot be had in blocks; names the key.
    """
    rest = {key: value for key, value in table.items() if key != "data"}
    if rest.pop("method", DEFAULT_METHOD) != DEFAULT_METHOD:
        raise SettingsError(f"{where} method: only {DEFAULT_METHOD} is trained in blocks; remove blocks")
    for key, why in _NOT_IN_BLOCKS.items():
        if key in rest:
            raise SettingsError(f"{where} {key}: {why}; remove it")
    commands = CommandOptions.all()
    plan, train, merge = (_taken(rest, commands[f"blocks.{name}"], where) for name in ("plan", "train", "merge"))
    steps, seed = (plan.get(name, commands["blocks.plan"].find(name, where).default) for name in ("steps", "seed"))
    try:
        training = TrainSettings(data, folder, steps=steps, seed=seed, options=rest)
    except SettingsError as error:
        raise SettingsError(f"{where} {error}") from None
    if rest:
        plan["train_options"] = shlex.join(option_words(rest))
    return BlockTables(plan, train, merge, training)


def _taken(rest: dict[str, Any], command: CommandOptions, where: str) -> dict[str, Any]:
    """The options of a command, which leave `rest`."""
    for key in rest:
        if key.replace("-", "_") in _SET_HERE:
            raise SettingsError(f"{where}: {key} cannot be set here; the steps of `splatkit run` find it themselves")
    keys = [key for key in rest if command.has(key.replace("-", "_"))]
    return {key.replace("-", "_"): rest.pop(key) for key in keys}
