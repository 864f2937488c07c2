"""Livox' CustomMsg, of livox_ros_driver and livox_ros_driver2: points as bytes, without an object for each.

Layout: github.com/Livox-SDK/livox_ros_driver2, msg/ and README ("Livox custom pointcloud message"). Fields are taken by
the definition that a recording holds, because packages that carry copies of the message have changed it.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_DRIVERS = ("livox_ros_driver", "livox_ros_driver2")
KINDS = tuple(f"{driver}/CustomMsg" for driver in _DRIVERS)
_POINT = "uint32 offset_time\nfloat32 x\nfloat32 y\nfloat32 z\nuint8 reflectivity\nuint8 tag\nuint8 line\n"
_MESSAGE = "std_msgs/Header header\nuint64 timebase\nuint32 point_num\nuint8 lidar_id\nuint8[3] rsvd\n"
DEFINITIONS = {
    name: text
    for driver in _DRIVERS
    for name, text in (
        (f"{driver}/msg/CustomPoint", _POINT),
        (f"{driver}/msg/CustomMsg", f"{_MESSAGE}{driver}/CustomPoint[] points\n"),
    )
}
_TYPES = {
    "bool": "u1",
    "byte": "u1",
    "octet": "u1",
    "char": "u1",
    **{f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "f4",
    "float64": "f8",
}
_ONE_CLOCK_S = 1.0  # header and timebase that are nearer count by one clock


@dataclass(frozen=True, eq=False)
class LivoxScan:
    """One message."""

    points: NDArray[np.void]  # [N] with the fields of the definition, as offset_time, x, y, z, reflectivity, tag, line
    header_s: float  # stamp of the header
    timebase_s: float | None  # of the first point, by the sensor's clock
    frame: str

    def start_s(self, received_s: float) -> float:
        """The time that offsets of points are relative to, s, by the header's clock.

        The sensor's own time is exact; but without a source of time it counts from when it was switched on.
        """
        stamp = self.header_s or received_s
        apart = None if self.timebase_s is None else abs(self.timebase_s - stamp)
        return stamp if self.timebase_s is None or apart is None or apart > _ONE_CLOCK_S else self.timebase_s


def read_livox(path: Path, raw: bytes, reader: Any, kind: str) -> LivoxScan:
    """The content of a CustomMsg.

    Args:
        path: of the recording, for messages.
        raw: the message, as the recording has it.
        reader: of rosbags; knows the definition, and whether messages are of ROS 1 or 2.
        kind: type of the message, as "livox_ros_driver2/CustomMsg".

    Raises:
        DatasetError: it is cut short, or its definition has no points.
    """
    package = kind.split("/", 1)[0]
    fields = reader.typestore.fielddefs
    head = dict[str, Any]()
    try:
        cursor = _Cursor(raw, reader.is2)
        for name, definition in fields[f"{package}/msg/CustomMsg"][1]:
            if name == "points":
                break
            head[name] = cursor.take(definition, fields)
        else:
            raise DatasetError(f"{path}: {kind} is of another form: it has no points")
        points = cursor.take_records(fields[f"{package}/msg/CustomPoint"][1])
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: a scan is damaged or cut short ({error})") from error
    if head.get("point_num", len(points)) != len(points):
        raise DatasetError(f"{path}: a scan counts {head['point_num']} points and holds {len(points)}")
    stamp = head["header"]["stamp"]
    timebase = head.get("timebase", 0)
    frame = head["header"]["frame_id"].decode("utf-8", errors="replace")
    return LivoxScan(points, stamp["sec"] + 1e-9 * stamp["nanosec"], 1e-9 * timebase if timebase else None, frame)


class _Cursor:
    """Reads a serialized message from its beginning: ROS 1 packs its fields, CDR aligns each to its size."""

    def __init__(self, raw: bytes, is_cdr: bool) -> None:
        self._is_cdr = is_cdr
        self._raw = raw[4:] if is_cdr else raw  # CDR begins with which end of numbers comes first
        self._order = ">" if is_cdr and raw[1] == 0 else "<"
        self._at = 0

    def take(self, definition: Any, fields: Any) -> Any:
        """The next field by its definition: a number, text as bytes, a list, or a dictionary of fields."""
        node, content = definition
        if node.name == "NAME":
            return {name: self.take(part, fields) for name, part in fields[content][1]}
        if node.name == "ARRAY":
            part, count = content
            return [self.take(part, fields) for _ in range(count)]
        if node.name != "BASE":
            raise ValueError("a list before its points")
        return self._text() if content[0] == "string" else self._number(_TYPES[content[0]])

    def take_records(self, members: Any) -> NDArray[np.void]:
        """A sequence of structs of numbers [N]."""
        record = np.dtype(
            [(name, self._order + _TYPES[content[0]]) for name, (_, content) in members], align=self._is_cdr
        )
        count = self._number("u4")
        used = count * record.itemsize
        last = max(offset + kind.itemsize for kind, offset, *_ in (record.fields or {}).values())
        if count and len(self._raw) - self._at < used - record.itemsize + last:
            raise ValueError(f"{count} points in {len(self._raw) - self._at} bytes")
        return np.frombuffer(self._raw[self._at : self._at + used].ljust(used, b"\0"), record)

    def _number(self, kind: str) -> Any:
        size = int(kind[1])
        if self._is_cdr:
            self._at += -self._at % size
        value = np.frombuffer(self._raw, self._order + kind, 1, self._at)[0].item()
        self._at += size
        return value

    def _text(self) -> bytes:
        size = self._number("u4")
        text = self._raw[self._at : self._at + size]
        if len(text) != size:
            raise ValueError("a text is cut short")
        self._at += size
        return text.rstrip(b"\0")
