"""Depth maps and their deviations through files."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.maps.depth_maps import read_depth_map, unstated_unit, write_depth_map, write_depth_sigmas


def _maps():
    rng = np.random.default_rng(0)
    seen = rng.random((20, 30)) < 0.2
    depths = np.where(seen, rng.uniform(0.5, 60.0, seen.shape), 0.0)
    return depths, np.where(seen, rng.uniform(0.001, 0.3, seen.shape), 0.0)


def test_depths_and_deviations_come_back_to_half_a_unit(tmp_path):
    depths, sigmas = _maps()
    assert write_depth_map(tmp_path / "d.png", depths) == 0
    write_depth_sigmas(tmp_path / "s.png", sigmas)
    read = read_depth_map(tmp_path / "d.png", tmp_path / "s.png")
    assert np.abs(read.depths - depths).max() <= 0.5e-3 + 1e-5
    assert np.abs(read.sigmas - sigmas).max() <= 0.5e-4 + 1e-6
    np.testing.assert_array_equal(read.depths > 0, depths > 0)


def test_nerfstudio_reads_the_same_depths(tmp_path):
    from nerfstudio.data.utils.data_utils import get_depth_image_from_path

    depths, _ = _maps()
    write_depth_map(tmp_path / "d.png", depths)
    theirs = get_depth_image_from_path(tmp_path / "d.png", 20, 30, 1e-3)
    np.testing.assert_allclose(theirs[..., 0].numpy(), read_depth_map(tmp_path / "d.png").depths, rtol=1e-6)


def test_what_lies_beyond_the_format_is_left_out_and_counted(tmp_path):
    assert write_depth_map(tmp_path / "d.png", np.array([[65.5, 65.6], [0.0, 300.0]])) == 2
    np.testing.assert_allclose(read_depth_map(tmp_path / "d.png").depths, [[65.5, 0.0], [0.0, 0.0]])


def test_another_unit_reaches_farther(tmp_path):
    assert write_depth_map(tmp_path / "d.png", np.array([[300.0]]), unit=0.005) == 0
    assert read_depth_map(tmp_path / "d.png", unit=0.005).depths[0, 0] == pytest.approx(300.0)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "d.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"d\.png"):
        read_depth_map(tmp_path / "d.png")


def test_a_photograph_is_no_depth_map(tmp_path):
    from splatkit.io.images import write_image

    write_image(tmp_path / "d.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(DatasetError, match="16-bit"):
        read_depth_map(tmp_path / "d.png")


def test_sizes_must_agree(tmp_path):
    write_depth_map(tmp_path / "d.png", np.ones((4, 5)))
    write_depth_sigmas(tmp_path / "s.png", np.ones((4, 6)))
    with pytest.raises(DatasetError, match=r"6x4 px, the depths of d\.png 5x4"):
        read_depth_map(tmp_path / "d.png", tmp_path / "s.png")


def test_negative_depths_of_arrays_are_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[1000.0, -1.0]], np.float32))
    with pytest.raises(DatasetError, match="negative"):
        read_depth_map(tmp_path / "d.npy")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_files_are_refused_or_read_but_never_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    write_depth_map(folder / "d.png", _maps()[0])
    content = bytearray((folder / "d.png").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "d.png").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert "d.png" in (refusal(folder / "d.png") or "d.png")


def refusal(path):
    """What reading a file says against it; empty if it is read."""
    try:
        read_depth_map(path)
    except DatasetError as error:
        return str(error)
    return ""


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    suffix=st.sampled_from([".npy", ".tif", ".tiff", ".png"]),
    kind=st.sampled_from([np.uint16, np.int32, np.uint32, np.int64, np.float16, np.float32, np.float64]),
    missing=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
    channel=st.booleans(),
    seed=st.integers(0, 99),
)
def test_depths_of_any_type_come_back_and_gaps_are_not_measured(suffix, kind, missing, channel, seed, tmp_path_factory):
    """Source: ml-hypersim #63: NaN where nothing was measured; record3d #121."""
    whole = np.issubdtype(kind, np.integer)
    if suffix == ".png" or (suffix != ".npy" and whole):
        kind, whole = np.uint16, True
    elif suffix != ".npy":
        kind = np.float32
    rng = np.random.default_rng(seed)
    seen, meters = rng.random((20, 30)) < 0.5, rng.uniform(0.5, 9.0, (20, 30))
    unit = 1e-3 if whole else 1.0
    written = np.where(seen, meters / unit, 0.0 if whole else missing).astype(kind)
    written = written[..., None] if channel and suffix == ".npy" else written
    path = tmp_path_factory.getbasetemp() / f"d{suffix}"
    if suffix == ".npy":
        np.save(path, written)
    else:
        assert cv2.imwrite(str(path), written)
    read = read_depth_map(path, unit=unit).depths
    np.testing.assert_array_equal(read > 0, seen)
    np.testing.assert_allclose(
        read[seen], meters[seen], atol=1e-3 if whole else 1e-6, rtol=1e-3 if kind == np.float16 else 0
    )


def test_kinds_that_are_not_read_are_named(tmp_path):
    (tmp_path / "d.exr").write_bytes(b"v/1\x01")
    with pytest.raises(DatasetError, match=r"d\.exr: \.exr is of a kind that depth maps are not read from; .* \.npy"):
        read_depth_map(tmp_path / "d.exr")
    assert cv2.imwrite(str(tmp_path / "d.png"), np.ones((4, 5), np.uint8))
    with pytest.raises(DatasetError, match="16 bits or more"):
        read_depth_map(tmp_path / "d.png")


@pytest.mark.parametrize(
    ("depths", "unit"),
    [
        (np.array([[1.878, 2.3], [0.7, np.nan]]), 1.0),
        (np.array([[1878.4, 2300.1], [700.2, np.inf]]), 1e-3),
        (np.array([[1878, 2300], [700, 0]], np.uint16), 1e-3),
        (np.zeros((2, 2)), 1e-3),
    ],
)
def test_a_unit_that_is_not_stated_is_told_by_the_depths(depths, unit, tmp_path):
    """Floats below a hundred are meters: as millimeters the scene would fit into a hand. Source: record3d #121."""
    np.save(tmp_path / "depth.npy", depths)
    assert unstated_unit(tmp_path / "depth.npy") == unit
