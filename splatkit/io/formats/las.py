"""LAS and LAZ files of surveyors and mapping LiDARs, by laspy (the extra `las`)."""

import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_COLORS = ("red", "green", "blue")
_PROJECTION, _WKT, _GEO_TEXT = "LASF_Projection", 2112, 34737  # LAS 1.4 R15: OGC coordinate system WKT; GeoAsciiParams
_GEO_KEYS, _PROJECTED, _GEOGRAPHIC = 34735, 3072, 2048  # GeoKeyDirectory, and the keys of systems in it
_NAMED = re.compile(r'\s*[A-Z_]+\s*\[\s*"([^"]+)"')
_LONGEST = 100
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


def coordinate_system(path: Path) -> str | None:
    """The name of the coordinate system that a LAS or LAZ file states, by WKT, or by GeoTIFF's citation or number.

    None where it states none, or cannot be read, which `read_las` tells.
    """
    try:
        import laspy

        with laspy.open(path) as file:
            records = {(record.user_id.strip("\0 "), record.record_id): record for record in file.header.vlrs}
            records |= {(r.user_id.strip("\0 "), r.record_id): r for r in file.evlrs or ()}
    except Exception:  # laspy passes on whatever its parsers raise
        return None
    for number in (_WKT, _GEO_TEXT):
        record = records.get((_PROJECTION, number))
        if record is not None:
            text = record.record_data_bytes().decode("utf-8", "replace").strip("\0| \n")
            named = _NAMED.match(text)
            return (named[1] if named else text.split("|")[0])[:_LONGEST] or None
    keys = records.get((_PROJECTION, _GEO_KEYS))
    return None if keys is None else _number_of(keys.record_data_bytes())


def _number_of(keys: bytes) -> str | None:
    """The system's number among GeoTIFF's keys: four counts, then four numbers for each (key, place, count, value)."""
    count = len(keys) // 2
    numbers = struct.unpack_from(f"<{count}H", keys)
    values = {numbers[at]: numbers[at + 3] for at in range(4, count - 3, 4) if numbers[at + 1] == 0}
    code = values.get(_PROJECTED, values.get(_GEOGRAPHIC))
    return None if code is None else f"EPSG:{code}"


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
