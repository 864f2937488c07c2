"""Outputs that are either complete or not there: built under a temporary sibling name, renamed at the end."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.EACCES: "no permission to write there; choose another place or change its permissions",
    errno.EPERM: "no permission to write there; choose another place or change its permissions",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another place",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
    errno.EFBIG: "the file system does not take a file of this size; write elsewhere",
}


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what was written there becomes `path` when the block ends well.

    An existing file is replaced in one step. If the block raises, `path` stays as it was and nothing is left behind.
    The temporary name keeps the suffix, because writers choose the format by it.

    Raises:
        OSError: the folder cannot be written to or the disk is full; the message names `path` and what to do.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".partial{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 would hide the result from a group's other members
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_directory(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it becomes `path`, complete, when the block ends well.

    Args:
        path: the folder to make.
        overwrite: replace an existing one; it stays in place until the new one is complete.

    Raises:
        FileExistsError: `path` exists and is not an empty folder, and overwrite is False.
        OSError: it cannot be written; the message names `path` and what to do.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path}: is a file; the output must be a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise FileExistsError(f"{path}: already exists; choose another place or pass --overwrite")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".partial", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _swap_in(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def remove_leftovers(path: Path) -> None:
    """Delete what runs that were killed left beside `path` under their temporary names."""
    path = Path(path)
    name, stem, suffix = (re.escape(part) for part in (path.name, path.stem, path.suffix))
    temporary = re.compile(rf"\.({name}-\w{{8}}\.(partial|old)|{stem}-\w{{8}}\.partial{suffix})")
    for other in path.parent.iterdir() if path.parent.is_dir() else ():
        if temporary.fullmatch(other.name):
            if other.is_dir():
                shutil.rmtree(other, ignore_errors=True)
            else:
                other.unlink(missing_ok=True)


def _swap_in(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`, moving an existing folder aside first: a rename replaces only empty folders."""
    if not path.exists():
        temporary.rename(path)
        return
    old = temporary.with_suffix(".old")
    path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)


def _sync(path: Path) -> None:
    """Bring a file's bytes to the disk, so that the rename cannot outlive its content in a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of a disk or its permissions into one that names the output and says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        if advice is None:
            raise
        raise OSError(error.errno, f"cannot write {path}: {advice}") from error
