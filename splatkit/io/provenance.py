"""What files an output was made from and with which libraries, so that anybody can tell or make it again."""

import hashlib
import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file that something was made from."""

    path: str  # as it was given
    size: int  # bytes
    sha256: str


def hash_files(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Sizes and SHA-256 of files, read piece by piece, in the order given."""
    return tuple(_hash_file(Path(path)) for path in paths)


def library_versions(names: Iterable[str]) -> dict[str, str | None]:
    """Versions of installed distributions; None for those that are not."""
    return {name: _version(name) for name in names}


def _hash_file(path: Path) -> Source:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
            size += len(piece)
    return Source(str(path), size, digest.hexdigest())


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
