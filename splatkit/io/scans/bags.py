"""Scans out of recordings of robots: ROS 1 bags, ROS 2 bags (folders, .db3) and MCAP, by rosbags (the extra `bags`).

No ROS is needed. A recording holds thousands of scans: they come one by one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import EmptyCloudError, cloud_from_fields
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan

_CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
_NOT_READ_YET = {  # other messages that hold points, and what to do
    "livox_ros_driver/msg/CustomMsg": "record with xfer_format 0 (PointCloud2), or convert it",
    "livox_ros_driver2/msg/CustomMsg": "record with xfer_format 0 (PointCloud2), or convert it",
    "velodyne_msgs/msg/VelodyneScan": "raw packets: convert them by velodyne_pointcloud",
    "ouster_ros/msg/PacketMsg": "raw packets: convert them by ouster_ros",
    "ouster_sensor_msgs/msg/PacketMsg": "raw packets: convert them by ouster_ros",
    "hesai_ros_driver/msg/UdpFrame": "raw packets: convert them by hesai_ros_driver",
    "rslidar_msg/msg/RslidarPacket": "raw packets: convert them by rslidar_sdk",
    "sensor_msgs/msg/LaserScan": "scans of a single plane",
}
_NAMED = 8  # topics in a message
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # sensor_msgs/PointField


def list_scan_topics(path: Path) -> dict[str, int]:
    """Topics of point clouds in a recording, and how many messages each has.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: rosbags is not installed, or the recording is damaged.
    """
    with _opened(path) as reader:
        counts: dict[str, int] = {}
        for connection in _cloud_connections(reader):
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        return counts


def count_recorded(path: Path, topic: str | None = None) -> int:
    """How many scans a recording has; arguments and errors as of `read_recording`."""
    with _opened(path) as reader:
        return sum(connection.msgcount for connection in _chosen(path, reader, topic))


def read_recording(path: Path, topic: str | None = None) -> Iterator[StoredScan | LeftOut]:
    """Scans of a recording, in the order of their recording; those in which nothing was measured are left out.

    Their stamps are those of the messages' headers: seconds since 1970 if the sensor's clock was set.

    Args:
        path: a .bag, .mcap or .db3 file, or the folder of a ROS 2 bag.
        topic: of the point clouds; may be left out where the recording has one such topic.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: rosbags is not installed, the topic is not there or one of several, or the recording is damaged.
    """
    path = Path(path)
    with _opened(path) as reader:
        messages = reader.messages(_chosen(path, reader, topic))
        for number, (connection, _, raw) in enumerate(messages):
            message = reader.deserialize(raw, connection.msgtype)
            header, name = message.header, f"scan {number}"
            try:
                cloud = cloud_from_fields(path, decode_points(path, message))
            except EmptyCloudError:
                yield LeftOut(name, "nothing was measured in it")
                continue
            yield StoredScan(name, cloud, header.stamp.sec + 1e-9 * header.stamp.nanosec, header.frame_id)


def other_topics(path: Path, topic: str | None = None) -> list[LeftOut]:
    """Topics of a recording that are not read with this one, their types and how many messages they have.

    Raises:
        FileNotFoundError, DatasetError: as of `read_recording`.
    """
    with _opened(path) as reader:
        chosen = {connection.topic for connection in _chosen(path, reader, topic)}
        return [LeftOut(name, words) for name, words in _topics(reader).items() if name not in chosen]


def decode_points(path: Path, message: Any) -> NDArray[np.void]:
    """The points of a sensor_msgs/PointCloud2 as a structured array [N]; fields keep their names and types.

    Args:
        path: of the recording, for messages.
        message: with fields (name, offset, datatype, count), width, height, point_step, row_step, is_bigendian, data.

    Raises:
        DatasetError: the sizes in the message contradict each other.
    """
    fields = [field for field in message.fields if field.datatype in _KINDS and field.count >= 1]
    order = ">" if message.is_bigendian else "<"
    kinds = [(order + _KINDS[field.datatype], (field.count,) if field.count > 1 else ()) for field in fields]
    used = message.width * message.point_step
    try:
        record = np.dtype(
            {
                "names": [field.name for field in fields],
                "formats": kinds,
                "offsets": [field.offset for field in fields],
                "itemsize": message.point_step,
            }
        )
        content = np.frombuffer(bytes(message.data), np.uint8)
        if message.height == 1:  # drivers differ in what they call a row of one
            return np.ascontiguousarray(content[:used]).view(record)
        rows = content[: message.height * message.row_step].reshape(message.height, message.row_step)
        vertices = np.ascontiguousarray(rows[:, :used]).view(record).reshape(-1)
    except ValueError as error:
        raise DatasetError(f"{path}: a scan is damaged: {error}") from error
    if len(vertices) != message.width * message.height:
        raise DatasetError(f"{path}: a scan is cut short")
    return vertices


def _chosen(path: Path, reader: Any, topic: str | None) -> list[Any]:
    """The connections of one topic of point clouds."""
    connections = list(_cloud_connections(reader))
    topics = sorted({connection.topic for connection in connections})
    if not topics:
        raise DatasetError(f"{path}: no point clouds in this recording; {_what_there_is(reader)}")
    if topic not in topics and (topic is not None or len(topics) > 1):
        asked = "name the topic" if topic is None else f"no point clouds of topic {topic}"
        raise DatasetError(f"{path}: {asked}; there are {', '.join(topics)}")
    return [connection for connection in connections if connection.topic == (topic or topics[0])]


def _topics(reader: Any) -> dict[str, str]:
    """Of all topics by name: how many messages of which type they have."""
    counts, types = dict[str, int](), dict[str, str]()
    for connection in reader.connections:
        counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        types[connection.topic] = connection.msgtype.replace("/msg/", "/")
    return {name: f"{counts[name]} messages of {types[name]}" for name in sorted(counts)}


def _what_there_is(reader: Any) -> str:
    """The topics of a recording without point clouds: those that hold points in another form, and how to read them."""
    topics = _topics(reader)
    near = {c.topic: _NOT_READ_YET[c.msgtype] for c in reader.connections if c.msgtype in _NOT_READ_YET}
    if near:
        return "; ".join(f"{name} has {topics[name]}, which are not read: {cure}" for name, cure in near.items())
    named = [f"{name} ({words})" for name, words in topics.items()]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"there are {', '.join(named[:_NAMED]) or 'no topics'}{more}"


def _cloud_connections(reader: Any) -> Iterator[Any]:
    return (connection for connection in reader.connections if connection.msgtype == _CLOUD_TYPE)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such recording")
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise DatasetError(
            f"{path}: recordings are read by rosbags; install it by pip install 'splatkit[bags]'"
        ) from error
    try:
        # Older ROS 2 bags do not say what their messages are made of.
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
            yield reader
    except (DatasetError, GeneratorExit):
        raise
    except Exception as error:  # rosbags passes on what its parsers of files, types and messages raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path}: not a recording, or damaged or cut short ({reason})") from error


RECORDINGS = ScanReader(
    (".bag", ".mcap", ".db3"),
    read_recording,
    count_recorded,
    other_topics,
    folder_file="metadata.yaml",
    in_folders=False,
)
