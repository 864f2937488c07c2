"""Normal maps through files."""

import cv2
import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.maps.normal_maps import read_normal_map, write_normal_map


def _normals(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(20, 30, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[rng.random((20, 30)) < 0.3] = 0
    return normals.astype(np.float32)


def test_normals_come_back_as_unit_vectors_and_gaps_as_zeros(tmp_path):
    normals = _normals()
    write_normal_map(tmp_path / "n.png", normals)
    read = read_normal_map(tmp_path / "n.png")
    assert read.dtype == np.float32
    there = normals.any(-1)
    np.testing.assert_array_equal(read.any(-1), there)
    np.testing.assert_allclose(np.linalg.norm(read[there], axis=-1), 1, atol=1e-6)
    angles = np.rad2deg(np.linalg.norm(np.cross(read[there], normals[there].astype(float)), axis=-1))
    assert angles.max() < 0.002


def test_no_true_normal_is_stored_as_none(tmp_path):
    """Those closest to what stands for none: along negative axes, and with three equal negative parts."""
    corners = -np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
    corners /= np.linalg.norm(corners, axis=-1, keepdims=True)
    write_normal_map(tmp_path / "n.png", corners[None])
    np.testing.assert_allclose(read_normal_map(tmp_path / "n.png")[0], corners, atol=3e-5)


def test_other_programs_see_red_green_and_blue_in_this_order(tmp_path):
    write_normal_map(tmp_path / "n.png", np.array([[[1.0, 0, 0], [0, 0, -1.0]]]))
    stored = cv2.imread(str(tmp_path / "n.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert stored.dtype == np.uint16
    assert stored[0].tolist() == [[65535, 32768, 32768], [32768, 32768, 0]]


@pytest.mark.parametrize("bad", [2.0, 0.5, np.nan, np.inf])
def test_what_are_no_unit_vectors_is_not_written(tmp_path, bad):
    normals = _normals()
    normals[3, 4] = 0, 0, bad
    with pytest.raises(ValueError, match=r"n\.png: expected unit vectors"):
        write_normal_map(tmp_path / "n.png", normals)
    with pytest.raises(ValueError, match=r"expected normals \[H, W, 3\], got \[20, 30\]"):
        write_normal_map(tmp_path / "n.png", normals[..., 0])
    assert not (tmp_path / "n.png").exists()


def test_other_files_are_refused_by_name(tmp_path):
    path = tmp_path / "n.png"
    with pytest.raises(FileNotFoundError, match=r"n\.png: no such file"):
        read_normal_map(path)
    for stored in (np.zeros((4, 5), np.uint16), np.zeros((4, 5, 3), np.uint8), np.ones((4, 5, 4), np.uint16)):
        assert cv2.imwrite(str(path), stored)
        with pytest.raises(DatasetError, match=r"n\.png: not a normal map; expected a PNG of 16 bits and 3 channels"):
            read_normal_map(path)
    assert cv2.imwrite(str(path), np.full((4, 5, 3), 32768, np.uint16))  # a zero vector, as others write no normal
    with pytest.raises(DatasetError, match=r"n\.png: not a normal map: its colors are not unit vectors"):
        read_normal_map(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_damaged_files_are_refused_by_name(tmp_path, share):
    path = tmp_path / "n.png"
    write_normal_map(path, _normals())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"n\.png: the normal map is damaged"):
        read_normal_map(path)
