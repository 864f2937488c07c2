"""Images with more than 8 bits in a sample: PNG, TIFF and HEIF, and what Pillow opens beside them.

Pillow keeps the upper 8 bits of each of three 16-bit samples, cuts 16 bits of gray off at 255, and does not open TIFFs
of floats with colors at all. Here samples come back as they are stored, with the value that stands for white.
"""

import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.photographs.heif import is_heif, read_wide_heif
from splatkit.io.photographs.samples import WidePixels

_TIFFFILES_CODECS = "imagecodecs"  # the library that tifffile leaves most ways of compression to
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_BITS_AT, _PNG_KIND_AT, _PNG_GRAY = 24, 25, 0
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha in a TIFF: colors multiplied by it, or not
_COLOR_SAMPLES = {"MINISWHITE": 1, "MINISBLACK": 1, "PALETTE": 1, "RGB": 3, "SEPARATED": 4}
_CONTAINERS = (2**8 - 1, 2**16 - 1)  # ranges that programs store in integers of 32 bits


def is_tiff(path: Path) -> bool:
    """By its first bytes, not by its name."""
    return _head(path).startswith(_TIFF_HEADS)


def tiff_size(path: Path) -> tuple[int, int]:
    """(width, height) in px of a TIFF's first image."""
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        return int(page.imagewidth), int(page.imagelength)


def read_wide_pixels(path: Path) -> WidePixels | None:
    """Samples of an image that has more than 8 bits in one; None where 8 bits hold all of it.

    Raises:
        DatasetError: of a kind that has no 8-bit counterpart, damaged, or compressed in a way that is not known; names
            the file.
    """
    head = _head(path)
    if head.startswith(_PNG_HEAD):
        return _png(path) if head[_PNG_BITS_AT : _PNG_BITS_AT + 1] == b"\x10" else None
    if head.startswith(_TIFF_HEADS):
        return _tiff(path)
    if is_heif(path):
        return read_wide_heif(path)
    with Image.open(path) as image:
        if not image.mode.startswith(("I", "F")):
            return None
        samples = np.asarray(image)[..., None]
        is_16_bit = image.mode.startswith("I;16") or image.format == "PPM"
        return WidePixels(samples, _CONTAINERS[1] if is_16_bit and image.mode != "F" else _white(samples, path))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_PNG_KIND_AT + 1)


def _png(path: Path) -> WidePixels:
    samples = _decode(path)
    if samples is None or samples.dtype != np.uint16:
        raise DatasetError(f"{path}: the image is damaged or cut short")
    with Image.open(path) as image:
        see_through = image.info.get("transparency")
    if samples.ndim == 2 and isinstance(see_through, int):  # one gray that is transparent
        alpha = np.where(samples == see_through, 0, _CONTAINERS[1]).astype(np.uint16)
        return WidePixels(np.stack([samples, alpha], axis=-1), _CONTAINERS[1])
    return WidePixels(np.atleast_3d(samples), _CONTAINERS[1])


def _decode(path: Path) -> NDArray[Any] | None:
    """Samples by OpenCV, in the order RGB; not by its own reading of files, which fails on some names."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim == 2:
        return pixels
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _tiff(path: Path) -> WidePixels | None:
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            if page.dtype is not None and page.dtype.itemsize == 1:
                return None
            return _colors(_tiff_samples(page, path), page, path)
    except NotImplementedError as error:  # whole, but of a kind that the library knows and does not read
        raise DatasetError(f"{path}: this kind of TIFF is not read ({error}); save it as a PNG") from error
    except (tifffile.TiffFileError, ValueError, IndexError, OSError, zlib.error) as error:
        raise DatasetError(f"{path}: the image is damaged or cut short ({error})") from error


def _tiff_samples(page: Any, path: Path) -> NDArray[Any]:
    """[H, W, S] as stored."""
    try:
        samples = np.asarray(page.asarray())
    except (ValueError, NotImplementedError) as error:  # either is what it says of a codec that is not installed
        if _TIFFFILES_CODECS not in str(error):
            raise
        decoded = _decode(path)
        if decoded is None or decoded.dtype != page.dtype:
            raise DatasetError(
                f"{path}: this TIFF's compression is not read ({error}); save it uncompressed or as a PNG"
            ) from error
        # OpenCV puts 10 to 14 packed bits into the upper ones of 16.
        samples = decoded >> (16 - page.bitspersample) if page.bitspersample in (10, 12, 14) else decoded
    if (
        samples.ndim == 3
        and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        and len(samples) == page.samplesperpixel
    ):
        samples = np.moveaxis(samples, 0, -1)
    return samples if samples.ndim == 3 else samples[..., None]


def _colors(samples: NDArray[Any], page: Any, path: Path) -> WidePixels:
    kind = getattr(page.photometric, "name", str(page.photometric))
    count = _COLOR_SAMPLES.get(kind)
    if count is None or samples.ndim != 3 or samples.shape[2] < count:
        raise DatasetError(f"{path}: {samples.dtype} samples of the kind {kind} are not read; save it as RGB")
    if samples.shape[2] > count + 1:
        raise DatasetError(f"{path}: has {samples.shape[2]} channels; expected gray or RGB, with or without alpha")
    if kind == "PALETTE":
        return WidePixels(np.moveaxis(page.colormap, 0, -1)[samples[..., 0]], _CONTAINERS[1])
    white = _tiff_white(samples[..., :count], page, path)
    colors, rest = samples[..., :count], samples[..., count:]
    if kind == "MINISWHITE":
        colors = white - colors.astype(np.float64)
    elif kind == "SEPARATED":  # ink on white paper
        colors = (white - colors[..., :3].astype(np.float64)) * (1 - colors[..., 3:] / white)
    alpha_kind = page.extrasamples[0] if rest.shape[2] and page.extrasamples else 0
    if alpha_kind == _ASSOCIATED:
        colors = np.clip(colors * np.divide(white, rest, out=np.zeros(rest.shape), where=rest > 0), 0, white)
    elif alpha_kind != _UNASSOCIATED:
        return WidePixels(colors, white)
    return WidePixels(np.concatenate([colors, rest], axis=-1), white)


def _tiff_white(samples: NDArray[Any], page: Any, path: Path) -> float:
    """Of 12 bits that were stored as such 4095."""
    if samples.dtype.kind == "u" and page.bitspersample < 32:
        return float(2**page.bitspersample - 1)
    return _white(samples, path)


def _white(samples: NDArray[Any], path: Path) -> float:
    """Of floats 1; of integers the largest, but 32 bits are also what programs keep 8 and 16 bits in."""
    if samples.dtype.kind == "f":
        return 1.0
    most = float(samples.max(initial=0))
    if samples.dtype.itemsize > 2:
        fitting = next((white for white in _CONTAINERS if most <= white), None)
        if fitting is not None:
            return float(fitting)
    white = float(np.iinfo(samples.dtype).max)
    if samples.dtype.itemsize > 2 and most < white / 510:  # all of it would be black
        raise DatasetError(
            f"{path}: holds {samples.dtype} values up to {most:g}, which stand for no known range of "
            "brightness; save it with 16 bits, 0 to 65535"
        )
    return white
