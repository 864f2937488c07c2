"""E57 files (ASTM E2807) of terrestrial scanners, by pye57 (the extra `e57`): many scans, each with its pose."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import compose
from splatkit.io.point_cloud import EmptyCloudError, cloud_from_fields
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan

_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLORS = ("colorRed", "colorGreen", "colorBlue")
_CARTESIAN_STATE, _SPHERICAL_STATE = "cartesianInvalidState", "sphericalInvalidState"
_READ = {*_CARTESIAN, *_SPHERICAL, *_COLORS, _CARTESIAN_STATE, _SPHERICAL_STATE, "intensity"}
_MOST_POINTS_A_BYTE = 8  # packed as tightly as the format allows: a bit each
Columns = Mapping[str, NDArray[Any]]


def _read(path: Path, topic: str | None) -> Iterator[StoredScan | LeftOut]:
    """Scans in the order of the file; points m in the scanner's frame, invalid ones left out."""
    with _open(path) as file:
        for number in range(_count_in(path, file)):
            name = f"{path.name} scan {number}"
            try:
                found = _read_scan(path, file, number)
            except EmptyCloudError:
                yield LeftOut(name, "no ray came back")
                continue
            yield found


def _count(path: Path, topic: str | None) -> int:
    with _open(path) as file:
        return _count_in(path, file)


def _others(path: Path, topic: str | None) -> list[LeftOut]:
    with _open(path) as file:
        try:
            count = len(file.root["images2D"]) if file.root.isDefined("images2D") else 0
        except Exception as error:
            raise _damaged(path, error) from error
    words = "photograph inside it is" if count == 1 else "photographs inside it are"
    return [LeftOut(path.name, f"{count} {words} not read")] if count else []


E57 = ScanReader((".e57",), _read, _count, _others)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        import pye57
    except ImportError as error:
        raise DatasetError(f"{path}: E57 files are read by pye57; install it by pip install 'splatkit[e57]'") from error
    try:
        return pye57.E57(str(path))
    except Exception as error:  # of its C++ library, as RuntimeError and as types of its own
        raise _damaged(path, error) from error


def _count_in(path: Path, file: Any) -> int:
    try:
        return int(file.scan_count)
    except Exception as error:
        raise _damaged(path, error) from error


def _read_scan(path: Path, file: Any, number: int) -> StoredScan:
    where = f"{path}: scan {number}"
    try:
        header = file.get_header(number)
        if header.point_count > _MOST_POINTS_A_BYTE * path.stat().st_size:
            raise DatasetError(
                f"{where}: cut short: {header.point_count} points in a file of {path.stat().st_size} bytes"
            )
        columns = _columns(file, header)
        limits = _color_limits(header)
        pose = compose(header.rotation_matrix, header.translation) if header.has_pose() else None
    except DatasetError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    cloud = cloud_from_fields(Path(where), _vertices(where, columns, limits))
    return StoredScan(f"{path.name} scan {number}", cloud, T_world_lidar=pose, is_static=True)


def _columns(file: Any, header: Any) -> Columns:
    """What is stored of each point, by name; all as float64, in which every number of the format fits."""
    from pye57 import libe57

    columns, buffers = dict[str, NDArray[np.float64]](), libe57.VectorSourceDestBuffer()
    for name in set(header.point_fields) & _READ:
        columns[name] = np.empty(header.point_count)
        buffers.append(libe57.SourceDestBuffer(file.image_file, name, columns[name], header.point_count, True, True))
    if buffers and header.point_count:
        reader = header.points.reader(buffers)
        reader.read()
        reader.close()
    return columns


def _vertices(where: str, columns: Columns, color_limits: NDArray[np.float64] | None) -> NDArray[np.void]:
    """A structured array [N] of the valid points."""
    if set(_CARTESIAN) <= set(columns):
        points, state = np.stack([columns[name] for name in _CARTESIAN], -1), columns.get(_CARTESIAN_STATE)
    elif set(_SPHERICAL) <= set(columns):
        points, state = _from_spherical(columns), columns.get(_SPHERICAL_STATE)
    else:
        raise DatasetError(f"{where}: its points have neither x, y, z nor range, azimuth, elevation")
    # 1: only a direction is known; 2: nothing
    valid = np.ones(len(points), bool) if state is None else state == 0
    fields: dict[str, NDArray[Any]] = {axis: points[valid, i] for i, axis in enumerate("xyz")}
    if "intensity" in columns:
        fields["intensity"] = columns["intensity"][valid]
    if set(_COLORS) <= set(columns):
        colors = np.stack([columns[name][valid] for name in _COLORS], -1)
        if color_limits is not None:
            shares = (colors - color_limits[0]) / (color_limits[1] - color_limits[0])
            colors = np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)
        fields |= {name: colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    vertices = np.empty(int(valid.sum()), [(name, column.dtype) for name, column in fields.items()])
    for name, column in fields.items():
        vertices[name] = column
    return vertices


def _from_spherical(columns: Columns) -> NDArray[np.float64]:
    """Points [N, 3] of ranges (m) and angles (rad): azimuth from x to y, elevation from the x-y plane to z."""
    ranges, azimuths, elevations = (columns[name] for name in _SPHERICAL)
    level = ranges * np.cos(elevations)
    return np.stack([level * np.cos(azimuths), level * np.sin(azimuths), ranges * np.sin(elevations)], -1)


def _color_limits(header: Any) -> NDArray[np.float64] | None:
    """[2, 3], the least and largest value of red, green and blue; None where the scan does not state them."""
    node = header.node
    if not node.isDefined("colorLimits"):
        return None
    limits = np.array(
        [[float(node["colorLimits"][f"{name}{end}"].value()) for name in _COLORS] for end in ("Minimum", "Maximum")]
    )
    return limits if (limits[1] > limits[0]).all() else None


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DatasetError(f"{path}: not an E57 file, or damaged or cut short ({reason})")
