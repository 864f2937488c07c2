"""LAS and LAZ files are read as laspy writes them; damaged ones are refused by name."""

import sys

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.point_clouds import read_point_cloud


def write_las(path, count=200):
    """Points in a map's coordinates, to the centimeter; the first lies at the origin, as if it had no return."""
    laspy = pytest.importorskip("laspy", reason="laspy is not installed: pip install 'splatkit[las]'")
    pytest.importorskip("lazrs", reason="lazrs is not installed: pip install 'splatkit[las]'")
    rng = np.random.default_rng(0)
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales = [0.01] * 3
    points = laspy.LasData(header)
    table = np.round(rng.random((count, 3)) * [300, 300, 40] + [431_000, 5_412_000, 100], 2)
    table[0] = 0
    points.x, points.y, points.z = table.T
    points.intensity = rng.integers(0, 65536, count)
    points.gps_time = 1.4e5 + np.sort(rng.random(count))
    points.red = points.green = points.blue = rng.integers(0, 256, count) * 257
    points.write(str(path))
    return table, points


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_a_map_is_read_with_its_fields(tmp_path, suffix):
    table, written = write_las(tmp_path / f"a{suffix}")
    read = read_point_cloud(tmp_path / f"a{suffix}")
    assert read.dropped == 1
    np.testing.assert_allclose(read.points, table[1:], rtol=0, atol=1e-6)
    assert read.intensity is not None
    assert read.time is not None
    assert read.colors is not None
    np.testing.assert_array_equal(read.intensity, np.asarray(written.intensity)[1:])
    np.testing.assert_array_equal(read.time, np.asarray(written.gps_time)[1:])
    np.testing.assert_array_equal(read.colors[:, 0] * 257, np.asarray(written.red)[1:])


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_damaged_maps_are_read_or_refused_by_name_and_nothing_else(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_las(path)
    content, rng, reasons = path.read_bytes(), np.random.default_rng(0), []
    spoiled = [content[:cut] for cut in (0, 3, 4, 24, 100, 226, 227, 240, 300, len(content) // 2, len(content) - 1)]
    for _ in range(150):
        changed = bytearray(content)
        for place in rng.integers(0, rng.choice([240, len(content)]), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        spoiled.append(bytes(changed))
    for bad in spoiled:
        path.write_bytes(bad)
        try:
            assert np.isfinite(read_point_cloud(path).points).all()
        except DatasetError as error:
            reasons.append(str(error))
    assert len(reasons) > 10
    assert all(reason.startswith(f"{path}: ") for reason in reasons)


def test_without_laspy_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.las").write_bytes(b"LASF")
    monkeypatch.setitem(sys.modules, "laspy", None)
    with pytest.raises(DatasetError, match=r"pip install 'splatkit\[las\]'"):
        read_point_cloud(tmp_path / "a.las")
