"""capture.json: what a dataset was made from, with what and how, so that anybody can tell or make it again."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import splatkit
from splatkit.io.atomic import atomic_file

FORMAT = "splatkit capture 1"
_LIBRARIES = ("numpy", "open3d", "pycolmap")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file that a dataset was made from."""

    path: str  # as it was given
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class CaptureRecord:
    """The content of a capture.json, beside versions, which are filled in when it is written."""

    command: str  # as "splatkit capture images"
    settings: Mapping[str, Any]  # every setting by its name, also those left at their defaults
    sources: tuple[Source, ...]
    scale: Literal["metric", "arbitrary"]  # whether lengths are meters
    frame: str  # of poses and points, in words: origin, axes, which way is up
    figures: Mapping[str, Any] = field(default_factory=dict)  # what came of it: counts, errors with their units
    warnings: tuple[str, ...] = ()


def hash_files(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Sizes and SHA-256 of files, read piece by piece, in the order given."""
    return tuple(_hash_file(Path(path)) for path in paths)


def write_record(path: Path, record: CaptureRecord) -> None:
    """Write a capture.json; what is no JSON in `settings` and `figures`, as paths, becomes text."""
    content = {
        "format": FORMAT,
        "version": splatkit.__version__,
        "libraries": {name: _version(name) for name in _LIBRARIES},
        **asdict(record),
    }
    with atomic_file(Path(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")


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
