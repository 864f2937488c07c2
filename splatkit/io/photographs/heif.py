"""HEIF photographs (.heic, .heif, .hif), as iPhones and newer cameras store them, by pi-heif (the extra `heif`).

The container states by itself how an image is to be turned, and the decoder does it: pixels come upright, and EXIF's
orientation, which says the same once more, does not count. Of several images in a file the primary one is taken. Gain
maps, which brighten an image on HDR displays, depth maps and thumbnails are not images.
Format: ISO/IEC 23008-12.
"""

from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.photographs.kinds import HEIF
from splatkit.io.photographs.samples import WidePixels

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def is_heif(path: Path) -> bool:
    """By its first bytes, not by its name."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def open_heif(path: Path) -> Image.Image:
    """The primary image, 8 bits, upright; pixels are decoded when they are asked for.

    Raises:
        DatasetError: pi-heif is not installed.
        ValueError, SyntaxError, OSError: the file is damaged.
    """
    return _library(path).HeifImageFile(path)


def count_images(path: Path) -> int:
    """How many images a HEIF file holds, as bursts do; 1 of any other file."""
    if not is_heif(path):
        return 1
    with open_heif(path) as image:
        return int(getattr(image, "n_frames", 1))


def read_wide_heif(path: Path) -> WidePixels | None:
    """Samples of an image with 10 or 12 bits; None of one with 8.

    Raises:
        DatasetError: pi-heif is not installed.
        ValueError, OSError: the file is damaged.
    """
    try:
        file = _library(path).open_heif(path, convert_hdr_to_8bit=False)
        bits = int(file.info.get("bit_depth", 8))
        if bits <= 8:
            return None
        samples = np.asarray(file)
    except (RuntimeError, EOFError, SyntaxError) as error:
        raise ValueError(str(error)) from error
    return WidePixels(np.atleast_3d(samples) >> (16 - bits), float(2**bits - 1))


def _library(path: Path) -> ModuleType:
    try:
        import pi_heif
    except ImportError as error:
        raise DatasetError(f"{path}: HEIF photographs are read by pi-heif; install it by {HEIF.advice}") from error
    return pi_heif
