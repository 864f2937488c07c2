"""Parts of JSON files of scenes, checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splatkit.capture.images.poses.given import numbers
from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud

_HEAD_BYTES = 4096
_FARTHEST = 1e12  # in whatever units: what is larger is damage


def head_of(path: Path) -> bytes:
    """How a file begins, which tells its kind without reading what may be long."""
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def entries(content: dict[str, Any], name: str, path: Path | str) -> list[dict[str, Any]]:
    """A list of objects; empty where there is none (programs write an empty text for an empty list)."""
    found = content.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DatasetError(f"{path}: {name}: expected a list of objects")
    return found


def entry(content: dict[str, Any], name: str, where: Path | str) -> dict[str, Any]:
    """An object."""
    found = content.get(name)
    if not isinstance(found, dict):
        raise DatasetError(f"{where}: {name}: expected an object, got {type(found).__name__}")
    return found


def as_index(value: object, where: Path | str, name: str) -> int:
    """A whole number, or the text of one: they name parts of a scene."""
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise DatasetError(f"{where}: {name}: expected a whole number, got {value!r}")
    return number


def point_cloud(rows: Sequence[tuple[object, object]], path: Path, name: str) -> PointCloud | None:
    """Points [N, 3] and their colors of 0 to 255; gray where one has none, and no cloud where there is no point."""
    if not rows:
        return None
    points = numbers([row[0] for row in rows], (-1, 3), path, name)
    if not (np.abs(points) < _FARTHEST).all():
        raise DatasetError(f"{path}: {name}: a point makes no sense")
    colors = numbers([[128, 128, 128] if row[1] is None else row[1] for row in rows], (-1, 3), path, f"{name}: colors")
    if not ((colors >= 0) & (colors <= 255)).all():
        raise DatasetError(f"{path}: {name}: colors: expected 0 to 255")
    return PointCloud(points, colors.astype(np.uint8))
