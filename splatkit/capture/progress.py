"""How long work tells how far it is: the command shows bars, tests show nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

# Opens a bar with a label and a total; what it yields is told how many more are done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def no_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows nothing."""
    yield lambda count: None
