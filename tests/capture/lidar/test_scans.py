"""Scans come with the times of their points, whatever file or name tells them; recordings are held a scan at a time."""

import resource
import shutil
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.capture.lidar.motion import place_scans
from splatkit.capture.lidar.scans import ScanSource
from splatkit.capture.times import FileTimes, read_times
from splatkit.errors import DatasetError
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.scans import readers
from splatkit.io.time_units import UNITS_S
from tests.io.scans.posed_scans import POSED_SCANS, write_posed_scans
from tests.io.test_point_clouds import pcd_bytes

POINTS = np.array([[1.0, 2, 3], [4, 5, 6], [0.1, 0, 0]])


def times_of(scan):
    assert scan.times is not None
    return scan.times


def write(path, time=None):
    write_point_cloud(path, PointCloud(POINTS, time=None if time is None else np.array(time)))


def test_times_of_points_count_from_the_scans_own_moment_where_they_are_small(tmp_path):
    write(tmp_path / "1532402927.25.ply", [0.0, 0.01, 0.02])
    write(tmp_path / "1532402928250000.ply")
    write(tmp_path / "scan_0007.ply", [7.0, 7.01, 7.02])
    scans = {scan.name: times_of(scan) for scan in ScanSource(tmp_path).read()}
    np.testing.assert_allclose(scans["1532402927.25.ply"] - 1532402927.25, [0, 0.01, 0.02], atol=1e-6)
    np.testing.assert_allclose(scans["1532402928250000.ply"], 1532402928.25)
    np.testing.assert_allclose(scans["scan_0007.ply"], [7.0, 7.01, 7.02])


def test_a_table_gives_times_where_names_do_not(tmp_path):
    write(tmp_path / "a.ply")
    table = tmp_path / "scans.csv"
    table.write_text("file,time_s\nlidar/a.ply,12.5\n")
    (scan,) = ScanSource(tmp_path, times=read_times(table)).read()
    np.testing.assert_array_equal(times_of(scan), [12.5] * 3)
    (plain,) = ScanSource(tmp_path).read()
    assert plain.times is None


@pytest.mark.parametrize(("there", "listed"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_and_folders_may_write_their_accents_in_either_way(tmp_path, there, listed):
    folder, name = (unicodedata.normalize(there, text) for text in ("Küche", "Café.ply"))
    write(tmp_path / folder / name)
    (tmp_path / "link").symlink_to(tmp_path / folder)
    (tmp_path / "t.csv").write_text(
        f"file,time_s\n{unicodedata.normalize(listed, 'Café.ply')},12.5\n", encoding="utf-8"
    )
    for path in (tmp_path / unicodedata.normalize(listed, "Küche"), tmp_path / "link"):
        (scan,) = ScanSource(path, times=read_times(tmp_path / "t.csv")).read()
        np.testing.assert_array_equal(times_of(scan), [12.5] * 3)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    unit=st.sampled_from(list(UNITS_S)),
    kind=st.sampled_from(["<f4", "<f8", "<u4", "<u8", "<i8"]),
    turn_s=st.floats(0.05, 0.2),
    cut=st.floats(0.001, 1.0),
)
def test_the_unit_is_that_of_the_fullest_of_the_first_scans(unit, kind, turn_s, cut, tmp_path_factory):
    """A turn, and one of which little came back, in every unit and type. Source: FAST_LIO #55, #132, #431."""
    if kind[1] != "f" and unit == "s":
        return
    folder = tmp_path_factory.getbasetemp() / "turns"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, share in enumerate((cut, 1.0)):
        offsets = np.linspace(0, turn_s * share, 300)
        points = np.ones(300, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("time", kind)])
        points["time"] = np.round(offsets / UNITS_S[unit]) if kind[1] != "f" else offsets / UNITS_S[unit]
        (folder / f"{1_700_000_000 + number}.pcd").write_bytes(pcd_bytes(points, "binary"))
    step = UNITS_S[unit] if kind[1] != "f" else 0.0
    for number, (scan, share) in enumerate(zip(ScanSource(folder).read(), (cut, 1.0), strict=True)):
        offsets = times_of(scan) - (1_700_000_000 + number)
        np.testing.assert_allclose(offsets, np.linspace(0, turn_s * share, 300), rtol=0, atol=1e-6 + step)


def test_times_that_32_bit_floats_cannot_hold_are_refused(tmp_path):
    points = np.ones(10, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("time", "<f4")])
    points["time"] = 1.7e9 + np.linspace(0, 0.1, 10)
    (tmp_path / "a.pcd").write_bytes(pcd_bytes(points, "binary"))
    with pytest.raises(
        DatasetError, match=r"a\.pcd: the times of its points are 32-bit floats, which have steps of 128"
    ):
        list(ScanSource(tmp_path).read())


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no line"), ("a.ply", "line 1: expected"), ("a,1\na,2", "line 2: a comes twice"), ("a,nan", "no finite")],
)
def test_damaged_tables_are_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_times(tmp_path / "t.csv")


def test_points_out_of_range_are_left_out(tmp_path):
    write(tmp_path / "a.ply", [0.0, 0.1, 0.2])
    (scan,) = ScanSource(tmp_path, ranges_m=(0.5, 5.0)).read()
    np.testing.assert_array_equal(scan.cloud.points, POINTS[:1])
    np.testing.assert_array_equal(times_of(scan), [0.0])
    assert scan.cloud.dropped == 2


@pytest.fixture
def standing(tmp_path, monkeypatch):
    """Three scans of a minute each in one file, five meters apart."""
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, POSED_SCANS))
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = 0, 5, 10
    times = [1000.0 + 100 * number + np.array([0.0, 30.0, 60.0]) for number in range(3)]
    write_posed_scans(tmp_path / "site.posed", [POINTS] * 3, poses, times)
    return tmp_path / "site.posed"


def test_a_lidar_that_stands_still_may_take_minutes(standing):
    source = ScanSource(standing, ranges_m=(1.0, 100.0))
    assert source.count() == 3
    scans = list(source.read())
    assert [scan.name for scan in scans] == [f"site.posed scan {number}" for number in range(3)]
    np.testing.assert_array_equal(times_of(scans[1]), [1130.0] * 2)  # of one moment, without the point on the rig
    assert scans[1].T_world_lidar is not None
    assert scans[1].T_world_lidar[0, 3] == 5
    named = ScanSource(standing, times=FileTimes({"site.posed scan 2": 7.0}))
    np.testing.assert_array_equal(times_of(list(named.read())[2]), [7.0] * 3)


def test_scans_are_placed_by_their_own_poses_in_the_trajectorys_world(standing):
    path = Trajectory(np.array([1000.0, 1300.0]), np.tile(np.eye(4), (2, 1, 1)))
    path.poses[:, 0, 3] = -1.3, 13.7  # 5 cm a second, half a meter off at most
    placed = list(place_scans(ScanSource(standing).read(), path))
    np.testing.assert_array_equal(placed[2].cloud.points, POINTS + np.array([10.0, 0, 0]))
    np.testing.assert_array_equal(placed[2].origins, [[10.0, 0, 0]] * 3)
    path.poses[:, 2, 3] = 1.0
    with pytest.raises(DatasetError, match=r"scan 0: its own pose and the trajectory at its time are 1\.02 m"):
        list(place_scans(ScanSource(standing).read(), path))


def test_an_hour_in_one_file_is_no_scan(tmp_path):
    write(tmp_path / "a.ply", [0.0, 10.0, 3600.0])
    with pytest.raises(DatasetError, match=r"a\.ply: its points span"):
        list(ScanSource(tmp_path).read())


def _record(path, scans, count):
    """A ROS 2 recording of `scans` turns at 10 Hz, `count` points each."""
    pytest.importorskip("rosbags", reason="rosbags is not installed: pip install 'splatkit[bags]'")
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types, name = store.types, "sensor_msgs/msg/PointCloud2"
    kinds = {"x": ("<f4", 7), "y": ("<f4", 7), "z": ("<f4", 7), "t": ("<u4", 6)}
    points = np.zeros(count, [(field, kind) for field, (kind, _) in kinds.items()])
    points["t"] = np.arange(count) * (10**8 // count)
    fields = [
        types["sensor_msgs/msg/PointField"](name=field, offset=4 * number, datatype=code, count=1)
        for number, (field, (_, code)) in enumerate(kinds.items())
    ]
    rng = np.random.default_rng(0)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/points", name, typestore=store)
        for number in range(scans):
            for axis in "xyz":
                points[axis] = rng.uniform(-5, 5, count)
            stamp = types["builtin_interfaces/msg/Time"](sec=1_700_000_000, nanosec=number * 10**8)
            message = types[name](
                header=types["std_msgs/msg/Header"](stamp=stamp, frame_id="lidar"),
                height=1,
                width=count,
                fields=fields,
                is_bigendian=False,
                point_step=16,
                row_step=16 * count,
                data=points.view(np.uint8).reshape(-1),
                is_dense=True,
            )
            writer.write(topic, number * 10**8, store.serialize_cdr(message, name))


def test_recordings_give_scans_with_absolute_times(tmp_path):
    _record(tmp_path / "bag", 3, 50)
    source = ScanSource(tmp_path / "bag")
    assert source.count() == 3
    scans = list(source.read())
    assert [float(times_of(scan).min()) for scan in scans] == pytest.approx([1.7e9, 1.7e9 + 0.1, 1.7e9 + 0.2])
    assert np.ptp(times_of(scans[0])) == pytest.approx(0.098, abs=1e-3)
    assert source.files()


@pytest.mark.slow
def test_a_million_points_a_second_stream_in_bounded_memory(tmp_path):
    """Four seconds, 64 MB, through motion compensation into a map: what is held at most does not grow with them."""
    from splatkit.capture.lidar.voxel_map import VoxelMap

    _record(tmp_path / "bag", 40, 100_000)
    path = Trajectory(1.7e9 + np.array([-1.0, 10.0]), np.tile(np.eye(4), (2, 1, 1)))

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)  # MB

    voxels = VoxelMap(0.1, 50_000)
    after = []
    for scan in place_scans(ScanSource(tmp_path / "bag").read(), path):
        voxels.add(scan.cloud.points, scan.origins)
        after.append(peak())
    assert len(after) == 40
    assert len(voxels.cloud().points) <= 50_000
    assert after[-1] - after[24] < 60  # the buffer of two million points was full once by then
