"""Point clouds as files: any of one scan or cloud is read, by `splatkit.io.scans.readers`; PLY is written."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.ply import write_ply
from splatkit.io.point_cloud import COLOR_NAMES, NORMAL_NAMES, EmptyCloudError, PointCloud
from splatkit.io.scans.readers import find_reader, read_scans


def read_point_cloud(path: Path) -> PointCloud:
    """Read a file of one scan or cloud by its suffix, see `splatkit.io.scans.readers`.

    Points that are NaN, infinite or exactly at the origin, where sensors put rays without a return, are left out and
    counted. What the file does not hold is None.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: of another kind, damaged, cut short, without points or with several scans; or the extra that
            reads it is missing.
    """
    path = Path(path)
    find_reader(path)  # what it is called comes before whether it is there
    scans = read_scans(path)
    first = next(scans, None)
    if first is None:
        raise EmptyCloudError(f"{path}: no scan in it holds a point")
    if next(scans, None) is not None:
        raise DatasetError(f"{path}: holds several scans; expected a file of one")
    return first.cloud


def write_point_cloud(path: Path, cloud: PointCloud, comments: tuple[str, ...] = ()) -> None:
    """Write a binary PLY; coordinates keep their precision (float32 or float64), and all fields that are there."""
    count = len(cloud.points)
    kind = "f8" if cloud.points.dtype == np.float64 else "f4"
    columns: list[tuple[str, str, NDArray[np.generic]]] = [
        (name, kind, cloud.points[:, axis]) for axis, name in enumerate("xyz")
    ]
    if cloud.normals is not None:
        columns += [(name, "f4", cloud.normals[:, axis]) for axis, name in enumerate(NORMAL_NAMES)]
    if cloud.colors is not None:
        if cloud.colors.dtype != np.uint8:
            raise TypeError(f"colors: expected uint8, got {cloud.colors.dtype}")
        columns += [(name, "u1", cloud.colors[:, axis]) for axis, name in enumerate(COLOR_NAMES[0])]
    optional = (("intensity", "f4", cloud.intensity), ("ring", "i4", cloud.ring), ("time", "f8", cloud.time))
    columns += [(name, kind, column) for name, kind, column in optional if column is not None]
    vertices = np.empty(count, dtype=[(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    write_ply(Path(path), vertices, comments=comments)
