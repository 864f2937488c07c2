"""Scans of nothing but floats are read by what their numbers can be, or refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.point_clouds import read_point_cloud


def turn(columns, count, intensity_to, seed, by_ring):
    """x, y, z (m), intensity, ring and time of a turn, and other numbers for the lack of a ring."""
    rng = np.random.default_rng(seed)
    table = np.zeros((count, 6), np.float32)
    azimuth, ring = np.linspace(0, 2 * np.pi, count), np.arange(count) % 16
    if by_ring:
        ring = np.sort(ring)
        azimuth = np.linspace(0, 2 * np.pi, count // 16 + 1)[np.arange(count) % (count // 16 + 1)]
    away = rng.uniform(2, 60, count)
    table[:, 0], table[:, 1], table[:, 2] = away * np.cos(azimuth), away * np.sin(azimuth), away * (ring - 8) / 40
    table[:, 3], table[:, 4] = rng.uniform(0, intensity_to, count), ring
    table[:, 5] = azimuth / (2 * np.pi) / 10
    return table[:, :columns]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    columns=st.integers(3, 6),
    count=st.integers(200, 2000),
    intensity_to=st.sampled_from([1.0, 255.0, 4000.0]),
    seed=st.integers(0, 99),
    by_ring=st.booleans(),
    name=st.sampled_from(["a.bin", "a.pcd.bin"]),
)
def test_the_numbers_tell_how_many_there_are_a_point(
    columns, count, intensity_to, seed, by_ring, name, tmp_path_factory
):
    table = turn(columns, count, intensity_to, seed, by_ring)
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(table.tobytes())
    read = read_point_cloud(path)
    np.testing.assert_array_equal(read.points, table[:, :3])
    for place, values in ((3, read.intensity), (4, read.ring), (5, read.time)):
        assert (values is None) == (columns <= place)
        if values is not None:
            np.testing.assert_allclose(values, table[:, place], atol=1e-8)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(columns=st.integers(3, 6), count=st.integers(200, 800), lost=st.integers(1, 23), seed=st.integers(0, 99))
def test_a_file_cut_short_is_not_read_as_another_form(columns, count, lost, seed, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "cut.bin"
    content = turn(columns, count, 1.0, seed, by_ring=False).tobytes()[:-lost]
    path.write_bytes(content)
    if len(content) % (4 * columns) == 0:
        assert len(read_point_cloud(path).points) == len(content) // (4 * columns)
        return
    with pytest.raises(DatasetError, match=r"cut\.bin: cut short or of another form"):
        read_point_cloud(path)


def test_where_two_forms_fit_both_are_named(tmp_path):
    numbers = np.random.default_rng(0).uniform(1, 9, 60 * 20).astype(np.float32)
    (tmp_path / "a.bin").write_bytes(numbers.tobytes())
    with pytest.raises(DatasetError, match=r"a\.bin: fits as .* 4 floats a point \(x, y, z, intensity\) and as 5"):
        read_point_cloud(tmp_path / "a.bin")


def test_positive_numbers_are_told_apart_by_their_columns(tmp_path):
    table = np.abs(turn(4, 500, 1.0, 0, by_ring=False)) + np.float32(0.01)
    (tmp_path / "a.bin").write_bytes(table.tobytes())
    np.testing.assert_array_equal(read_point_cloud(tmp_path / "a.bin").points, table[:, :3])


@pytest.mark.skipif("SPLATKIT_DATA" not in os.environ, reason="SPLATKIT_DATA does not name a folder of real datasets")
@pytest.mark.parametrize("name", ["sweep.bin", "sweep.pcd.bin"])
def test_a_real_sweep_of_five_floats_is_read_under_either_name(name, tmp_path):
    """34 688 points of 32 lasers, of which those with a range of zero have no return.

    Source: SUSTechPOINTS #105, nuscenes-devkit #1110: five floats a point under the name of KITTI's four.
    """
    (content,) = (Path(os.environ["SPLATKIT_DATA"]) / "nuscenes_sample").glob("*.pcd.bin")
    (tmp_path / name).write_bytes(content.read_bytes())
    read = read_point_cloud(tmp_path / name)
    assert len(read.points) + read.dropped == 34_688
    assert read.points[:, 2].min() > -5
    assert read.ring is not None
    assert sorted(set(read.ring.tolist())) == list(range(32))
