"""Recordings of robots: ROS 1 bags, ROS 2 bags (folders, .db3) and MCAP, by rosbags (the extra `bags`).

No ROS is needed. A recording holds thousands of messages: they come one by one, and are decoded on demand.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError, SplatkitError
from splatkit.io.recordings.livox import DEFINITIONS


@dataclass(frozen=True)
class Topic:
    """A topic of a recording."""

    name: str  # as "/left/image_raw"
    kind: str  # type of its messages, as "sensor_msgs/Image"
    count: int  # messages

    def __str__(self) -> str:
        return f"{self.count} messages of {self.kind}"


@dataclass(frozen=True, eq=False)
class Message:
    """One message, as its bytes."""

    topic: str
    kind: str
    received_s: float  # by the recorder's clock
    raw: bytes
    reader: Any  # of rosbags, which it came from

    def content(self) -> Any:
        """The message's fields, with the names of its definition."""
        return self.reader.deserialize(self.raw, _ros_type(self.kind))

    def stamp_s(self, header: Any) -> float:
        """When it was measured, s, by its header; drivers that set none leave a zero: then when it was received."""
        return header_seconds(header) or self.received_s


class Recording:
    """An open recording."""

    def __init__(self, path: Path, reader: Any) -> None:
        """`reader` is rosbags' AnyReader."""
        self.path, self._reader = path, reader

    def topics(self, kinds: Collection[str] = ()) -> list[Topic]:
        """All topics by name, or those of some types."""
        counts, types = dict[str, int](), dict[str, str]()
        for connection in self._reader.connections:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
            types[connection.topic] = connection.msgtype.replace("/msg/", "/")
        found = [Topic(name, types[name], counts[name]) for name in sorted(counts)]
        return [topic for topic in found if not kinds or topic.kind in kinds]

    def span_s(self) -> tuple[float, float]:
        """When the first and the last message were received, s."""
        return 1e-9 * self._reader.start_time, 1e-9 * self._reader.end_time

    def messages(self, names: Collection[str]) -> Iterator[Message]:
        """Messages of topics in the order in which they were received."""
        chosen = [connection for connection in self._reader.connections if connection.topic in names]
        if not chosen:  # rosbags would read all topics
            return
        for connection, received_ns, raw in self._reader.messages(chosen):
            kind = connection.msgtype.replace("/msg/", "/")
            yield Message(connection.topic, kind, 1e-9 * received_ns, raw, self._reader)


def header_seconds(header: Any) -> float:
    """The stamp of a std_msgs/Header, s."""
    return float(header.stamp.sec + 1e-9 * header.stamp.nanosec)


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """A .bag, .mcap or .db3 file, or the folder of a ROS 2 bag.

    Raises:
        FileNotFoundError: no such recording.
        DatasetError: rosbags is not installed, or the recording is damaged; also while its messages are read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such recording")
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise DatasetError(
            f"{path}: recordings are read by rosbags; install it by pip install 'splatkit[bags]'"
        ) from error
    try:
        known = get_typestore(Stores.ROS2_HUMBLE)  # older ROS 2 bags do not say what their messages are made of
        for name, definition in DEFINITIONS.items():
            known.register(get_types_from_msg(definition, name))
        with AnyReader([path], default_typestore=known) as reader:
            yield Recording(path, reader)
    except (SplatkitError, GeneratorExit):
        raise
    except Exception as error:  # rosbags passes on what its parsers of files, types and messages raise
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system, as a full disk of whoever writes what was read
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path}: not a recording, or damaged or cut short ({reason})") from error


def _ros_type(kind: str) -> str:
    package, name = kind.split("/", 1)
    return f"{package}/msg/{name}"
