"""Every command and every option says what it is, in sentences."""

import dataclasses
import typing

import pytest
from tyro import _docstrings

from splatkit import cli
from splatkit.messages import MessageSettings


def parts(command):
    """A command and all commands and groups of options in it."""
    yield command
    for hint in typing.get_type_hints(command, include_extras=False).values():
        for part in (hint, *typing.get_args(hint)):
            part = typing.get_args(part)[0] if typing.get_origin(part) is typing.Annotated else part
            if dataclasses.is_dataclass(part):
                yield from parts(part)


COMMANDS = [part for command in typing.get_args(cli.Command) for part in parts(typing.get_args(command)[0])]
COMMANDS.append(MessageSettings)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_help_is_written_in_sentences(command):
    text = " ".join((command.__doc__ or "").split())
    assert text[:1].isupper(), f"{command.__name__}: {text}"
    assert text.endswith("."), f"{command.__name__}: {text}"
    for field in dataclasses.fields(command):
        if field.name == "what" or dataclasses.is_dataclass(typing.get_type_hints(command)[field.name]):
            continue
        said = _docstrings.get_field_docstring(command, field.name, ())
        assert said, f"{command.__name__}.{field.name} says nothing"
        said = " ".join(said.split())
        assert said.endswith((".", "!")), f"{command.__name__}.{field.name}: {said}"
