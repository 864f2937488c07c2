"""Colors of clouds are the same 8 bits, however a program wrote them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.point_clouds import read_point_cloud
from tests.io.test_point_clouds import pcd_bytes


def drawn(count, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(-3, 3, (count, 3)).astype(np.float32), rng.integers(0, 256, (count, 3)).astype(np.uint8)


def colors_of(path):
    colors = read_point_cloud(path).colors
    assert colors is not None
    return colors


def with_fields(points, fields):
    vertices = np.zeros(len(points), [*((axis, "<f4") for axis in "xyz"), *((name, v.dtype) for name, v in fields)])
    for number, axis in enumerate("xyz"):
        vertices[axis] = points[:, number]
    for name, values in fields:
        vertices[name] = values
    return vertices


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["u1", "u2", "u2 scaled by 256", "u2 scaled by 257", "f4", "f4 to 255", "i4"]),
    names=st.sampled_from([("red", "green", "blue"), ("r", "g", "b")]),
    encoding=st.sampled_from(["binary", "ascii", "binary_compressed"]),
    seed=st.integers(0, 99),
)
def test_columns_of_any_type_are_eight_bits(kind, names, encoding, seed, tmp_path_factory):
    points, colors = drawn(300, seed)
    scaled = {"u2 scaled by 256": 256, "u2 scaled by 257": 257}.get(kind, 1)
    values = colors / 255 if kind == "f4" else colors.astype(np.float64) * scaled
    fields = [(name, values[:, axis].astype(kind.split()[0])) for axis, name in enumerate(names)]
    path = tmp_path_factory.getbasetemp() / "colors.pcd"
    path.write_bytes(pcd_bytes(with_fields(points, fields), encoding))
    np.testing.assert_array_equal(colors_of(path), colors)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["rgb", "rgba"]),
    stored=st.sampled_from(["u4", "i4", "f4", "number in f4"]),
    alpha=st.sampled_from([0, 255, 128]),
    encoding=st.sampled_from(["binary", "binary_compressed"]),
    seed=st.integers(0, 99),
)
def test_packed_colors_are_unpacked(name, stored, alpha, encoding, seed, tmp_path_factory):
    points, colors = drawn(300, seed)
    red, green, blue = colors.astype(np.uint32).T
    bits = (0 if stored.startswith("number") else alpha) << 24 | red << 16 | green << 8 | blue
    values = bits.astype(np.float32) if stored.startswith("number") else bits.astype(np.uint32).view(stored)
    path = tmp_path_factory.getbasetemp() / "packed.pcd"
    path.write_bytes(pcd_bytes(with_fields(points, [(name, values)]), encoding))
    np.testing.assert_array_equal(colors_of(path), colors)


@pytest.mark.parametrize("factor", [1, 257])
@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_las_colors_may_be_of_8_or_16_bits(tmp_path, factor, suffix):
    """Source: laspy #221, gocesiumtiler #17, pyntcloud #331: 16-bit fields that hold 0 to 255."""
    laspy = pytest.importorskip("laspy", reason="laspy is not installed: pip install 'splatkit[las]'")
    pytest.importorskip("lazrs", reason="lazrs is not installed: pip install 'splatkit[las]'")
    points, colors = drawn(500, 0)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales = [1e-4] * 3
    file = laspy.LasData(header)
    file.x, file.y, file.z = points.T
    file.red, file.green, file.blue = (colors.astype(np.uint16) * factor).T
    file.write(str(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(colors_of(tmp_path / f"a{suffix}"), colors)


def test_colors_beyond_16_bits_are_refused(tmp_path):
    points, _ = drawn(5, 0)
    fields = [(name, np.full(5, 70_000, np.int32)) for name in ("red", "green", "blue")]
    (tmp_path / "a.pcd").write_bytes(pcd_bytes(with_fields(points, fields), "binary"))
    with pytest.raises(DatasetError, match=r"a\.pcd: colors go from 70000 to 70000; expected 8 bits, 16 bits or"):
        read_point_cloud(tmp_path / "a.pcd")
