"""The options of splatkit's commands, read from their dataclasses: a pipeline's tables take the same."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from splatkit.command_line import parse
from splatkit.errors import SettingsError
from splatkit.stages import STAGES, Stage

_POSITIONAL = tyro.conf.Positional  # tyro's mark of it


@dataclass(frozen=True)
class Option:
    """One option of a command."""

    name: str  # as the dataclass has it
    is_path: bool
    is_flag: bool
    is_positional: bool
    default: Any

    def texts(self, value: Any, where: str) -> list[str]:
        """Values as words of a command line."""
        values = value if isinstance(value, list) else [value]
        if any(isinstance(part, Mapping | list) for part in values):
            raise SettingsError(f"{where} {self.name}: expected a value or a list of values")
        if self.is_flag and not isinstance(value, bool):
            raise SettingsError(f"{where} {self.name}: expected true or false, got {value!r}")
        return [str(part) for part in values]


class CommandOptions:
    """The command of a stage and what it takes."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.words = stage, stage.words
        self._options = {option.name: option for option in _options(stage.settings)}
        self.required = [option.name for option in self._options.values() if option.default is dataclasses.MISSING]
        self._positional = next((option.name for option in self._options.values() if option.is_positional), None)

    @staticmethod
    def all() -> dict[str, CommandOptions]:
        """Commands by the names of their tables."""
        return {name: CommandOptions(stage) for name, stage in STAGES.items()}

    def has(self, name: str) -> bool:
        """Whether there is such an option."""
        return name in self._options

    def find(self, key: str, where: str) -> Option:
        """The option of a key, with - or _ between words."""
        option = self._options.get(key.replace("-", "_"))
        if option is None:
            near = difflib.get_close_matches(key.replace("-", "_"), self._options, 1)
            hint = f"; did you mean {near[0].replace('_', '-')}?" if near else ""
            raise SettingsError(f"{where}: `splatkit {' '.join(self.words)}` has no option {key}{hint}")
        return option

    def arguments(self, values: Mapping[Option, list[str]]) -> list[str]:
        """Words of a command line."""
        words: list[str] = []
        for option, texts in values.items():
            flag = f"--{option.name.replace('_', '-')}"
            if option.name == self._positional:
                words = [*texts, *words]
            elif option.is_flag:
                wanted = texts == ["True"]
                if wanted != bool(option.default):
                    words.append(flag if wanted else f"--no-{flag[2:]}")
            elif len(texts) == 1 and texts[0].startswith("--"):
                words.append(f"{flag}={texts[0]}")  # as a word of its own it would be taken for another option
            else:
                words += [flag, *texts]
        return words


def parse_words(options: CommandOptions, words: Sequence[str], where: str) -> Any:
    """The settings that words say; SettingsError in one line where they say none."""
    markers = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    try:
        return parse(options.stage.settings, words[len(options.words) :], markers)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _options(settings: type) -> list[Option]:
    """Of a dataclass, those of dataclasses in it among them."""
    found = []
    hints = typing.get_type_hints(settings)
    marked = typing.get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        parts = _parts(hints[field.name])
        nested = [part for part in parts if dataclasses.is_dataclass(part)]
        if nested:
            found += [option for part in nested for option in _options(typing.cast(type, part))]
        else:
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory
            is_positional = _POSITIONAL in typing.get_args(marked[field.name])
            found.append(Option(field.name, Path in parts, bool in parts, is_positional, default))
    return found


def _parts(hint: Any) -> set[Any]:
    """The plain types in a type hint."""
    if typing.get_origin(hint) is typing.Literal:
        return set()
    arguments = typing.get_args(hint)
    if not arguments:
        return {hint}
    return set().union(*(_parts(part) for part in arguments))
