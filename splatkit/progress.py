"""How long work tells how far it is: commands show bars (`progress_bar`), by default nothing is shown."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Shows how far a piece of work is."""

    def __call__(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a piece of work that has `total` parts; what is yielded takes how many more of them are done."""
        ...


@contextmanager
def no_progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows nothing."""
    yield lambda count: None


def track(items: Iterable[T], label: str, progress: Progress, total: int) -> Iterator[T]:
    """Pass items on; each counts as done when the next one is asked for.

    Args:
        items: may be an iterator.
        label: what is done with them.
        progress: shows it.
        total: number of items.
    """
    with progress(label, total) as advance:
        for item in items:
            yield item
            advance(1)
