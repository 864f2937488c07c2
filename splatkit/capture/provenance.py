"""capture.json: what a dataset was made from, with what and how, so that anybody can tell or make it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import splatkit
from splatkit.io.atomic import atomic_file
from splatkit.io.provenance import Source, library_versions

FORMAT = "splatkit capture 1"
_LIBRARIES = ("numpy", "open3d", "pycolmap")


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


def write_record(path: Path, record: CaptureRecord) -> None:
    """Write a capture.json; what is no JSON in `settings` and `figures`, as paths, becomes text."""
    content = {
        "format": FORMAT,
        "version": splatkit.__version__,
        "libraries": library_versions(_LIBRARIES),
        **asdict(record),
    }
    with atomic_file(Path(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")
