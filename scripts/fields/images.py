"""Images as functions of the position, read tile by tile where they are huge."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from splatkit.encodings.encoded_field import Draw
from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.images import read_image

_ROWS = 1 << 16  # pixels rendered at a time
_PICTURE_PX = 1600  # longest side of a half of the picture of both


def open_pixels(path: Path, cache: Path) -> NDArray[np.uint8]:
    """The pixels of an image, [H, W, 3].

    A TIFF is unpacked tile by tile into the file `cache`, of which memory then holds what is in use; it may be larger
    than the memory. Other formats can only be decoded as a whole.

    Raises:
        OSError, DatasetError: the image cannot be read, or is too large for its format.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        if not cache.is_file():
            with atomic_file(cache) as temporary:
                _unpack_tiff(path, temporary)
        return np.load(cache, mmap_mode="r")
    return np.ascontiguousarray(read_image(path)[..., :3])


def _unpack_tiff(path: Path, target: Path) -> None:
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            if page.dtype != np.uint8 or page.samplesperpixel not in (3, 4) or page.planarconfig != 1:
                raise DatasetError(f"{path}: expected 8 bits and red, green, blue side by side in each pixel")
            shape = (page.imagelength, page.imagewidth, 3)
            pixels = np.lib.format.open_memmap(target, "w+", np.uint8, shape)
            for tile, place, size in page.segments():
                if tile is not None:  # none: left out by the writer, black
                    top, left = place[-3:-1]
                    rows, columns = (min(size[-3], shape[0] - top), min(size[-2], shape[1] - left))
                    pixels[top : top + rows, left : left + columns] = tile[0, :rows, :columns, :3]
            pixels.flush()
    except (tifffile.TiffFileError, ValueError, IndexError) as error:
        raise DatasetError(f"{path}: not a readable TIFF ({error})") from error


def pixel_centers(rows: Tensor, columns: Tensor, longest: int) -> Tensor:
    """[N, 2] centers of pixels as fractions of the longer side: cells stay square."""
    return torch.stack([columns + 0.5, rows + 0.5], -1) / longest


def draw_pixels(image: NDArray[np.uint8], batch: int) -> Draw:
    """Random pixels: places in the unit square and colors in [0, 1]."""
    height, width = image.shape[:2]

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(height, (batch,), generator=generator)
        columns = torch.randint(width, (batch,), generator=generator)
        colors = torch.from_numpy(image[rows.numpy(), columns.numpy()]).float() / 255
        return pixel_centers(rows, columns, max(height, width)), colors

    return draw


@torch.no_grad()
def squared_error(field: nn.Module, image: NDArray[np.uint8]) -> float:
    """Mean over all pixels, a band of rows at a time."""
    height, width = image.shape[:2]
    band = max(_ROWS // width, 1)
    total = 0.0
    for top in range(0, height, band):
        rows = torch.arange(top, min(top + band, height))
        colors = _render(field, rows, torch.arange(width), max(height, width))
        target = torch.from_numpy(image[top : top + band].astype(np.float32)) / 255
        total += (colors - target).square().sum().item()
    return total / image.size


@torch.no_grad()
def side_by_side(field: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[h, 2 w, 3]: the image and its fit, thinned out to a size that people look at."""
    height, width = image.shape[:2]
    step = max(-(-max(height, width) // _PICTURE_PX), 1)
    fit = _render(field, torch.arange(0, height, step), torch.arange(0, width, step), max(height, width)).numpy()
    return np.concatenate([image[::step, ::step].astype(np.float32) / 255, fit], 1)


def _render(field: nn.Module, rows: Tensor, columns: Tensor, longest: int) -> Tensor:
    """[rows, columns, 3] in [0, 1]."""
    grid = torch.meshgrid(rows, columns, indexing="ij")
    positions = pixel_centers(grid[0].reshape(-1), grid[1].reshape(-1), longest)
    colors = torch.cat([field(part) for part in positions.split(_ROWS)])
    return colors.clamp(0, 1).reshape(len(rows), len(columns), 3)
