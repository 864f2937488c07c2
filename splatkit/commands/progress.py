"""The bar that commands show while a stage works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, see `splatkit.progress.Progress`."""
    from rich.progress import Progress

    with Progress() as bars:
        task = bars.add_task(label, total=total)
        yield lambda count: bars.advance(task, count)
