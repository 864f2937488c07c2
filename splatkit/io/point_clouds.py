"""Point clouds: scans of LiDARs and seeds of scenes, from the files that people have.

Files of PCD, PLY, LAS, LAZ, KITTI (`.bin`) and nuScenes (`.pcd.bin`) all become one `PointCloud`; recordings of many
scans are read by `splatkit.io.bags`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.las import read_las
from splatkit.io.formats.pcd import read_pcd
from splatkit.io.formats.ply import join_fields, read_ply_vertices, stack_fields, write_ply
from splatkit.io.listing import list_files
from splatkit.io.time_units import seconds_of_points

_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMAL_NAMES = ("nx", "ny", "nz")
# What drivers and tools call them.
_INTENSITY_NAMES = ("intensity", "reflectivity", "reflectance", "scalar_intensity", "scalar_Intensity", "i")
_RING_NAMES = ("ring", "line", "laser_id", "channel", "scalar_ring")
_TIME_NAMES = ("time", "t", "timestamp", "time_stamp", "offset_time", "scalar_time", "scalar_timestamp")
_KITTI_FIELDS, _NUSCENES_FIELDS = ("x", "y", "z", "intensity"), ("x", "y", "z", "intensity", "ring")
_FARTHEST_M = 1000.0  # no spinning LiDAR reaches as far: most numbers beyond it are no coordinates
_FAR_SHARE = 0.1


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


def read_point_cloud(path: Path) -> PointCloud:
    """Read a file by its suffix: .pcd, .ply, .las, .laz, .pcd.bin (nuScenes) or .bin (KITTI).

    Points that are NaN, infinite or exactly at the origin, where sensors put rays without a return, are left out and
    counted. What the file does not hold is None.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: of another kind, damaged, cut short, or without points; or the extra that reads it is missing.
    """
    path = Path(path)
    read = next((read for suffix, read in _READERS.items() if path.name.lower().endswith(suffix)), None)
    if read is None:
        raise DatasetError(f"{path}: not a point cloud that can be read; expected {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return cloud_from_fields(path, read(path))


def list_point_clouds(folder: Path) -> list[Path]:
    """The point clouds in a folder, in natural order.

    Raises:
        FileNotFoundError: no such folder, or none in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of point clouds")
    found = list_files(folder, SUFFIXES)
    if not found:
        raise FileNotFoundError(f"{folder}: no point cloud in this folder; expected {', '.join(SUFFIXES)} files")
    return found


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
    if set(_NORMAL_NAMES) <= set(vertices.dtype.names or ()):
        normals = stack_fields(path, kept, _NORMAL_NAMES).astype(np.float32)
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


def write_point_cloud(path: Path, cloud: PointCloud, comments: tuple[str, ...] = ()) -> None:
    """Write a binary PLY; coordinates keep their precision (float32 or float64), and all fields that are there."""
    count = len(cloud.points)
    kind = "f8" if cloud.points.dtype == np.float64 else "f4"
    columns: list[tuple[str, str, NDArray[np.generic]]] = [
        (name, kind, cloud.points[:, axis]) for axis, name in enumerate("xyz")
    ]
    if cloud.normals is not None:
        columns += [(name, "f4", cloud.normals[:, axis]) for axis, name in enumerate(_NORMAL_NAMES)]
    if cloud.colors is not None:
        if cloud.colors.dtype != np.uint8:
            raise TypeError(f"colors: expected uint8, got {cloud.colors.dtype}")
        columns += [(name, "u1", cloud.colors[:, axis]) for axis, name in enumerate(_COLOR_NAMES[0])]
    optional = (("intensity", "f4", cloud.intensity), ("ring", "i4", cloud.ring), ("time", "f8", cloud.time))
    columns += [(name, kind, column) for name, kind, column in optional if column is not None]
    vertices = np.empty(count, dtype=[(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    write_ply(Path(path), vertices, comments=comments)


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
    names = next((names for names in _COLOR_NAMES if set(names) <= present), None)
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


_READERS: dict[str, Callable[[Path], NDArray[np.void]]] = {  # the longer suffix first
    ".pcd.bin": lambda path: _read_floats(path, _NUSCENES_FIELDS),
    ".bin": lambda path: _read_floats(path, _KITTI_FIELDS),
    ".pcd": read_pcd,
    ".ply": read_ply_vertices,
    ".las": read_las,
    ".laz": read_las,
}
SUFFIXES = tuple(_READERS)  # of files that hold points
