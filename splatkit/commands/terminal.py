"""What commands show on the terminal while a stage works, and what all of them print alike."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar, see `splatkit.progress.Progress`."""
    from rich.progress import Progress

    with Progress() as bars:
        task = bars.add_task(label, total=total)
        yield lambda count: bars.advance(task, count)


def print_warnings(warnings: Iterable[str]) -> None:
    """One line each."""
    for warning in warnings:
        print(f"warning: {warning}")
