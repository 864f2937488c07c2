"""Raw files of cameras (DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2 and others), developed by LibRaw (the extra `raw`).

All are developed alike, so that brightness differs between photographs only as exposures did: the camera's white
balance, the white level that the file states, no automatic brightness, sRGB, 8 bits, upright. Most raw files are TIFFs
whose first image is a small preview; that is never what is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.photographs.kinds import RAW, RAW_SUFFIXES

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DNG_VERSION = 50706  # the tag that makes a TIFF a DNG
_TURNED_BY_90_DEG = (5, 6)  # LibRaw's words for how the sensor stood
_SRGB_GAMMA = (2.4, 12.92)  # power, and slope of the straight part


def is_raw(path: Path) -> bool:
    """By its suffix; a TIFF that states to be a DNG is one whatever it is called."""
    return path.suffix.lower() in RAW_SUFFIXES or (_is_tiff(path) and _has_dng_version(path))


def raw_size(path: Path) -> tuple[int, int]:
    """(width, height) in px of the developed image, from the header.

    Raises:
        DatasetError: rawpy is not installed, or the file is damaged or of an unknown camera; names the file.
    """
    with _opened(path) as raw:
        width, height = raw.sizes.iwidth, raw.sizes.iheight
        return (height, width) if raw.sizes.flip in _TURNED_BY_90_DEG else (width, height)


def develop_raw(path: Path, half_size: bool = False) -> NDArray[np.uint8]:
    """The developed image, [H, W, 3] sRGB, upright.

    Args:
        path: of the file.
        half_size: every 2 x 2 pixels of the sensor become one, which is much faster.

    Raises:
        DatasetError: see `raw_size`.
    """
    with _opened(path) as raw:
        image = raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,  # else the white level follows what a photograph shows
            gamma=_SRGB_GAMMA,
            half_size=half_size,
        )
    return np.asarray(image, dtype=np.uint8)


def raw_preview(path: Path) -> bytes | None:
    """The JPEG that a camera put into its raw file, whole; None where there is none.

    Raises:
        DatasetError: see `raw_size`.
    """
    import rawpy

    with _opened(path) as raw:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            return None
        return bytes(preview.data) if preview.format == rawpy.ThumbFormat.JPEG else None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import rawpy
    except ImportError as error:
        raise DatasetError(f"{path}: raw files of cameras are read by rawpy; install it by {RAW.advice}") from error
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with rawpy.imread(str(path)) as raw:
            yield raw
    except (rawpy.LibRawError, rawpy.NotSupportedError, ValueError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise DatasetError(
            f"{path}: not a raw file that LibRaw reads, or damaged ({reason}); else convert it to a .dng or .jpg"
        ) from error


def _is_tiff(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _TIFF_HEADS


def _has_dng_version(path: Path) -> bool:
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            return _DNG_VERSION in page.tags
    except (tifffile.TiffFileError, ValueError, IndexError, OSError, AttributeError):
        return False  # a damaged TIFF, as who reads it says
