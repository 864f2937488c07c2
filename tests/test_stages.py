"""The table of stages says what is so: of commands, of settings and of the functions that do them."""

import dataclasses
import inspect
import typing

import pytest

from splatkit import cli
from splatkit.progress import no_progress
from splatkit.stages import STAGES, Stage


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_functions_take_the_settings_of_the_command(stage: Stage):
    function = stage.load()
    parameters = inspect.signature(function).parameters
    assert next(iter(parameters)) == "settings"
    hints = typing.get_type_hints(function)
    assert hints["settings"] is stage.settings
    assert dataclasses.is_dataclass(hints["return"])
    if "progress" in parameters:
        assert parameters["progress"].default is no_progress


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_commands_show_the_settings_and_run_them(stage: Stage):
    shown: typing.Any = cli.Command
    for word in stage.words:
        if not typing.get_args(shown):
            shown = typing.get_type_hints(shown, include_extras=True)["what"]
        choices = {typing.get_args(part)[1].name: typing.get_args(part)[0] for part in typing.get_args(shown)}
        shown = choices[word]
    assert shown is stage.settings
    assert stage.settings in cli.COMMANDS
