"""The one look of progress: a bar on a terminal; elsewhere a line when a piece of work begins and one when it ends.

Both go to stderr, so that a command's results can be piped.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from splatkit.memory import resident_memory_mb
from splatkit.messages import PROGRESS, shows_bars


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """What is done, how far it is, time taken and left, memory in use; see `splatkit.progress.Progress`."""
    started, done = time.perf_counter(), 0
    PROGRESS.info("%s: %d to do", label, total)
    try:
        with _draw_bar(label, total) if shows_bars() else _draw_nothing() as advance:

            def count(more: int) -> None:
                nonlocal done
                done += more
                advance(more)

            yield count
    finally:
        seconds, memory = time.perf_counter() - started, _memory_in_use()
        PROGRESS.info("%s: %d of %d done in %.1f s, memory in use: %s", label, done, total, seconds, memory)


@contextmanager
def _draw_nothing() -> Iterator[Callable[[int], None]]:
    yield lambda more: None


@contextmanager
def _draw_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:", style="dim"),
        TimeRemainingColumn(),
        _Memory(),
    )
    redirected = sys.stdout.isatty()  # results on the same terminal go above the bar; those in a pipe stay there
    with Progress(*columns, console=_console(), redirect_stdout=redirected, refresh_per_second=4) as bars:
        task = bars.add_task(label, total=total)
        yield lambda more: bars.advance(task, more)


@cache
def _console() -> Console:
    """One for all bars, which lets a bar within a bar stand below it."""
    return Console(stderr=True, force_terminal=True)


class _Memory(ProgressColumn):
    """What this process has in memory now."""

    def render(self, task: Task) -> Text:
        """As text."""
        return Text(_memory_in_use(), style="dim")


def _memory_in_use() -> str:
    resident = resident_memory_mb()
    return "unknown" if resident is None else f"{resident / 1000:.2f} GB"
