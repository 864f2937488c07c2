"""One command at a time in a folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from splatkit.errors import SplatkitError


class BusyFolderError(SplatkitError):
    """Another process is at work in a folder; the message names it."""


@contextlib.contextmanager
def alone_in(folder: Path, command: str) -> Iterator[None]:
    """Keep a second start away from the same folder; the system frees the lock when a process ends, however it ends.

    Raises:
        BusyFolderError: another `command` is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyFolderError(f"{folder}: another `{command}` is at work there; wait for it or stop it") from None
        yield
