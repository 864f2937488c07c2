"""Point clouds come back as written, and unusable files say why."""

import os
from pathlib import Path

import numpy as np
import open3d
import pytest

from splatkit.errors import DatasetError
from splatkit.io.point_clouds import PointCloud, read_point_cloud, write_point_cloud


def cloud(dtype=np.float32):
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (20, 3), dtype=np.uint8)
    return PointCloud(rng.normal(size=(20, 3)).astype(dtype), colors, rng.normal(size=(20, 3)).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_written_is_read_back_exactly(tmp_path, dtype):
    written = cloud(dtype)
    write_point_cloud(tmp_path / "a.ply", written)
    read = read_point_cloud(tmp_path / "a.ply")
    assert read.points.dtype == dtype
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
    points = np.zeros((5, 3), np.float32)
    points[2, 1] = np.nan
    write_point_cloud(path, PointCloud(points))
    with pytest.raises(DatasetError, match="x, y, z of 1 of 5 vertices are NaN"):
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
