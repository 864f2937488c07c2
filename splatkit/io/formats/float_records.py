"""Scans as nothing but float32 numbers, in the order that KITTI (`.bin`) and nuScenes (`.pcd.bin`) have them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_KITTI_FIELDS, _NUSCENES_FIELDS = ("x", "y", "z", "intensity"), ("x", "y", "z", "intensity", "ring")
_FARTHEST_M = 1000.0  # no spinning LiDAR reaches as far: most numbers beyond it are no coordinates
_FAR_SHARE = 0.1


def read_kitti(path: Path) -> NDArray[np.void]:
    """The points of a file of KITTI as a structured array [N]: x, y, z in meters, intensity.

    Raises:
        DatasetError: cut short or of another form.
    """
    return _read_floats(path, _KITTI_FIELDS)


def read_nuscenes(path: Path) -> NDArray[np.void]:
    """The points of a file of nuScenes as a structured array [N]: as `read_kitti`, and the ring.

    Raises:
        DatasetError: cut short or of another form.
    """
    return _read_floats(path, _NUSCENES_FIELDS)


def _read_floats(path: Path, fields: tuple[str, ...]) -> NDArray[np.void]:
    """A file of nothing but float32 numbers."""
    content = path.read_bytes()
    record = np.dtype([(name, "<f4") for name in fields])
    form = f"{len(fields)} floats a point ({', '.join(fields)})"
    if len(content) % record.itemsize != 0:
        raise DatasetError(
            f"{path}: cut short or of another form: {len(content)} bytes are no whole number of points of {form}"
        )
    vertices = np.frombuffer(content, record)
    with np.errstate(invalid="ignore"):
        far = np.stack([np.abs(vertices[axis]) > _FARTHEST_M for axis in "xyz"])
    if far.any(0).sum() > _FAR_SHARE * len(vertices):
        raise DatasetError(f"{path}: damaged or of another form: read as {form}, points lie more than 1 km away")
    return vertices
