"""What commands print: results on stdout, and all else where `splatkit.messages` sends it."""

from collections.abc import Iterable

from splatkit.messages import LOGGER, NOT_ON_TERMINAL, shows_notes
from splatkit.progress_bar import show_progress

__all__ = ["note", "print_warnings", "say", "show_progress"]


def say(line: str) -> None:
    """A line of the result."""
    print(line)
    LOGGER.info("%s", line, extra=NOT_ON_TERMINAL)


def note(line: str) -> None:
    """A line about what is going on, for who waits."""
    if shows_notes():
        print(line, flush=True)
    LOGGER.info("%s", line, extra=NOT_ON_TERMINAL)


def print_warnings(warnings: Iterable[str]) -> None:
    """One line each, at the end of the command."""
    for warning in warnings:
        LOGGER.warning("%s", warning, extra=NOT_ON_TERMINAL)
