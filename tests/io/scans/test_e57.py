"""E57 files as pye57 writes them: points, colors and poses come back; damaged ones are refused by name."""

import sys

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import transform_points
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.scans.reader import LeftOut
from splatkit.io.scans.readers import count_scans, passed_over, read_scans

pye57 = pytest.importorskip("pye57", reason="pye57 is not installed: pip install 'splatkit[e57]'")
QUATS = np.array([[1.0, 0, 0, 0], [0.8, 0, 0, 0.6]])
CENTERS = np.array([[431_000.0, 5_412_000, 100], [431_005, 5_412_001, 102]])


def columns(count, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-20, 20, (count, 3))
    colors = rng.integers(0, 256, (count, 3)).astype(np.uint8)
    return {
        **{f"cartesian{axis}": points[:, i] for i, axis in enumerate("XYZ")},
        **{f"color{name}": colors[:, i] for i, name in enumerate(("Red", "Green", "Blue"))},
        "intensity": rng.random(count),
        "cartesianInvalidState": (np.arange(count) % 10 == 3).astype(np.int8),
    }


def write(path, scans):
    with pye57.E57(str(path), mode="w") as file:
        for data, quat, center in zip(scans, QUATS, CENTERS, strict=False):
            file.write_scan_raw(data, rotation=quat, translation=center)


def points_of(data):
    return np.stack([data[f"cartesian{axis}"] for axis in "XYZ"], -1)


def pose_of(scan):
    assert scan.T_world_lidar is not None
    return scan.T_world_lidar


def test_scans_come_with_their_poses_without_what_is_invalid(tmp_path):
    written = [columns(200, 0), columns(100, 1)]
    write(tmp_path / "site.e57", written)
    scans = list(read_scans(tmp_path))
    assert [scan.name for scan in scans] == ["site.e57 scan 0", "site.e57 scan 1"]
    assert count_scans(tmp_path) == 2
    for scan, data, center in zip(scans, written, CENTERS, strict=True):
        valid = data["cartesianInvalidState"] == 0
        np.testing.assert_allclose(scan.cloud.points, points_of(data)[valid], rtol=0, atol=2e-6)  # it writes float32
        np.testing.assert_allclose(np.asarray(scan.cloud.intensity), data["intensity"][valid], rtol=1e-6)
        np.testing.assert_array_equal(np.asarray(scan.cloud.colors)[:, 1], data["colorGreen"][valid])
        np.testing.assert_array_equal(pose_of(scan)[:3, 3], center)
        assert scan.is_static
    # 0.8 + 0.6 k is a turn about z whose cosine is 0.28 and whose sine is 0.96
    turned = transform_points(pose_of(scans[1]), np.array([[1.0, 0, 0]])) - CENTERS[1]
    np.testing.assert_allclose(turned, [[0.28, 0.96, 0]], atol=1e-9)


def test_points_in_the_world_are_those_of_pye57(tmp_path):
    write(tmp_path / "site.e57", [columns(200), columns(100, 1)])
    with pye57.E57(str(tmp_path / "site.e57")) as file:
        for number, scan in enumerate(read_scans(tmp_path / "site.e57")):
            theirs = file.read_scan(number, ignore_missing_fields=True)
            np.testing.assert_allclose(
                transform_points(pose_of(scan), scan.cloud.points), points_of(theirs), rtol=0, atol=1e-8
            )


def test_ranges_and_angles_are_points(tmp_path):
    """A scan in spherical coordinates, colors of 16 bits by their stated limits, and no pose."""
    libe57, path = pye57.libe57, str(tmp_path / "a.e57")
    with pye57.E57(path, mode="w") as file:
        image = file.image_file
        scan, prototype = libe57.StructureNode(image), libe57.StructureNode(image)
        names = ("sphericalRange", "sphericalAzimuth", "sphericalElevation", "colorRed", "colorGreen", "colorBlue")
        values = np.array([[2.0, np.pi / 2, 0, 0, 1023, 2046], [3, 0, np.pi / 6, 2046, 0, 1023]])
        for name in names:
            prototype.set(name, libe57.FloatNode(image, 0.0, libe57.E57_DOUBLE, -1e9, 1e9))
        limits = libe57.StructureNode(image)
        for name in names[3:]:
            limits.set(f"{name}Minimum", libe57.IntegerNode(image, 0))
            limits.set(f"{name}Maximum", libe57.IntegerNode(image, 2046))
        scan.set("colorLimits", limits)
        points = libe57.CompressedVectorNode(image, prototype, libe57.VectorNode(image, True))
        scan.set("points", points)
        file.data3d.append(scan)
        _, buffers = file.make_buffers([], 0)
        columns_kept = []
        for name, column in zip(names, values.T, strict=True):
            columns_kept.append(np.ascontiguousarray(column))
            buffers.append(libe57.SourceDestBuffer(image, name, columns_kept[-1], len(column), True, True))
        writer = points.writer(buffers)
        writer.write(len(values))
        writer.close()
    (read,) = read_scans(tmp_path / "a.e57")
    np.testing.assert_allclose(read.cloud.points, [[0, 2, 0], [3 * np.cos(np.pi / 6), 0, 1.5]], atol=1e-12)
    np.testing.assert_array_equal(np.asarray(read.cloud.colors), [[0, 128, 255], [255, 0, 128]])
    assert read.T_world_lidar is None


def test_a_scan_of_which_nothing_came_back_is_left_out(tmp_path):
    nothing = columns(20)
    nothing["cartesianInvalidState"][1:] = 2
    nothing["cartesianX"][0] = nothing["cartesianY"][0] = nothing["cartesianZ"][0] = 0
    write(tmp_path / "site.e57", [nothing, columns(20)])
    left_out = list[LeftOut]()
    assert [scan.name for scan in read_scans(tmp_path, note=left_out.append)] == ["site.e57 scan 1"]
    assert left_out == [LeftOut("site.e57 scan 0", "no ray came back")]
    write(tmp_path / "two.e57", [columns(20), columns(20)])
    with pytest.raises(DatasetError, match="holds several scans"):
        read_point_cloud(tmp_path / "two.e57")


def test_photographs_inside_are_counted(tmp_path):
    write(tmp_path / "site.e57", [columns(20)])
    assert passed_over(tmp_path / "site.e57") == []
    with pye57.E57(str(tmp_path / "b.e57"), mode="w") as file:
        file.write_scan_raw(columns(20))
        file.root["images2D"].append(pye57.libe57.StructureNode(file.image_file))
    assert passed_over(tmp_path / "b.e57") == [LeftOut("b.e57", "1 photograph inside it is not read")]


def test_damaged_files_are_refused_by_name(tmp_path):
    path = tmp_path / "a.e57"
    write(path, [columns(50), columns(50)])
    content, rng, reasons = path.read_bytes(), np.random.default_rng(0), []
    spoiled = [content[:cut] for cut in (0, 3, 47, 100, 1023, 1024, len(content) // 2, len(content) - 1)]
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, rng.choice([60, len(content)]), rng.integers(1, 4)):
            changed[place] ^= rng.integers(1, 256)
        spoiled.append(bytes(changed))
    for bad in spoiled:
        path.write_bytes(bad)
        with pytest.raises(DatasetError) as refusal:  # pages have checksums
            list(read_scans(path))
        reasons.append(str(refusal.value))
        assert path.read_bytes() == bad  # the library removes files that it fails to make
    assert all(reason.startswith(f"{path}: ") for reason in reasons)


def test_without_pye57_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.e57").write_bytes(b"ASTM-E57")
    monkeypatch.setitem(sys.modules, "pye57", None)
    with pytest.raises(DatasetError, match=r"pip install 'splatkit\[e57\]'"):
        list(read_scans(tmp_path))
