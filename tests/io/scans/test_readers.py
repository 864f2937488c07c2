"""Whatever a file is called decides who reads it; one reader more is all that a format needs."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.scans import readers
from splatkit.io.scans.reader import LeftOut, StoredScan
from splatkit.io.scans.readers import count_scans, find_reader, list_scan_files, passed_over, read_scans, scan_sources
from tests.io.scans.posed_scans import POSED_SCANS, write_posed_scans

POINTS = np.array([[1.0, 2, 3], [4, 5, 6]])
POSES = np.tile(np.eye(4), (3, 1, 1))
POSES[:, 0, 3] = 0, 5, 10


@pytest.fixture
def known(monkeypatch):
    """The reader of the tests' own files, for the time of one test."""
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, POSED_SCANS))


def test_the_longest_suffix_decides(tmp_path):
    assert find_reader(tmp_path / "a.PCD.BIN").suffixes == (".pcd.bin",)
    assert find_reader(tmp_path / "a.bin").suffixes == (".bin",)
    with pytest.raises(DatasetError, match=r"a\.dxf: not a point cloud that can be read; expected \.pcd\.bin, \.bin"):
        find_reader(tmp_path / "a.dxf")


def test_files_of_one_scan_are_a_series_where_they_lie_in_a_folder(tmp_path):
    for name in ("2.ply", "10.ply"):
        write_point_cloud(tmp_path / name, PointCloud(POINTS))
    (tmp_path / "drive.bag").touch()  # recordings are named one by one
    assert [scan.name for scan in read_scans(tmp_path)] == ["2.ply", "10.ply"]
    assert [scan.name for scan in read_scans(tmp_path / "10.ply")] == ["10.ply"]
    assert (count_scans(tmp_path), count_scans(tmp_path / "2.ply")) == (2, 1)
    assert scan_sources(tmp_path) == list_scan_files(tmp_path) == [tmp_path / "2.ply", tmp_path / "10.ply"]


@pytest.mark.usefixtures("known")
def test_a_reader_more_gives_scans_with_poses_one_by_one(tmp_path):
    write_posed_scans(tmp_path / "site.posed", [POINTS, POINTS[:0], POINTS + 1.0], POSES)
    left_out = list[LeftOut]()
    scans = list(read_scans(tmp_path, note=left_out.append))
    assert [scan.name for scan in scans] == ["site.posed scan 0", "site.posed scan 2"]
    assert left_out == [LeftOut("site.posed scan 1", "no ray came back")]
    assert count_scans(tmp_path) == 3
    assert scans[1].is_static
    assert scans[1].T_world_lidar is not None
    np.testing.assert_array_equal(scans[1].T_world_lidar, POSES[2])
    np.testing.assert_array_equal(scans[1].cloud.points, POINTS + 1.0)


@pytest.mark.usefixtures("known")
def test_one_cloud_is_not_taken_from_a_file_with_several(tmp_path):
    write_posed_scans(tmp_path / "one.posed", [POINTS], POSES[:1])
    np.testing.assert_array_equal(read_point_cloud(tmp_path / "one.posed").points, POINTS)
    write_posed_scans(tmp_path / "three.posed", [POINTS] * 3, POSES)
    with pytest.raises(DatasetError, match=r"three\.posed: holds several scans; expected a file of one"):
        read_point_cloud(tmp_path / "three.posed")
    write_posed_scans(tmp_path / "empty.posed", [POINTS[:0]], POSES[:1])
    with pytest.raises(DatasetError, match=r"empty\.posed: no scan in it holds a point"):
        read_point_cloud(tmp_path / "empty.posed")


@pytest.mark.usefixtures("known")
def test_poses_that_are_none_are_refused(tmp_path):
    write_posed_scans(tmp_path / "bent.posed", [POINTS], 1.1 * POSES[:1])
    with pytest.raises(DatasetError, match=r"bent\.posed: bent\.posed scan 0: its pose is not a rigid 4 x 4 transform"):
        list(read_scans(tmp_path))
    with pytest.raises(ValueError, match="T_world_lidar: one pose is that of a LiDAR that stood still"):
        StoredScan("a", PointCloud(POINTS), T_world_lidar=np.eye(4))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(["1", "2", "scan.10", "Küche", "a b"]),
        st.sampled_from([".ply", ".PLY", ".txt", ".dxf", ".bag", ".csv", ""]),
        min_size=1,
    )
)
def test_every_file_of_a_folder_is_a_scan_or_named_as_passed_over(tmp_path_factory, kinds):
    folder = tmp_path_factory.getbasetemp() / "offered"
    shutil.rmtree(folder, ignore_errors=True)
    write_point_cloud(folder / "always.ply", PointCloud(POINTS))
    for stem, suffix in kinds.items():
        if suffix.lower() == ".ply":
            write_point_cloud(folder / f"{stem}.ply", PointCloud(POINTS))
            (folder / f"{stem}.ply").rename(folder / f"{stem}{suffix}")
        else:
            (folder / f"{stem}{suffix}").touch()
        (folder / f"._{stem}{suffix}").touch()
    used, named = [scan.name for scan in read_scans(folder)], [item.name for item in passed_over(folder)]
    offered = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert sorted(used + named) == sorted(offered)
    assert len(used) == count_scans(folder)
