"""Scans out of recordings of robots: messages with points of a ROS 1 or 2 bag or an MCAP, one at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import EmptyCloudError, cloud_from_fields
from splatkit.io.recordings.livox import KINDS, read_livox
from splatkit.io.recordings.point_cloud2 import decode_points
from splatkit.io.recordings.recording import Message, Recording, Topic, open_recording
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan

_POINT_CLOUD2 = "sensor_msgs/PointCloud2"
SCAN_KINDS = (_POINT_CLOUD2, *KINDS)
_NOT_READ = {  # other messages that hold points, and what to do
    "velodyne_msgs/VelodyneScan": "raw packets: convert them by velodyne_pointcloud",
    "ouster_ros/PacketMsg": "raw packets: convert them by ouster_ros",
    "ouster_sensor_msgs/PacketMsg": "raw packets: convert them by ouster_ros",
    "hesai_ros_driver/UdpFrame": "raw packets: convert them by hesai_ros_driver",
    "rslidar_msg/RslidarPacket": "raw packets: convert them by rslidar_sdk",
    "sensor_msgs/LaserScan": "scans of a single plane",
}
_NAMED = 8  # topics in a message


def list_scan_topics(path: Path) -> dict[str, int]:
    """Topics of point clouds in a recording, and how many messages each has.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: rosbags is not installed, or the recording is damaged.
    """
    with open_recording(path) as recording:
        return {topic.name: topic.count for topic in recording.topics(SCAN_KINDS)}


def count_recorded(path: Path, topic: str | None = None) -> int:
    """How many scans a recording has; arguments and errors as of `read_recording`."""
    with open_recording(path) as recording:
        return choose_scan_topic(recording, topic).count


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
    with open_recording(path) as recording:
        chosen = choose_scan_topic(recording, topic)
        for number, message in enumerate(recording.messages([chosen.name])):
            name = f"scan {number}"
            vertices, stamp_s, frame = _points(path, message)
            try:
                cloud = cloud_from_fields(path, vertices)
            except EmptyCloudError:
                yield LeftOut(name, "nothing was measured in it")
                continue
            yield StoredScan(name, cloud, stamp_s, frame)


def other_topics(path: Path, topic: str | None = None) -> list[LeftOut]:
    """Topics of a recording that are not read with this one, their types and how many messages they have.

    Raises:
        FileNotFoundError, DatasetError: as of `read_recording`.
    """
    with open_recording(path) as recording:
        chosen = choose_scan_topic(recording, topic)
        return [LeftOut(other.name, str(other)) for other in recording.topics() if other != chosen]


def choose_scan_topic(recording: Recording, topic: str | None) -> Topic:
    """The topic of a name, or the only one with point clouds.

    Raises:
        DatasetError: it is not there, or there are several; names them.
    """
    topics = {found.name: found for found in recording.topics(SCAN_KINDS)}
    if not topics:
        raise DatasetError(f"{recording.path}: no point clouds in this recording; {_what_there_is(recording)}")
    if topic not in topics and (topic is not None or len(topics) > 1):
        asked = "name the topic" if topic is None else f"no point clouds of topic {topic}"
        raise DatasetError(f"{recording.path}: {asked}; there are {', '.join(topics)}")
    return next(iter(topics.values())) if topic is None else topics[topic]


def first_scan_frame(recording: Recording, topic: Topic) -> str:
    """The frame that the first scan of a topic names; empty where it names none."""
    return next((_points(recording.path, message)[2] for message in recording.messages([topic.name])), "")


def _points(path: Path, message: Message) -> tuple[NDArray[np.void], float, str]:
    """Points of a message [N], when they were measured, s, and the name of their frame."""
    if message.kind in KINDS:
        scan = read_livox(path, message.raw, message.reader, message.kind)
        return scan.points, scan.start_s(message.received_s), scan.frame
    content = message.content()
    return decode_points(path, content), message.stamp_s(content.header), content.header.frame_id


def _what_there_is(recording: Recording) -> str:
    """The topics of a recording without point clouds: those that hold points in another form, and how to read them."""
    topics = recording.topics()
    near = [topic for topic in topics if topic.kind in _NOT_READ]
    if near:
        return "; ".join(f"{topic.name} has {topic}, which are not read: {_NOT_READ[topic.kind]}" for topic in near)
    named = [f"{topic.name} ({topic})" for topic in topics]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"there are {', '.join(named[:_NAMED]) or 'no topics'}{more}"


RECORDINGS = ScanReader(
    (".bag", ".mcap", ".db3"),
    read_recording,
    count_recorded,
    other_topics,
    folder_file="metadata.yaml",
    in_folders=False,
)
