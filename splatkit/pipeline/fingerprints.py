"""What steps were made from: hashes of files, remembered by size and time so that only changed files are read again."""

import hashlib
import json
from pathlib import Path
from typing import Any

from splatkit.io.atomic import atomic_file

_CHUNK_BYTES = 1 << 20


class FileHashes:
    """SHA-256 of files and folders; `save` keeps them for the next start.

    Args:
        path: where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        if path.is_file():
            try:
                self._known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                self._known = {}  # they are a shortcut, nothing depends on them

    def of(self, path: Path) -> str:
        """Of a file: its content. Of a folder: names and contents of all files in it."""
        if path.is_file():
            return self._of_file(path)
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{self._of_file(file)}\0".encode())
        return digest.hexdigest()

    def save(self) -> None:
        """Remember them."""
        with atomic_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._known) + "\n", encoding="utf-8")

    def _of_file(self, path: Path) -> str:
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(str(path))
        if known is not None and known[:2] == stamp:
            return str(known[2])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                digest.update(piece)
        self._known[str(path)] = [*stamp, digest.hexdigest()]
        return digest.hexdigest()


def fingerprint(parts: Any) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
