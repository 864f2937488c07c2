"""Maps of where nothing is through files."""

import cv2
import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.images import read_image
from splatkit.io.maps.background_maps import read_background_map, write_background_map


def test_confidences_come_back_to_half_a_step(tmp_path):
    confidences = np.random.default_rng(0).random((20, 30))
    confidences[0, :2] = 0, 1
    write_background_map(tmp_path / "b.png", confidences)
    read = read_background_map(tmp_path / "b.png")
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, confidences, rtol=0, atol=0.5 / 255 + 1e-6)
    assert read[0, :2].tolist() == [0, 1]
    np.testing.assert_array_equal(read_image(tmp_path / "b.png")[..., 0], np.round(read * 255))


@pytest.mark.parametrize("bad", [-0.1, 1.1, 255.0, np.nan])
def test_what_is_no_confidence_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match=r"b\.png: expected confidences in \[0, 1\]"):
        write_background_map(tmp_path / "b.png", np.array([[0.5, bad]]))
    with pytest.raises(ValueError, match=r"expected confidences \[H, W\], got \[4, 5, 1\]"):
        write_background_map(tmp_path / "b.png", np.zeros((4, 5, 1)))
    assert not (tmp_path / "b.png").exists()


def test_other_and_damaged_files_are_refused_by_name(tmp_path):
    path = tmp_path / "b.png"
    with pytest.raises(FileNotFoundError, match=r"b\.png: no such file"):
        read_background_map(path)
    for stored in (np.zeros((4, 5), np.uint16), np.zeros((4, 5, 3), np.uint8)):
        assert cv2.imwrite(str(path), stored)
        with pytest.raises(DatasetError, match=r"b\.png: not a background map; expected a PNG of 8 bits and 1 channel"):
            read_background_map(path)
    write_background_map(path, np.zeros((4, 5)))
    path.write_bytes(path.read_bytes()[:-15])
    with pytest.raises(DatasetError, match=r"b\.png: the background map is damaged"):
        read_background_map(path)
