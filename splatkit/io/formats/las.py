"""LAS and LAZ files of surveyors and mapping LiDARs, by laspy (the extra `las`)."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_COLORS = ("red", "green", "blue")
_HEADER_BYTES = (227, 375)  # of versions 1.0 to 1.2, and of 1.4
_RECORD_BYTES, _EXTENDED_BYTES = 54, 60  # heads of variable length records


def read_las(path: Path) -> NDArray[np.void]:
    """The points of a LAS or LAZ file as a structured array [N].

    Fields: x, y, z in the file's units, intensity; time (of the GPS, s) and colors where the file has them: 16 bits, in
    which many programs write 8.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: laspy is not installed, or the file is damaged or cut short.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        import laspy
    except ImportError as error:
        raise DatasetError(f"{path}: LAS files are read by laspy; install it by pip install 'splatkit[las]'") from error
    _check_header(path)
    try:
        with laspy.open(path) as file:
            header = file.header
            room = path.stat().st_size - header.offset_to_point_data
            # Packed points take bits; what the header says must not claim more memory than there could be points.
            if header.point_count > 8 * max(room, 0):
                raise DatasetError(f"{path}: cut short: {header.point_count} points in {room} bytes")
            points = file.read()
        if len(points.points) != header.point_count:
            raise DatasetError(f"{path}: cut short: {len(points.points)} of {header.point_count} points are there")
        names = set(points.point_format.dimension_names)
        columns = {"x": points.x, "y": points.y, "z": points.z, "intensity": points.intensity}
        if "gps_time" in names:
            columns["time"] = points.gps_time
        if set(_COLORS) <= names:
            columns |= {name: points[name] for name in _COLORS}
        found = {name: np.asarray(column) for name, column in columns.items()}
    except DatasetError:
        raise
    except Exception as error:  # laspy passes on whatever its parsers of headers and packed data raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path}: not a LAS file, or damaged or cut short ({reason})") from error
    vertices = np.empty(header.point_count, [(name, column.dtype) for name, column in found.items()])
    for name, column in found.items():
        vertices[name] = column
    return vertices


def _check_header(path: Path) -> None:
    """Refuse counts that the file has no room for: laspy would follow them for hours.

    Offsets: LAS 1.4 R15, table 3.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES[1])
    if len(head) < _HEADER_BYTES[0] or head[:4] != b"LASF":
        raise DatasetError(f"{path}: not a LAS file, or its header is cut short")
    header_size, points_at, records = struct.unpack_from("<HII", head, 94)
    extended = struct.unpack_from("<I", head, 243)[0] if head[25] >= 4 and len(head) == _HEADER_BYTES[1] else 0
    if points_at > size or records * _RECORD_BYTES > points_at - header_size or extended * _EXTENDED_BYTES > size:
        raise DatasetError(f"{path}: damaged or cut short: its header counts more than is there")
