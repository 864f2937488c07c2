"""Raw files: a DNG written byte by byte is developed, never read as its preview; and what EXIF in it says."""

import sys

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.images import image_orientation, image_size, is_plain, read_image, read_image_float, read_preview
from splatkit.io.listing import beside_photographs, list_photographs
from splatkit.io.photographs.exif import focal_px, gps_fix
from tests.io.photographs.dng import ASCII, BYTE, RATIONAL, Entry, degrees, rational, write_dng

pytest.importorskip("rawpy", reason="rawpy is not installed: pip install 'splatkit[raw]'")


def light(width=96, height=64) -> np.ndarray:
    """[H, W, 3] linear light, smooth, each edge different."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([0.1 + columns / width / 2, 0.1 + rows / height / 2, 0.6 - columns / width / 3], axis=-1)


def encoded(linear: np.ndarray) -> np.ndarray:
    """sRGB of 0 to 255. Source: IEC 61966-2-1."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def inside(image: np.ndarray) -> np.ndarray:
    return image[6:-6, 6:-6].astype(np.float64)


def test_colors_come_out_as_srgb(tmp_path):
    path = write_dng(tmp_path / "a.dng", light())
    assert image_size(path) == (96, 64)
    np.testing.assert_allclose(inside(read_image(path)), inside(encoded(light())), atol=2.5)
    np.testing.assert_allclose(read_image_float(path) * 255, read_image(path), atol=1e-3)
    assert not is_plain(path)
    assert max(read_preview(path, 1280).shape) == 96
    assert max(read_preview(path, 40).shape) == 48


def test_exposure_does_not_follow_what_a_photograph_shows(tmp_path):
    dim = write_dng(tmp_path / "a.dng", light() / 4)
    np.testing.assert_allclose(inside(read_image(dim)), inside(encoded(light() / 4)), atol=2.5)
    almost = write_dng(tmp_path / "b.dng", light() * 1.4)  # where LibRaw by itself would stretch to white
    np.testing.assert_allclose(inside(read_image(almost)), inside(encoded(light() * 1.4)), atol=2.5)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_photographs_are_turned_once(tmp_path, orientation, turns):
    path = write_dng(tmp_path / "a.dng", light(), orientation)
    expected = np.rot90(encoded(light()), turns)
    assert image_size(path) == expected.shape[1::-1]
    np.testing.assert_allclose(inside(read_image(path)), inside(expected), atol=2.5)
    assert image_orientation(path) == 1


def test_a_dng_under_another_name_is_not_its_preview(tmp_path):
    path = write_dng(tmp_path / "a.tif", light(), preview=np.full((8, 12, 3), 255, np.uint8))
    assert image_size(path) == (96, 64)
    np.testing.assert_allclose(inside(read_image(path)), inside(encoded(light())), atol=2.5)


def test_exif_of_a_raw_file(tmp_path):
    gps: list[Entry] = [
        (1, ASCII, list(b"S\0")),
        (2, RATIONAL, degrees(33.8568)),
        (3, ASCII, list(b"E\0")),
        (4, RATIONAL, degrees(151.2153)),
        (5, BYTE, [0]),
        (6, RATIONAL, [rational(12.5)]),
        (31, RATIONAL, [rational(4.7)]),
    ]
    path = write_dng(tmp_path / "a.dng", light(), focal_35mm=26, gps=gps)
    assert focal_px(path, 96, 64) == pytest.approx(26 / np.hypot(36, 24) * np.hypot(96, 64))
    fix = gps_fix(path)
    assert fix is not None
    assert (fix.latitude, fix.longitude) == pytest.approx((-33.8568, 151.2153), abs=1e-7)
    assert (fix.altitude, fix.error_m) == pytest.approx((12.5, 4.7))
    silent = write_dng(tmp_path / "b.dng", light())
    assert (focal_px(silent, 96, 64), gps_fix(silent)) == (None, None)


def test_of_a_raw_file_and_its_developed_twin_the_latter_is_taken(tmp_path):
    for name in ("IMG_1.DNG", "img_1.jpg", "IMG_2.DNG", "IMG_2.xmp", "sub/IMG_2.JPG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listed = [path.relative_to(tmp_path).as_posix() for path in list_photographs(tmp_path, below=True)]
    assert sorted(listed) == ["IMG_2.DNG", "img_1.jpg", "sub/IMG_2.JPG"]
    beside = beside_photographs(tmp_path, "other")
    assert {path.name: reason.split(":")[0] for path, reason in beside.items()} == {
        "IMG_1.DNG": "left out, raw",
        "IMG_2.xmp": "other",
    }


@pytest.mark.parametrize("kept", [0, 8, 100, 4000])
def test_files_cut_short_are_named(tmp_path, kept):
    path = write_dng(tmp_path / "a.dng", light())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=r"a\.dng: not a raw file that LibRaw reads, or damaged"):
        read_image(path)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = write_dng(tmp_path / "a.tif", light())
    write_dng(tmp_path / "b.dng", light())
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert list_photographs(tmp_path) == [path]
    with pytest.raises(DatasetError, match=r"a\.tif: raw files .* install it by pip install 'splatkit\[raw\]'"):
        read_image(path)
    assert list(beside_photographs(tmp_path, "").values()) == [".dng is read by an extra: pip install 'splatkit[raw]'"]
