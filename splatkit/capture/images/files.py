"""The photographs of a folder: which there are, whether they can be read, how sharp they are, and which way is up."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.sharpness import LONGEST_SIDE, blur_width, reduced_gray, thumbnail
from splatkit.capture.left_out import kinds_left_out, left_out_of
from splatkit.errors import DatasetError
from splatkit.io.images import image_orientation, image_size, read_preview
from splatkit.io.listing import list_photographs
from splatkit.io.photographs.exif import GpsFix
from splatkit.io.photographs.geotags import geotag
from splatkit.io.photographs.heif import count_images
from splatkit.io.photographs.kinds import readable_suffixes
from splatkit.progress import Progress

# Direction of "up" in the stored pixels (x right, y down) for each orientation that EXIF knows.
_UP = {1: (0, -1), 2: (0, -1), 3: (0, 1), 4: (0, 1), 5: (-1, 0), 6: (-1, 0), 7: (1, 0), 8: (1, 0)}


@dataclass(frozen=True)
class ImageFile:
    """One image of a capture, its pixels as they are stored."""

    name: str  # path below its folder, with /
    path: Path
    width: int  # px
    height: int  # px
    blur_px: float  # see splatkit.capture.images.sharpness, of the image at most 1280 px long
    thumbnail: NDArray[np.float32]
    brightest: int = 255  # gray level, of the image at most 1280 px long
    up: tuple[int, int] = (0, -1)  # in the image, x right and y down, as EXIF tells it
    time: float | None = None  # s, of frames of a video
    images_inside: int = 1  # in the file, of which the primary one is used
    gps: GpsFix | None = None  # where it was taken, as EXIF or DJI's RTK tells it


def list_images(folder: Path) -> list[tuple[str, Path]]:
    """Names and paths of images in a folder and those below it, as people count: 2.jpg before 10.jpg.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of photographs")
    found = list_photographs(folder, below=True)
    if not found:
        kinds = kinds_left_out(left_out_of(folder, ()))
        expected = ", ".join(readable_suffixes())
        raise FileNotFoundError(
            f"{folder}: no photograph in this folder; expected {expected}" + (f"; {kinds}" if kinds else "")
        )
    return [(path.relative_to(folder).as_posix(), path) for path in found]


def read_image_files(images: Sequence[tuple[str, Path]], workers: int, progress: Progress) -> tuple[ImageFile, ...]:
    """Look at all images once: every pixel is decoded, so that a damaged file is found now and not after hours.

    Args:
        images: name and path of each.
        workers: threads.
        progress: shows a bar.

    Raises:
        DatasetError: an image cannot be read; names it.
    """
    pool = ThreadPoolExecutor(max(workers, 1))
    try:
        found = []
        with progress("reading photographs", len(images)) as advance:
            for image in pool.map(lambda image: _look_at(*image), images):
                found.append(image)
                advance(1)
        return tuple(found)
    finally:
        pool.shutdown(cancel_futures=True)


def blurred_among(blurs: dict[str, float]) -> list[str]:
    """Names of those much more blurred than the others are: over twice the median, and over 1.5 px."""
    if not blurs:
        return []
    limit = max(2 * float(np.median(list(blurs.values()))), 1.5)
    return [name for name, blur in blurs.items() if blur > limit]


def _look_at(name: str, path: Path) -> ImageFile:
    width, height = image_size(path)
    gray = reduced_gray(read_preview(path, LONGEST_SIDE))
    if min(gray.shape) < 8:
        raise DatasetError(f"{path}: an image of {width}x{height} px shows nothing")
    up = _UP[image_orientation(path)]
    return ImageFile(
        *(name, path, width, height, blur_width(gray), thumbnail(gray), int(gray.max()), up),
        images_inside=count_images(path),
        gps=geotag(path),
    )
