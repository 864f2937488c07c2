"""A point cloud: what was measured at each point; and one from a structured array, whatever its fields are called."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.ply import join_fields, stack_fields
from splatkit.io.time_units import seconds_of_points

COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
NORMAL_NAMES = ("nx", "ny", "nz")
# What drivers and tools call them.
_INTENSITY_NAMES = ("intensity", "reflectivity", "reflectance", "scalar_intensity", "scalar_Intensity", "i")
_RING_NAMES = ("ring", "line", "laser_id", "channel", "scalar_ring")
_TIME_NAMES = ("time", "t", "timestamp", "time_stamp", "offset_time", "scalar_time", "scalar_timestamp")


class EmptyCloudError(DatasetError):
    """A file or scan in which nothing was measured."""


@dataclass(frozen=True)
class PointCloud:
    """N >= 1 points that were measured; frame and units are the file's, of LiDARs meters."""

    points: NDArray[np.floating]  # [N, 3] finite, float64 where they were read
    colors: NDArray[np.uint8] | None = None  # [N, 3] sRGB
    normals: NDArray[np.floating] | None = None  # [N, 3]
    intensity: NDArray[np.float32] | None = None  # [N] in the sensor's own scale
    ring: NDArray[np.int32] | None = None  # [N] number of the laser
    time: NDArray[np.float64] | None = None  # [N] seconds, from whatever moment the sensor counts
    dropped: int = 0  # of the file's points, because they are NaN, infinite or exactly at the origin: no return


@np.errstate(invalid="ignore", over="ignore")  # damaged numbers are cast like others, and then looked at
def cloud_from_fields(path: Path, vertices: NDArray[np.void]) -> PointCloud:
    """The points of a structured array [N], whatever its fields beside x, y and z are called.

    Args:
        path: the file they come from, for messages.
        vertices: [N] structured array.

    Raises:
        DatasetError: fields are missing.
        EmptyCloudError: no point is left.
    """
    if len(vertices) == 0:
        raise EmptyCloudError(f"{path}: the cloud is empty (0 points)")
    points = join_fields(path, vertices, ("x", "y", "z")).astype(np.float64)
    measured = np.isfinite(points).all(-1) & points.any(-1)
    if not measured.any():
        raise EmptyCloudError(f"{path}: no point is left, all {len(points)} are NaN, infinite or zero")
    kept = vertices if measured.all() else vertices[measured]
    normals = None
    if set(NORMAL_NAMES) <= set(vertices.dtype.names or ()):
        normals = stack_fields(path, kept, NORMAL_NAMES).astype(np.float32)
    intensity, ring, time = (_column(kept, names) for names in (_INTENSITY_NAMES, _RING_NAMES, _TIME_NAMES))
    return PointCloud(
        points=points[measured],
        colors=_read_colors(path, kept),
        normals=normals,
        intensity=None if intensity is None else intensity.astype(np.float32),
        ring=None if ring is None else _whole_numbers(path, ring),
        time=None if time is None else seconds_of_points(time),
        dropped=len(points) - int(measured.sum()),
    )


def _column(vertices: NDArray[np.void], names: tuple[str, ...]) -> NDArray[np.generic] | None:
    present = {name: vertices[name] for name in vertices.dtype.names or ()}
    numbers = {name: column for name, column in present.items() if column.ndim == 1 and column.dtype.kind in "fiu"}
    return next((numbers[name] for name in names if name in numbers), None)


def _whole_numbers(path: Path, ring: NDArray[np.generic]) -> NDArray[np.int32]:
    values = ring.astype(np.float64)
    if not (np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**31)).all():
        raise DatasetError(f"{path}: damaged or of another form: the numbers of rings are not whole")
    return values.astype(np.int32)


def _read_colors(path: Path, vertices: NDArray[np.void]) -> NDArray[np.uint8] | None:
    """Colors as uint8: 8-bit as they are, 16-bit and float in [0, 1] scaled to 8 bits."""
    present = set(vertices.dtype.names or ())
    names = next((names for names in COLOR_NAMES if set(names) <= present), None)
    if names is None:
        return None
    colors = stack_fields(path, vertices, names)
    if colors.dtype == np.uint8:
        return colors.astype(np.uint8)
    if colors.dtype == np.uint16:
        return (colors.astype(np.uint32) // 257).astype(np.uint8)
    values = colors.astype(np.float64)
    if np.issubdtype(colors.dtype, np.floating) and values.min() >= 0 and values.max() <= 1:
        return np.round(values * 255).astype(np.uint8)
    raise DatasetError(f"{path}: colors of type {colors.dtype} must be 8-bit, 16-bit or floats in [0, 1]")
