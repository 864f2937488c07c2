"""Images of all bit depths, byte orders and kinds of colors become the 8-bit values that went in."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.images import image_size, is_plain, read_image, read_image_float, read_mask

SIZE = (7, 11)  # height, width


def picture(channels: int, seed: int = 0) -> np.ndarray:
    shape = SIZE if channels == 1 else (*SIZE, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wide_png(path: Path, samples: np.ndarray, transparent: bytes = b"") -> None:
    """A 16-bit PNG by hand: gray, gray + alpha, RGB, RGBA."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if samples.ndim == 2 else samples.shape[2]]
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [chunk(b"IHDR", head), chunk(b"tRNS", transparent) if transparent else b""]
    chunks += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def expected(values: np.ndarray) -> np.ndarray:
    """What gray, gray + alpha, RGB and RGBA of 8 bits are as RGB(A)."""
    values = np.atleast_3d(values)
    return values if values.shape[2] > 2 else values[..., [0, 0, 0, 1][: values.shape[2] + 2]]


def test_16_bit_gray_is_not_cut_to_white(tmp_path):
    """Source: Pillow #3011, #2574, #5991."""
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(gray * 257).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), gray[..., None].repeat(3, axis=2))


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 4), offset=st.integers(-128, 128), seed=st.integers(0, 99))
def test_16_bit_pngs_round_to_the_nearest(tmp_path_factory, channels, offset, seed):
    path = tmp_path_factory.mktemp("png") / "a.png"
    values = picture(channels, seed)
    wide_png(path, np.clip(values.astype(int) * 257 + offset, 0, 65535).astype(np.uint16))
    np.testing.assert_array_equal(read_image(path), expected(values))
    assert not is_plain(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_of_16_bits(tmp_path, channels):
    values = picture(channels)
    samples = values.astype(np.uint16) * 257
    wide_png(tmp_path / "a.png", samples, samples[0, 0].astype(">u2").tobytes())
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read[..., :3], expected(values))
    assert read[0, 0, 3] == 0
    assert read[..., 3].max() == 255


SCALES = {"u2": 65535, "u4": 2**32 - 1, "i4": 2**31 - 1, "f2": 1, "f4": 1, "f8": 1}


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(SCALES)),
    channels=st.sampled_from([1, 3, 4]),
    order=st.sampled_from("<>"),
    planar=st.booleans(),
    compression=st.sampled_from([None, "zlib"]),
    tiled=st.booleans(),
    inverted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_tiffs_of_any_depth_and_byte_order(
    tmp_path_factory, kind, channels, order, planar, compression, tiled, inverted, seed
):
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    values = picture(channels, seed)
    values.flat[0] = 255  # 32-bit integers tell their range by their largest
    stored = np.round(values / 255.0 * SCALES[kind]) if SCALES[kind] > 1 else values / 255.0
    inverted = inverted and channels == 1 and SCALES[kind] > 1
    if inverted:
        stored = SCALES[kind] - stored
        stored.flat[1] = SCALES[kind]
        values.flat[1] = 0
    photometric = "rgb" if channels > 1 else "miniswhite" if inverted else "minisblack"
    planar = planar and channels > 1
    tifffile.imwrite(
        path,
        np.moveaxis(stored, 2, 0).astype(kind) if planar else stored.astype(kind),
        byteorder=order,
        photometric=photometric,
        planarconfig="separate" if planar else "contig",
        compression=compression,
        tile=(16, 16) if tiled else None,
        extrasamples=["unassalpha"] if channels == 4 else None,
    )
    np.testing.assert_allclose(read_image(path).astype(int), expected(values), atol=0 if kind != "f2" else 1)
    np.testing.assert_allclose(read_image_float(path), expected(values) / 255, atol=5e-4 if kind == "f2" else 8e-6)
    assert image_size(path) == SIZE[::-1]


@pytest.mark.parametrize("white", [255, 65535])
def test_integers_of_32_bits_hold_what_programs_put_there(tmp_path, white):
    values = picture(1)
    values[0, 0] = 255
    Image.fromarray(values.astype(np.int32) * (white // 255)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected(values))


def test_compressed_tiffs(tmp_path):
    gray, rgb = picture(1).astype(np.uint16) * 257, picture(3).astype(np.uint16) * 257
    Image.fromarray(gray).save(tmp_path / "gray.tif", compression="tiff_lzw")
    cv2.imwrite(str(tmp_path / "rgb.tif"), rgb[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_array_equal(read_image(tmp_path / "gray.tif"), expected(picture(1)))
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.tif"), picture(3))


@settings(max_examples=25, deadline=None)
@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]),
    suffix=st.sampled_from([".png", ".tif"]),
    seed=st.integers(0, 99),
)
def test_what_pillow_writes_comes_back(tmp_path_factory, mode, suffix, seed):
    path = tmp_path_factory.mktemp("pillow") / f"a{suffix}"
    if mode == "I;16":
        gray = picture(1, seed)
        shown, image = expected(gray), Image.fromarray(gray.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(picture(3, seed)).convert(mode)
        shown = np.asarray(image.convert("RGBA" if mode in ("LA", "RGBA") else "RGB"))
    if mode == "CMYK":
        path = path.with_suffix(".tif")
    image.save(path)
    np.testing.assert_array_equal(read_image(path), shown)


def test_a_palette_with_transparency(tmp_path):
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0, 128]))
    read = read_image(tmp_path / "a.png")
    assert read[0].tolist() == [[10, 20, 30, 255], [40, 50, 60, 0], [70, 80, 90, 128]]


def test_inks_and_alpha_of_16_bits(tmp_path):
    inks = np.zeros((*SIZE, 4), np.uint16)
    inks[..., 0], inks[..., 3] = 65535, 257 * 51  # cyan and a fifth of black
    tifffile.imwrite(tmp_path / "cmyk.tif", inks, photometric="separated")
    assert read_image(tmp_path / "cmyk.tif")[0, 0].tolist() == [0, 204, 204]
    premultiplied = np.full((*SIZE, 4), 257 * 40, np.uint16)
    premultiplied[..., 3] = 257 * 100
    tifffile.imwrite(tmp_path / "alpha.tif", premultiplied, photometric="rgb", extrasamples=["assocalpha"])
    assert read_image(tmp_path / "alpha.tif")[0, 0].tolist() == [102, 102, 102, 100]


def test_floats_outside_of_0_to_1_are_refused_unless_their_range_is_given(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(1).astype(np.float32))
    with pytest.raises(DatasetError, match=r"a\.tif: its values lie between .* outside of \[0, 1\]; scale"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, (0, 255)), expected(picture(1)))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(SIZE, np.nan, np.float32), "NaN or infinity"),
        (np.full(SIZE, -5, np.int16), r"lie between -5"),
        (np.full(SIZE, 300_000, np.uint32), "no known range"),
        (np.zeros((*SIZE, 5), np.uint16), "5 channels"),
    ],
)
def test_what_has_no_8_bit_counterpart_is_refused_by_name(tmp_path, samples, message):
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="minisblack" if samples.ndim == 2 else "rgb")
    with pytest.raises(DatasetError, match=rf"a\.tif: .*{message}"):
        read_image(tmp_path / "a.tif")


def test_kinds_that_are_not_read_are_not_called_damaged(tmp_path):
    (tmp_path / "a.jxl").write_bytes(b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(100))
    with pytest.raises(DatasetError, match=r"a\.jxl: an image of a kind that is not read \(\.jxl\); convert it"):
        read_image(tmp_path / "a.jxl")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_masks_of_any_depth(tmp_path, dtype):
    mask = picture(1) > 100
    tifffile.imwrite(tmp_path / "a.tif", mask.astype(dtype))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), mask)


def test_more_pixels_than_can_be_held_are_too_large_not_damaged(tmp_path):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b""))
    with pytest.raises(DatasetError, match="40000x40000 px is too large"):
        read_image(tmp_path / "a.png")


def test_12_bits_packed_in_a_tiff(tmp_path):
    """Two samples in three bytes, as machine-vision cameras write them: white is 4095."""
    values = picture(1)[:6, :8]
    deep = np.round(values / 255 * 4095).astype(np.uint16).reshape(-1, 2)
    packed = np.stack([deep[:, 0] >> 4, (deep[:, 0] & 15) << 4 | deep[:, 1] >> 8, deep[:, 1] & 255], 1).astype(np.uint8)
    tags = [(256, 8), (257, 6), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 6), (279, packed.size)]
    head = b"II*\0" + struct.pack("<I", 8 + packed.size) + packed.tobytes()
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "a.tif").write_bytes(head + struct.pack("<H", len(tags)) + entries + bytes(4))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected(values))


@pytest.mark.filterwarnings("ignore:Truncated File Read|Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["png", "plain", "zlib", "tiled"])
def test_what_is_cut_short_is_named(tmp_path, kind, share):
    path = tmp_path / ("a.png" if kind == "png" else "a.tif")
    samples = np.random.default_rng(0).integers(0, 65536, (60, 80, 3), dtype=np.uint16)
    if kind == "png":
        wide_png(path, samples)
    else:
        compression, tile = "zlib" if kind == "zlib" else None, (32, 32) if kind == "tiled" else None
        tifffile.imwrite(path, samples, photometric="rgb", compression=compression, tile=tile)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DatasetError, match=rf"{path.name}: (the image is damaged or cut short|not a readable image)"):
        read_image(path)


def test_a_kind_of_tiff_that_is_not_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(page, **options):
        raise NotImplementedError("a predictor of its own")

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint16), photometric="rgb")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    with pytest.raises(DatasetError, match=r"a\.tif: this kind of TIFF is not read \(a predictor of its own\); save"):
        read_image(tmp_path / "a.tif")
