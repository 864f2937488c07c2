"""Images come back as they were written, and damage is named."""

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.images import image_size, read_image, read_image_float, to_uint8, write_image


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_is_lossless(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 9, channels), dtype=np.uint8)
    write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    assert image_size(tmp_path / "a.png") == (9, 5)


def test_jpeg_is_close_where_the_image_is_smooth(tmp_path):
    row = np.linspace(40, 200, 32).astype(np.uint8)
    image = np.repeat(np.repeat(row[None, :, None], 16, 0), 3, 2)
    write_image(tmp_path / "a.jpg", image)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).max() <= 2


def test_floats_are_clamped_and_rounded(tmp_path):
    image = np.array([-1.0, 0.0, 0.5, 127.4 / 255, 1.0, 2.0])[None, :, None].repeat(3, 2)
    write_image(tmp_path / "a.png", image)
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 0, 128, 127, 255, 255]


def test_float_reading_inverts_eight_bit_writing(tmp_path, picture):
    write_image(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(to_uint8(read_image_float(tmp_path / "a.png")), picture)


def test_a_truncated_image_is_named(tmp_path, picture):
    path = tmp_path / "a.png"
    write_image(path, picture)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match=r"a\.png: the image is damaged or cut short"):
        read_image(path)


def test_wrong_arguments_are_refused(tmp_path, picture):
    with pytest.raises(ValueError, match=r"\.png"):
        write_image(tmp_path / "a.bmp", picture)
    with pytest.raises(ValueError, match="expected"):
        write_image(tmp_path / "a.png", picture[..., :2])
    with pytest.raises(TypeError, match="int64"):
        write_image(tmp_path / "a.png", picture.astype(np.int64))
