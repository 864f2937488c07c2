"""Scans of recordings come out as they went in: ROS 1, ROS 2 and MCAP; damaged recordings are refused by name."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.scans.bags import list_scan_topics
from splatkit.io.scans.reader import LeftOut
from splatkit.io.scans.readers import count_scans, passed_over, read_scans, scan_sources

FIELDS = [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 16, 7), ("ring", 20, 4), ("t", 24, 6)]
RECORD = np.dtype(
    {
        "names": [name for name, *_ in FIELDS],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u2", "<u4"],
        "offsets": [offset for _, offset, _ in FIELDS],
        "itemsize": 32,
    }
)
KINDS = ["bag", "mcap", "db3", "folder"]


def scan(seed, count=48):
    """As an Ouster sends it: 4 rows, nanoseconds within the scan; the first ray has no return."""
    rng = np.random.default_rng(seed)
    points = np.zeros(count, RECORD)
    for axis in "xyz":
        points[axis][1:] = rng.normal(scale=10, size=count - 1)
    points["intensity"], points["ring"] = rng.integers(0, 256, count), np.arange(count) % 4
    points["t"] = np.arange(count) * (10**8 // count)
    return points


def record(tmp_path, kind):
    """Three scans of a topic, the second of them empty, and one of another; returns the recording."""
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as Writer2
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC if kind == "bag" else Stores.ROS2_HUMBLE)
    types = store.types
    first = {"seq": 0} if kind == "bag" else {}
    path = tmp_path / ("a.bag" if kind == "bag" else "a")
    plugin = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
    with Writer1(path) if kind == "bag" else Writer2(path, version=9, storage_plugin=plugin) as writer:
        name = "sensor_msgs/msg/PointCloud2"
        topics = {topic: writer.add_connection(topic, name, typestore=store) for topic in ("/points", "/rear")}
        for at, (topic, seed) in enumerate([("/points", 0), ("/points", None), ("/rear", 1), ("/points", 2)]):
            points = scan(0)[:0] if seed is None else scan(seed)
            stamp = types["builtin_interfaces/msg/Time"](sec=1_700_000_000 + at, nanosec=500_000_000)
            fields = [
                types["sensor_msgs/msg/PointField"](name=name, offset=offset, datatype=datatype, count=1)
                for name, offset, datatype in FIELDS
            ]
            rows = np.zeros((4, len(points) // 4 * 32 + 16), np.uint8)  # padded
            rows[:, :-16] = points.view(np.uint8).reshape(4, -1)
            message = types[name](
                header=types["std_msgs/msg/Header"](**first, stamp=stamp, frame_id="lidar"),
                height=4,
                width=len(points) // 4,
                fields=fields,
                is_bigendian=False,
                point_step=32,
                row_step=rows.shape[1],
                data=rows.reshape(-1),
                is_dense=False,
            )
            write = store.serialize_ros1 if kind == "bag" else store.serialize_cdr
            writer.write(topics[topic], 10**9 * at, write(message, name))
    return next(path.glob("*.mcap" if kind == "mcap" else "*.db3")) if kind in ("mcap", "db3") else path


@pytest.mark.parametrize("kind", KINDS)
def test_scans_come_out_as_they_went_in(tmp_path, kind):
    path = record(tmp_path, kind)
    assert list_scan_topics(path) == {"/points": 3, "/rear": 1}
    left_out = list[LeftOut]()
    found = list(read_scans(path, "/points", left_out.append))
    assert [item.name for item in left_out] == ["scan 1"]
    assert [read.name for read in found] == ["scan 0", "scan 2"]
    assert count_scans(path, "/points") == 3
    assert all(source.is_file() for source in scan_sources(path))
    assert [read.stamp_s for read in found] == [1_700_000_000.5, 1_700_000_003.5]
    for read, seed in zip(found, (0, 2), strict=True):
        expected = scan(seed)[1:]
        assert read.frame == "lidar"
        assert read.cloud.dropped == 1
        np.testing.assert_array_equal(read.cloud.points, np.stack([expected[axis] for axis in "xyz"], -1))
        assert read.cloud.intensity is not None
        assert read.cloud.ring is not None
        assert read.cloud.time is not None
        np.testing.assert_array_equal(read.cloud.intensity, expected["intensity"])
        np.testing.assert_array_equal(read.cloud.ring, expected["ring"])
        np.testing.assert_allclose(read.cloud.time, expected["t"] * 1e-9)


def test_topics_that_are_not_read_are_counted_and_named(tmp_path):
    path = record(tmp_path, "bag")
    assert passed_over(path, "/points") == [LeftOut("/rear", "1 messages of sensor_msgs/PointCloud2")]


POINT = "uint32 offset_time\nfloat32 x\nfloat32 y\nfloat32 z\nuint8 reflectivity\nuint8 tag\nuint8 line\n"
FULL = "uint64 timebase\nuint32 point_num\nuint8 lidar_id\nuint8[3] rsvd\n"
SHORT = "uint64 timebase\nuint32 point_num\n"  # packages that carry a copy of the message have changed it


def record_livox(tmp_path, driver, is_ros2, middle, scans):
    """Scans as Livox' drivers record them: (stamp ns, timebase ns, points as (t, x, y, z, reflectivity, tag, line))."""
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.rosbag2 import Writer as Writer2
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store, name = get_typestore(Stores.ROS2_HUMBLE if is_ros2 else Stores.ROS1_NOETIC), f"{driver}/msg/CustomMsg"
    store.register(get_types_from_msg(POINT, f"{driver}/msg/CustomPoint"))
    message = f"std_msgs/Header header\n{middle}{driver}/CustomPoint[] points\n"
    store.register(get_types_from_msg(message, name))
    types = store.types
    path = tmp_path / ("a" if is_ros2 else "a.bag")
    with Writer2(path, version=9) if is_ros2 else Writer1(path) as writer:
        topic = writer.add_connection("/livox/lidar", name, typestore=store)
        write = store.serialize_cdr if is_ros2 else store.serialize_ros1
        for number, (stamp, timebase, points) in enumerate(scans):
            time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
            header = types["std_msgs/msg/Header"](
                **({} if is_ros2 else {"seq": number}), stamp=time, frame_id="livox_frame"
            )
            more: dict[str, Any] = {"lidar_id": 192, "rsvd": np.zeros(3, np.uint8)} if "lidar_id" in middle else {}
            made = [types[f"{driver}/msg/CustomPoint"](*point) for point in points]
            content = types[name](header=header, timebase=timebase, point_num=len(made), points=made, **more)
            writer.write(topic, 10**9 * (1_700_000_001 + number), write(content, name))
    return path


def livox_points(seed, count):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 10**8, count))
    times[[0, -1]] = 0, 10**8 - 1
    places = rng.normal(scale=10, size=(count, 3)).astype(np.float32)
    return [
        (int(t), *map(float, place), int(rng.integers(256)), 0x10, int(rng.integers(4)))
        for t, place in zip(times, places, strict=True)
    ]


@pytest.mark.parametrize("middle", [FULL, SHORT], ids=["full", "short"])
@pytest.mark.parametrize("is_ros2", [False, True], ids=["ros1", "ros2"])
@pytest.mark.parametrize("driver", ["livox_ros_driver", "livox_ros_driver2"])
def test_livoxs_own_messages_come_out_as_they_went_in(tmp_path, driver, is_ros2, middle):
    """Written by rosbags from Livox' definitions. The last point of an odd number ends without padding."""
    stamp = 1_700_000_000_250_000_000
    scans = [(stamp, stamp, livox_points(0, 401)), (stamp + 10**8, stamp + 10**8, []), (0, 0, livox_points(1, 400))]
    path, left_out = record_livox(tmp_path, driver, is_ros2, middle, scans), list[LeftOut]()
    found = list(read_scans(path, note=left_out.append))
    assert [item.name for item in left_out] == ["scan 1"]
    assert count_scans(path) == 3
    # Without a stamp the time of its receipt counts.
    assert [read.stamp_s for read in found] == pytest.approx([1_700_000_000.25, 1_700_000_003.0], abs=1e-6)
    for read, (_, _, points) in zip(found, scans[::2], strict=True):
        table = np.array(points)
        assert read.frame == "livox_frame"
        assert read.cloud.time is not None
        assert read.cloud.intensity is not None
        assert read.cloud.ring is not None
        np.testing.assert_array_equal(read.cloud.points, table[:, 1:4])
        np.testing.assert_array_equal(read.cloud.intensity, table[:, 4])
        np.testing.assert_array_equal(read.cloud.ring, table[:, 6])
        np.testing.assert_allclose(read.cloud.time, table[:, 0] * 1e-9)


def test_a_livox_that_counts_from_when_it_was_switched_on_goes_by_its_header(tmp_path):
    """A timebase near the header's stamp is the exact time of the first point; one of another clock is not."""
    stamp = 1_700_000_000_250_000_000
    scans = [(stamp, stamp - 3_000_000, livox_points(0, 50)), (stamp, 77_000_000_000, livox_points(1, 50))]
    path = record_livox(tmp_path, "livox_ros_driver2", True, FULL, scans)
    found = [read.stamp_s for read in read_scans(path)]
    assert found == pytest.approx([1_700_000_000.247, 1_700_000_000.25], abs=1e-6)


def test_damaged_livox_messages_are_read_or_refused_by_name_and_nothing_else():
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    from splatkit.io.recordings.livox import DEFINITIONS, read_livox

    store, kind = get_typestore(Stores.ROS2_HUMBLE), "livox_ros_driver2/msg/CustomMsg"
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    types = store.types
    points = [types["livox_ros_driver2/msg/CustomPoint"](*point) for point in livox_points(0, 31)]
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 2), "livox_frame")
    content = types[kind](header, 1, len(points), 0, np.zeros(3, np.uint8), points)
    raw, reader = bytes(store.serialize_cdr(content, kind)), SimpleNamespace(typestore=store, is2=True)
    rng, reasons = np.random.default_rng(0), list[str]()
    spoiled = [raw[:cut] for cut in range(0, len(raw), 3)]
    for _ in range(200):
        changed = bytearray(raw)
        for place in rng.integers(0, 80, rng.integers(1, 6)):
            changed[place] = rng.integers(256)
        spoiled.append(bytes(changed))
    for bad in spoiled:
        try:
            read_livox(Path("a.bag"), bad, reader, "livox_ros_driver2/CustomMsg")
        except DatasetError as error:
            reasons.append(str(error))
    assert len(reasons) > len(raw) // 3 - 3
    assert all(reason.startswith("a.bag: a scan ") for reason in reasons)


def test_packets_are_refused_with_the_cure(tmp_path):
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store, name = get_typestore(Stores.ROS1_NOETIC), "ouster_ros/msg/PacketMsg"
    store.register(get_types_from_msg("uint8[] buf\n", name))
    with Writer(tmp_path / "a.bag") as writer:
        topic = writer.add_connection("/os_node/lidar_packets", name, typestore=store)
        for number in range(5):
            writer.write(topic, number, store.serialize_ros1(store.types[name](np.zeros(4, np.uint8)), name))
    for ask in (lambda: next(read_scans(tmp_path / "a.bag")), lambda: count_scans(tmp_path / "a.bag")):
        with pytest.raises(DatasetError, match=r"/os_node/lidar_packets has 5 messages of .*, which are not read: raw"):
            ask()


def test_the_topic_must_be_named_where_there_are_several(tmp_path):
    path = record(tmp_path, "bag")
    with pytest.raises(DatasetError, match=r"a\.bag: name the topic; there are /points, /rear"):
        next(read_scans(path))
    with pytest.raises(DatasetError, match=r"a\.bag: no point clouds of topic /front; there are /points, /rear"):
        next(read_scans(path, "/front"))
    with pytest.raises(DatasetError, match=r"a\.bag: no point clouds of topic /front"):
        count_scans(path, "/front")
    with pytest.raises(FileNotFoundError, match=r"b\.bag: no such file"):
        next(read_scans(tmp_path / "b.bag"))


@pytest.mark.parametrize("kind", ["bag", "mcap", "db3"])
def test_damaged_recordings_are_read_or_refused_by_name_and_nothing_else(tmp_path, kind):
    path = record(tmp_path, kind)
    content, rng, reasons = path.read_bytes(), np.random.default_rng(0), []
    spoiled = [content[:cut] for cut in (0, 5, 13, 100, len(content) // 2, len(content) - 1)]
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 20)):
            changed[place] = rng.integers(256)
        spoiled.append(bytes(changed))
    for bad in spoiled:
        path.write_bytes(bad)
        try:
            assert all(np.isfinite(read.cloud.points).all() for read in read_scans(path, "/points"))
        except DatasetError as error:
            reasons.append(str(error))
    assert len(reasons) > 5
    assert all(reason.startswith(f"{path}: ") for reason in reasons)


def test_without_rosbags_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.bag").touch()
    monkeypatch.setitem(sys.modules, "rosbags.highlevel", None)
    with pytest.raises(DatasetError, match=r"pip install 'splatkit\[bags\]'"):
        list_scan_topics(tmp_path / "a.bag")
