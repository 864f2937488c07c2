"""Images: 8-bit files on disk, uint8 or float32 in [0, 1] arrays in memory, always [H, W, C]."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file

# Where JPEG is asked for, errors stay below 1/255 rms.
_JPEG_QUALITY = 95


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in px from the file's header, without decoding the pixels."""
    with _open(path) as image:
        return image.size


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8 [H, W, 3] or, where it has transparency, [H, W, 4]."""
    with _open(path) as image:
        try:
            image.load()
        except (OSError, SyntaxError, ValueError) as error:  # PIL reports damage in all three ways
            raise DatasetError(f"{path}: the image is damaged or cut short ({error})") from error
        has_alpha = "A" in image.getbands() or "transparency" in image.info
        return np.array(image.convert("RGBA" if has_alpha else "RGB"))


def read_image_float(path: Path) -> NDArray[np.float32]:
    """Read an image as float32 in [0, 1], [H, W, 3 or 4], straight (not premultiplied) alpha."""
    return read_image(path).astype(np.float32) / 255


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask as [H, W]: True where an image of any kind is not black."""
    with _open(path) as image:
        try:
            return np.asarray(image.convert("L")) > 0
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(f"{path}: the mask is damaged or cut short ({error})") from error


def write_image(path: Path, image: NDArray[np.generic]) -> None:
    """Write a PNG or JPEG, by the suffix of `path`.

    Args:
        path: ends in .png, .jpg or .jpeg.
        image: [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], uint8 or float in [0, 1] (clamped and rounded).
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"{path}: expected a name ending in .png, .jpg or .jpeg")
    with atomic_file(path) as temporary:
        Image.fromarray(to_uint8(image)).save(temporary, quality=_JPEG_QUALITY)


def encode_image(image: NDArray[np.uint8], suffix: str) -> bytes:
    """A picture [H, W, 3] as the bytes of a .png, or of a .jpg that keeps colors as fine as brightness."""
    buffer = io.BytesIO()
    if suffix == ".png":
        Image.fromarray(image).save(buffer, "PNG")
    elif suffix == ".jpg":
        Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        raise ValueError(f"suffix: expected .png or .jpg, got {suffix!r}")
    return buffer.getvalue()


def to_uint8(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """8-bit version of an image: uint8 unchanged, float in [0, 1] clamped and rounded; a last axis of 1 is dropped."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise ValueError(f"image: expected [H, W] or [H, W, 1 / 3 / 4], got {list(image.shape)}")
    if image.dtype == np.uint8:
        return image.astype(np.uint8)
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"image: expected uint8 or float, got {image.dtype}")
    return np.clip(image.astype(np.float64) * 255 + 0.5, 0, 255).astype(np.uint8)


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise DatasetError(f"{path}: not a readable image ({error})") from error
