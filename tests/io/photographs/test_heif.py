"""HEIF photographs, written by pillow-heif: pixels, depths of samples, rotations, several in a file, damage."""

import sys

import numpy as np
import pytest
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.images import (
    image_orientation,
    image_size,
    is_plain,
    read_image,
    read_image_float,
    read_mask,
    read_preview,
)
from splatkit.io.listing import list_photographs
from splatkit.io.photographs.heif import count_images

pytest.importorskip("pi_heif", reason="pi-heif is not installed: pip install 'splatkit[heif]'")
pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif, which writes test files, is not installed")


def picture(width=96, height=64) -> np.ndarray:
    """[H, W, 3] uint8, smooth, each edge different."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 2, rows * 3, np.where(columns < 20, 220, 30)], axis=-1).astype(np.uint8)


def save(path, image, orientation=None):
    file = pillow_heif.from_pillow(Image.fromarray(image))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file.save(path, quality=-1, chroma=444, exif=exif.tobytes())
    return path


def test_pixels_come_back_in_every_way_of_reading(tmp_path):
    path = save(tmp_path / "IMG_1.HEIC", picture())
    assert image_size(path) == (96, 64)
    np.testing.assert_allclose(read_image(path), picture(), atol=3)  # RGB to YCbCr and back rounds
    np.testing.assert_allclose(read_image_float(path) * 255, picture(), atol=3)
    np.testing.assert_array_equal(read_preview(path, 1280), read_image(path))
    assert read_mask(path).shape == (64, 96)
    assert not is_plain(path)
    assert list_photographs(tmp_path) == [path]


def test_a_heif_file_called_jpg_is_read(tmp_path):
    path = save(tmp_path / "a.jpg", picture())
    np.testing.assert_allclose(read_image(path), picture(), atol=3)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_rotations_are_applied_once(tmp_path, orientation):
    """The encoder turns what EXIF says into the container's own rotation, as phones write it."""
    path = save(tmp_path / "a.heic", picture(), orientation)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]  # by 90 deg, counterclockwise
    expected = np.rot90(picture(), turns)
    assert image_size(path) == expected.shape[1::-1]
    np.testing.assert_allclose(read_image(path), expected, atol=3)
    assert image_orientation(path) == 1


def test_10_bits_are_not_cut_to_8(tmp_path):
    samples = np.tile(np.linspace(0, 65535, 512).astype(np.uint16), (64, 1))
    image = pillow_heif.from_bytes(
        mode="RGB;16", size=(512, 64), data=np.stack([samples] * 3, axis=-1).astype("<u2").tobytes()
    )
    image.save(tmp_path / "a.heic", quality=-1, chroma=444)
    read = read_image_float(tmp_path / "a.heic")
    assert len(np.unique(read[..., 1])) > 300  # 8 bits have 256 levels
    np.testing.assert_allclose(read[..., 1], samples / 65535, atol=3 / 1023)
    np.testing.assert_allclose(read_image(tmp_path / "a.heic")[..., 1], samples / 257, atol=1.5)


def test_of_several_images_the_primary_one_is_taken(tmp_path):
    file = pillow_heif.from_pillow(Image.fromarray(picture()))
    file.add_from_pillow(Image.fromarray(255 - picture()))
    file.save(tmp_path / "a.heic", quality=-1, chroma=444, primary_index=1)
    np.testing.assert_allclose(read_image(tmp_path / "a.heic"), 255 - picture(), atol=3)
    assert count_images(tmp_path / "a.heic") == 2
    assert count_images(save(tmp_path / "b.heic", picture())) == 1


@pytest.mark.parametrize("kept", [24, 200, 0.5, 0.95])
def test_files_cut_short_are_named(tmp_path, kept):
    whole = save(tmp_path / "a.heic", np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)).read_bytes()
    (tmp_path / "a.heic").write_bytes(whole[: int(kept if kept >= 1 else len(whole) * kept)])
    with pytest.raises(DatasetError, match=r"a\.heic: (not a readable image|the image is damaged)"):
        read_image(tmp_path / "a.heic")


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "a.heic", picture())
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert list_photographs(tmp_path) == []
    with pytest.raises(DatasetError, match=r"a\.heic: .* by pi-heif; install it by pip install 'splatkit\[heif\]'"):
        read_image(path)
