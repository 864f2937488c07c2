"""Photographs of messages: colors come out right whatever their encoding, and what is none says so."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from splatkit.io.recordings.images import UnreadableImageError, read_picture

# Half red, half blue, so that an exchange of both shows; even sizes, as Bayer patterns have.
RGB = np.zeros((16, 24, 3), np.uint8)
RGB[:, :12], RGB[:, 12:] = (200, 60, 20), (20, 90, 210)


def message(encoding, pixels, padding=0):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return SimpleNamespace(
        encoding=encoding, height=16, width=24, step=rows.shape[1], data=rows.reshape(-1), is_bigendian=0
    )


def decoded(content):
    picture = read_picture("sensor_msgs/Image", content)
    assert picture.suffix == ".png"
    assert picture.gray.shape == (16, 24)
    with Image.open(io.BytesIO(picture.file)) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, np.full((16, 24), 255, np.uint8)])),
        ("bgra8", np.dstack([RGB[..., ::-1], np.full((16, 24), 255, np.uint8)])),
    ],
)
def test_colors_come_out_in_their_order(encoding, pixels):
    np.testing.assert_array_equal(decoded(message(encoding, pixels, padding=8)), RGB)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_are_named_by_their_first_pixels(pattern):
    """A mosaic by the definition: of each pixel the color that the pattern has there."""
    mosaic = np.zeros((16, 24), np.uint8)
    for place, color in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = RGB[place // 2 :: 2, place % 2 :: 2, "rgb".index(color)]
    found = decoded(message(f"bayer_{pattern}8", mosaic))
    np.testing.assert_array_equal(found[4:12, 3:8], RGB[4:12, 3:8])  # away from edges, where colors mix
    np.testing.assert_array_equal(found[4:12, 16:21], RGB[4:12, 16:21])


@pytest.mark.parametrize(("encoding", "order"), [("uyvy", (0, 1)), ("yuv422_yuy2", (1, 0))])
def test_luma_and_chroma_are_not_exchanged(encoding, order):
    """Red by BT.601: Y 82, U 90, V 240."""
    chroma = np.tile(np.array([90, 240], np.uint8), (16, 12))
    pair = np.stack([chroma, np.full_like(chroma, 82)], -1)[..., list(order)]
    found = decoded(message(encoding, pair))
    assert (found[..., 0] > 230).all()
    assert (found[..., 1:] < 30).all()


def test_sixteen_bits_stay():
    wide = np.arange(16 * 24, dtype="<u2").reshape(16, 24) * 150
    np.testing.assert_array_equal(decoded(message("mono16", wide)), wide)


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png")])
def test_compressed_files_stay_byte_for_byte(kind, suffix):
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind)
    content = SimpleNamespace(format=f"rgb8; {kind.lower()} compressed bgr8", data=buffer.getvalue())
    picture = read_picture("sensor_msgs/CompressedImage", content)
    assert (picture.file, picture.suffix) == (buffer.getvalue(), suffix)


def test_what_holds_no_photograph_says_why():
    depth = message("16UC1", np.zeros((16, 24), np.uint16))
    cut = message("rgb8", RGB)
    cut.data = cut.data[:-1]
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, RGB.shape).astype(np.uint8)).save(buffer, "JPEG")
    for kind, content, reason in [
        ("sensor_msgs/Image", depth, "encoding '16UC1'"),
        ("sensor_msgs/Image", cut, "cut short"),
        ("sensor_msgs/CompressedImage", SimpleNamespace(format="16UC1; compressedDepth", data=b"12"), "holds depths"),
        ("sensor_msgs/CompressedImage", SimpleNamespace(format="jpeg", data=buffer.getvalue()[:300]), "is damaged"),
        ("sensor_msgs/CompressedImage", SimpleNamespace(format="jpeg", data=b""), "is damaged"),
    ]:
        with pytest.raises(UnreadableImageError, match=reason):
            read_picture(kind, content)
