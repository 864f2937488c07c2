"""A point cloud: what was measured at each point; and one from a structured array, whatever its fields are called."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.ply import join_fields, stack_fields
from splatkit.io.time_units import TimeUnit, unit_of_points

COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
NORMAL_NAMES = ("nx", "ny", "nz")
_PACKED_COLOR_NAMES = ("rgb", "rgba")
_LARGEST_8_BIT, _LARGEST_16_BIT = 255, 65535
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
    time_unit: TimeUnit | None = None  # that was told by the times themselves; None: the file states it
    dropped: int = 0  # of the file's points, because they are NaN, infinite or exactly at the origin: no return


@np.errstate(invalid="ignore", over="ignore")  # damaged numbers are cast like others, and then looked at
def cloud_from_fields(path: Path, vertices: NDArray[np.void], time_unit_s: float | None = None) -> PointCloud:
    """The points of a structured array [N], whatever its fields beside x, y and z are called.

    Args:
        path: the file they come from, for messages.
        vertices: [N] structured array.
        time_unit_s: of the times of points, where the format states it; None: by what they span.

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
    told = None if time is None or time_unit_s is not None else unit_of_points(time)
    unit_s = time_unit_s if told is None else told.seconds
    return PointCloud(
        points=points[measured],
        colors=_read_colors(path, kept),
        normals=normals,
        intensity=None if intensity is None else intensity.astype(np.float32),
        ring=None if ring is None else _whole_numbers(path, ring),
        time=None if time is None else time.astype(np.float64) * (unit_s or 1.0),
        time_unit=told,
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
    """Colors [N, 3] of 8 bits, from columns of any number type or from one packed column."""
    names = vertices.dtype.names or ()
    separate = next((triple for triple in COLOR_NAMES if set(triple) <= set(names)), None)
    if separate is not None:
        return _eight_bits(path, stack_fields(path, vertices, separate))
    packed = next((vertices[name] for name in _PACKED_COLOR_NAMES if name in names), None)
    if packed is None or packed.ndim != 1 or packed.dtype.itemsize != 4:
        return None
    return _unpacked(packed)


def _eight_bits(path: Path, colors: NDArray[Any]) -> NDArray[np.uint8]:
    """Colors [N, 3]; the largest of all tells whether they go to 1 (floats), 255 or 65535."""
    least, largest = float(colors.min()), float(colors.max())
    if least < 0 or largest > _LARGEST_16_BIT:
        raise DatasetError(
            f"{path}: colors go from {least:g} to {largest:g}; expected 8 bits, 16 bits or floats in [0, 1]"
        )
    if colors.dtype.kind == "f" and largest <= 1:
        return np.round(colors.astype(np.float64) * 255).astype(np.uint8)
    if largest <= _LARGEST_8_BIT:
        return np.round(colors.astype(np.float64)).astype(np.uint8)
    return (colors.astype(np.uint32) >> 8).astype(np.uint8)  # both of a * 256 and of a * 257 this is a


def _unpacked(packed: NDArray[Any]) -> NDArray[np.uint8]:
    """[N, 3] of numbers 0xAARRGGBB [N], which PCL stores as an integer or as the float of the same bits.

    Some programs write the integer as a number under the type of a float instead: the floats of colors' bits are
    negative, NaN or next to zero.
    """
    bits = np.ascontiguousarray(packed).astype(packed.dtype.newbyteorder("="), copy=False).view(np.uint32)
    if packed.dtype.kind == "f" and np.isfinite(packed).all() and packed.min() >= 0 and packed.max() >= 1:
        bits = packed.astype(np.float64).astype(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=-1).astype(np.uint8)
