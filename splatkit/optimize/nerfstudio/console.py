"""What training says: on nerfstudio's console, and in the log of a pipeline around it.

A command of splatkit that opens a run has no such console: it says the same as all its messages.
"""

from collections import Counter

from nerfstudio.utils.rich_utils import CONSOLE

from splatkit.messages import LOGGER, are_joined, are_open, summary

_warned: Counter[str] = Counter()  # since the last time they were repeated


def tell(message: str) -> None:
    """A line."""
    LOGGER.info("%s", message)
    if not are_open():
        CONSOLE.print(message, markup=False)


def warn(message: str) -> None:
    """A line about what a person might want otherwise."""
    LOGGER.warning("%s", message)
    if not are_open():
        CONSOLE.print(f"warning: {message}", style="bold yellow", markup=False)
    if not (are_open() or are_joined()):
        _warned[message] += 1


def repeat_warnings() -> None:
    """All of them once more, which thousands of steps may have moved off the screen."""
    for line in summary(_warned, {}):
        CONSOLE.print(line, style="bold yellow", markup=False)
    _warned.clear()
