"""Point clouds come back as written, LiDAR scans as other programs wrote them, and unusable files say why."""

import os
from pathlib import Path

import numpy as np
import open3d
import pytest
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.scans.readers import list_scan_files


def cloud(dtype=np.float32):
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (20, 3), dtype=np.uint8)
    return PointCloud(rng.normal(size=(20, 3)).astype(dtype), colors, rng.normal(size=(20, 3)).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_written_is_read_back_exactly(tmp_path, dtype):
    written = cloud(dtype)
    write_point_cloud(tmp_path / "a.ply", written)
    read = read_point_cloud(tmp_path / "a.ply")
    assert read.colors is not None
    assert read.normals is not None
    assert written.colors is not None
    assert written.normals is not None
    np.testing.assert_array_equal(read.points, written.points)
    np.testing.assert_array_equal(read.colors, written.colors)
    np.testing.assert_array_equal(read.normals, written.normals)


def test_other_programs_read_it(tmp_path):
    written = cloud()
    write_point_cloud(tmp_path / "a.ply", written)
    read = open3d.io.read_point_cloud(tmp_path / "a.ply")
    np.testing.assert_allclose(np.asarray(read.points), written.points)
    np.testing.assert_allclose(np.asarray(read.colors) * 255, written.colors, atol=1e-6)


def test_a_cloud_without_colors_has_none(tmp_path):
    write_point_cloud(tmp_path / "a.ply", PointCloud(cloud().points))
    read = read_point_cloud(tmp_path / "a.ply")
    assert read.colors is None
    assert read.normals is None


def test_float_colors_are_scaled(tmp_path):
    header = "ply\nformat ascii 1.0\nelement vertex 1\n"
    header += "".join(f"property float {name}\n" for name in ("x", "y", "z", "red", "green", "blue"))
    (tmp_path / "a.ply").write_text(header + "end_header\n1 2 3 0 0.5 1\n")
    colors = read_point_cloud(tmp_path / "a.ply").colors
    assert colors is not None
    assert colors.tolist() == [[0, 128, 255]]


def test_unusable_files_say_why(tmp_path):
    path = tmp_path / "a.ply"
    with pytest.raises(FileNotFoundError, match=r"a\.ply: no such file"):
        read_point_cloud(path)
    path.write_bytes(b"not a ply")
    with pytest.raises(DatasetError, match=r"a\.ply: not a PLY file"):
        read_point_cloud(path)
    write_point_cloud(path, PointCloud(np.zeros((0, 3), np.float32)))
    with pytest.raises(DatasetError, match=r"a\.ply: this PLY file is empty"):
        read_point_cloud(path)
    write_point_cloud(path, PointCloud(np.full((5, 3), np.nan, np.float32)))
    with pytest.raises(DatasetError, match="no point is left, all 5 are NaN"):
        read_point_cloud(path)
    write_point_cloud(path, cloud())
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DatasetError, match="cut short"):
        read_point_cloud(path)


@pytest.mark.skipif("SPLATKIT_DATA" not in os.environ, reason="SPLATKIT_DATA does not name a folder of real datasets")
def test_a_real_seed_cloud_is_read():
    read = read_point_cloud(Path(os.environ["SPLATKIT_DATA"]) / "fox/points.ply")
    assert read.points.shape == (10050, 3)
    assert read.colors is not None


SCAN = np.dtype(
    [
        ("x", "f4"),
        ("y", "f4"),
        ("z", "f4"),
        ("intensity", "f4"),
        ("ring", "u2"),
        ("timestamp", "f8"),
        ("label", "i1", 3),
    ]
)
TYPES = {"f": "F", "i": "I", "u": "U"}


def scan(count: int = 40) -> NDArray[np.void]:
    """Points of a LiDAR; the third has no return, the fifth is NaN."""
    rng = np.random.default_rng(1)
    vertices = np.zeros(count, SCAN)
    for axis in "xyz":
        vertices[axis] = rng.normal(scale=10, size=count)
        vertices[axis][2] = 0
    vertices["y"][4] = np.nan
    vertices["intensity"] = rng.integers(0, 256, count)
    vertices["ring"] = rng.integers(0, 16, count)
    vertices["timestamp"] = 1.7e9 + rng.random(count)
    vertices["label"] = rng.integers(-5, 5, (count, 3))
    return vertices


def pcd_bytes(vertices: NDArray[np.void], encoding: str) -> bytes:
    names = vertices.dtype.names or ()
    kinds = [vertices.dtype[name] for name in names]
    lines = ["# .PCD v0.7 - Point Cloud Data file format", "VERSION 0.7", "FIELDS " + " ".join(names)]
    lines.append("SIZE " + " ".join(str(kind.base.itemsize) for kind in kinds))
    lines.append("TYPE " + " ".join(TYPES[kind.base.kind] for kind in kinds))
    lines.append("COUNT " + " ".join(str(kind.itemsize // kind.base.itemsize) for kind in kinds))
    lines += [f"WIDTH {len(vertices)}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {len(vertices)}"]
    header = "\n".join([*lines, f"DATA {encoding}", ""]).encode()
    if encoding == "binary":
        return header + vertices.tobytes()
    if encoding == "ascii":
        rows = [[f"{value:.10g}" for name in names for value in np.atleast_1d(point[name])] for point in vertices]
        return header + "\n".join(" ".join(row) for row in rows).encode() + b"\n"
    fields = b"".join(vertices[name].tobytes() for name in names)
    # The simplest packing there is: runs of at most 32 new bytes.
    runs = [fields[start : start + 32] for start in range(0, len(fields), 32)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return header + np.array([len(packed), len(fields)], "<u4").tobytes() + packed


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_a_pcd_scan_keeps_its_fields_and_loses_what_has_no_return(tmp_path, encoding):
    vertices = scan()
    (tmp_path / "a.PCD").write_bytes(pcd_bytes(vertices, encoding))
    read = read_point_cloud(tmp_path / "a.PCD")
    kept = np.delete(vertices, [2, 4])
    assert read.dropped == 2
    assert read.points.dtype == np.float64
    np.testing.assert_allclose(read.points, np.stack([kept[axis] for axis in "xyz"], -1), rtol=1e-7)
    assert read.intensity is not None
    assert read.ring is not None
    assert read.time is not None
    np.testing.assert_array_equal(read.intensity, kept["intensity"])
    np.testing.assert_array_equal(read.ring, kept["ring"])
    np.testing.assert_allclose(read.time, kept["timestamp"], rtol=1e-9)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_pcd_of_another_program_is_read(tmp_path, compressed):
    points = np.random.default_rng(0).integers(-3, 3, (500, 3)).astype(np.float32) + np.float32(0.5)  # packs well
    written = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    assert open3d.io.write_point_cloud(str(tmp_path / "a.pcd"), written, compressed=compressed)
    read = read_point_cloud(tmp_path / "a.pcd")
    np.testing.assert_array_equal(read.points, points)
    assert read.dropped == 0


@pytest.mark.parametrize(("name", "columns"), [("a.bin", 4), ("a.pcd.bin", 5)])
def test_kitti_and_nuscenes_scans_are_read(tmp_path, name, columns):
    table = np.random.default_rng(0).normal(scale=10, size=(30, columns)).astype(np.float32)
    table[:, 3] = np.abs(table[:, 3])
    table[:, 4:] = np.arange(30)[:, None] % 8
    table[7, :3] = 0
    (tmp_path / name).write_bytes(table.tobytes())
    read = read_point_cloud(tmp_path / name)
    kept = np.delete(table, 7, 0)
    np.testing.assert_array_equal(read.points, kept[:, :3])
    assert read.intensity is not None
    np.testing.assert_array_equal(read.intensity, kept[:, 3])
    assert (read.ring is None) == (columns == 4)
    if read.ring is not None:
        np.testing.assert_array_equal(read.ring, kept[:, 4])
    (tmp_path / name).write_bytes(table.tobytes()[:-3])
    with pytest.raises(DatasetError, match=f"{name}: cut short or of another form"):
        read_point_cloud(tmp_path / name)


def test_floats_of_another_form_are_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(np.random.default_rng(0).bytes(1600))
    with pytest.raises(DatasetError, match=r"a\.bin: damaged or of another form"):
        read_point_cloud(tmp_path / "a.bin")


def test_a_scan_keeps_its_fields_as_ply(tmp_path):
    (tmp_path / "a.pcd").write_bytes(pcd_bytes(scan(), "binary"))
    first = read_point_cloud(tmp_path / "a.pcd")
    write_point_cloud(tmp_path / "a.ply", first)
    second = read_point_cloud(tmp_path / "a.ply")
    for name in ("points", "intensity", "ring", "time"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name))


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (np.array([0, 50_000_000], np.uint32), [0, 0.05]),  # Ouster: nanoseconds within the scan
        (np.array([0, 0.05], np.float32), [0, 0.05]),  # Velodyne: seconds
        (np.array([1.7e18, 1.7e18 + 5e7]), [1.7e9, 1.7e9 + 0.05]),  # Livox: nanoseconds since 1970
        (np.array([1_700_000_000_000_000, 1_700_000_000_050_000]), [1.7e9, 1.7e9 + 0.05]),  # microseconds
        (np.array([1.7e9, 1.7e9 + 0.05]), [1.7e9, 1.7e9 + 0.05]),  # Hesai: seconds since 1970
    ],
)
def test_times_of_all_drivers_are_seconds(tmp_path, values, seconds):
    vertices = np.ones(2, [("x", "f4"), ("y", "f4"), ("z", "f4"), ("t", values.dtype)])
    vertices["t"] = values
    (tmp_path / "a.pcd").write_bytes(pcd_bytes(vertices, "binary"))
    time = read_point_cloud(tmp_path / "a.pcd").time
    assert time is not None
    np.testing.assert_allclose(time, seconds, rtol=0, atol=1e-6)


def test_a_folder_of_scans_is_listed_by_number(tmp_path):
    for name in ("pose10.pcd", "pose2.pcd", "pose1.PCD", "notes.txt", "scan.pcd.bin"):
        (tmp_path / name).touch()
    assert [path.name for path in list_scan_files(tmp_path)] == [
        "pose1.PCD",
        "pose2.pcd",
        "pose10.pcd",
        "scan.pcd.bin",
    ]
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list_scan_files(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: no point cloud in this folder; expected \.pcd\.bin"):
        list_scan_files(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"notes\.md: not a point cloud"):
        read_point_cloud(tmp_path / "notes.md")


def spoiled(content: bytes, seed: int) -> list[bytes]:
    """Cut at every line of the header, around its end and at random; with some bytes changed."""
    rng = np.random.default_rng(seed)
    lines = [place for place, byte in enumerate(content[:700]) if byte == 10]
    cuts = [cut for line in lines for cut in (line - 1, line, line + 1)] + rng.integers(0, len(content), 40).tolist()
    changed = []
    for _ in range(200):
        copy = bytearray(content)
        for place in rng.integers(0, min(len(content), rng.choice([400, len(content)])), rng.integers(1, 4)):
            copy[place] = rng.integers(256)
        changed.append(bytes(copy))
    return [content[:cut] for cut in cuts] + changed


@pytest.mark.parametrize("name", ["ascii.pcd", "binary.pcd", "binary_compressed.pcd", "a.ply", "a.bin", "a.pcd.bin"])
def test_damaged_scans_are_read_or_refused_by_name_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".pcd"):
        path.write_bytes(pcd_bytes(scan(), name.removesuffix(".pcd")))
    elif name.endswith(".ply"):
        write_point_cloud(path, cloud())
    else:
        path.write_bytes(np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32).tobytes())
    reasons = []
    for content in [b"", b"\x00" * 64, *spoiled(path.read_bytes(), seed=0)]:
        path.write_bytes(content)
        try:
            read = read_point_cloud(path)
        except DatasetError as error:
            reasons.append(str(error))
        else:
            assert len(read.points) > 0
            assert np.isfinite(read.points).all()
    assert len(reasons) > 20
    assert all(reason.startswith(f"{path}: ") for reason in reasons)


@pytest.mark.skipif("SPLATKIT_DATA" not in os.environ, reason="SPLATKIT_DATA does not name a folder of real datasets")
def test_real_scans_are_read():
    data = Path(os.environ["SPLATKIT_DATA"])
    first = list_scan_files(data / "calib/acfr_vlp16_dev/pcd")[0]
    scans = [read_point_cloud(path) for path in (first, data / "calib/opencalib_frames/auto/calib.pcd")]
    scans += [read_point_cloud(path) for path in list_scan_files(data / "nuscenes_sample")]
    assert [len(read.points) + read.dropped for read in scans] == [23969, 85546, 34688]
    for read, rings in zip(scans, (16, 64, 32), strict=True):
        assert read.ring is not None
        assert read.intensity is not None
        assert set(read.ring) == set(range(rings))
        assert np.abs(read.points).max() < 150
        assert read.intensity.max() <= 255
    assert scans[1].time is not None
    assert np.ptp(scans[1].time) == pytest.approx(0.1, abs=0.01)  # a turn at 10 Hz
