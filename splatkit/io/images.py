"""Images: files on disk, uint8 or float32 in [0, 1] arrays in memory, always [H, W, C].

Every step reads images here, so that all of them see the same values: of samples with more than 8 bits (16-bit gray
and colors, integers and floats of 32 bits) as well as of palettes, inks, single bits and transparency.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.wide_pixels import is_tiff, read_wide_pixels, tiff_size
from splatkit.io.photographs.heif import is_heif, open_heif
from splatkit.io.photographs.kinds import readable_suffixes
from splatkit.io.photographs.raw import develop_raw, is_raw, raw_size
from splatkit.io.photographs.samples import WidePixels

# Where JPEG is asked for, errors stay below 1/255 rms.
_JPEG_QUALITY = 95
_MOST_PIXELS = 1 << 30  # 3 GiB decoded; photographs of telephones have 200 megapixels
_EXIF_ORIENTATION = 0x0112
_ROUNDING = 1e-6  # of floats that were computed from others
_ON_THEIR_SIDE = range(5, 9)  # orientations that swap width and height
_TOO_LARGE = f"too large to read: more than {_MOST_PIXELS / 1e6:.0f} megapixels; make it smaller"
# Pillow takes an image of over 179 megapixels for an attack; the files here are the user's own.
Image.MAX_IMAGE_PIXELS = 2 * _MOST_PIXELS


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in px from the file's header, without decoding the pixels, as they are stored.

    HEIF and raw files are sized as they are turned: their decoders do that.

    Raises:
        DatasetError: no image, or too large; names the file.
    """
    if is_raw(path):
        return raw_size(path)
    try:
        with _open(path) as image:
            return image.size
    except DatasetError:
        if not is_tiff(path):
            raise
        try:
            return tiff_size(path)
        except (ValueError, IndexError, OSError) as error:
            raise DatasetError(f"{path}: not a readable image ({error})") from error


def image_orientation(path: Path) -> int:
    """How EXIF says that the pixels are to be turned, 1 to 8; 1, not at all, where it is silent or damaged.

    Of HEIF and raw files, which are read upright, it is 1.
    """
    if is_raw(path):
        return 1
    try:
        with _open(path) as image:
            value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except (DatasetError, OSError, SyntaxError, ValueError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def lies_on_its_side(path: Path) -> bool:
    """Whether EXIF says that the stored pixels are to be turned by 90 deg."""
    return image_orientation(path) in _ON_THEIR_SIDE


def turned_by_exif(path: Path, stated: tuple[float, float]) -> str:
    """What to add where an image's size (width, height) is not the stated one: whether EXIF is why, and the cure."""
    width, height = image_size(path)
    if tuple(stated) != (height, width) or not lies_on_its_side(path):
        return ""
    return (
        ". The size is that of the image as EXIF turns it, by 90 deg, but pixels are read as they are stored: turn the "
        "pixels themselves (mogrify -auto-orient, exiftran -ai)"
    )


def read_image(path: Path, value_range: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Read an image as uint8 [H, W, 3] or, where it has transparency, [H, W, 4], straight (not premultiplied) alpha.

    Args:
        path: in any format that Pillow, tifffile, pi-heif or rawpy open.
        value_range: samples that stand for black and white, of an image with more than 8 bits; by default 0 and the
            largest that its format holds, or 1 for floats.

    Raises:
        DatasetError: damaged, too large, or its values are not of the range; names the file.
    """
    wide = _wide(path)
    if wide is None:
        return _read_8_bit(path)
    samples = _unit(wide, path, value_range)
    return np.asarray(samples * 255 + 0.5, dtype=np.uint8)


def read_image_float(path: Path, value_range: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Read an image as float32 in [0, 1], [H, W, 3 or 4], straight alpha, without loss of bits; see `read_image`."""
    wide = _wide(path)
    if wide is None:
        return _read_8_bit(path).astype(np.float32) / 255
    return _unit(wide, path, value_range).astype(np.float32)


def read_preview(path: Path, longest_side: int) -> NDArray[np.uint8]:
    """An image [H, W, 3 or 4], of a JPEG decoded at a fraction of its size that is still `longest_side` px long.

    Raises:
        DatasetError: see `read_image`.
    """
    if is_raw(path):
        return develop_raw(path, half_size=max(raw_size(path)) >= 2 * longest_side)
    with _open(path) as image:
        if image.format == "JPEG":
            longest, shortest = max(image.size), min(image.size)
            image.draft("RGB", (longest_side, -(-longest_side * shortest // longest)))
            return _converted(image, path)
    return read_image(path)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask as [H, W]: True where an image of any kind is not black.

    Raises:
        DatasetError: damaged; names the file.
    """
    wide = _wide(path)
    colors = _read_8_bit(path)[..., :3] if wide is None else _colors_and_alpha(wide)[0]
    return np.asarray((colors > 0).any(axis=-1))


def is_plain(path: Path) -> bool:
    """Whether every program reads this image alike: a JPEG or PNG of 8 bits, gray or RGB, without transparency."""
    if is_raw(path):
        return False
    with _open(path) as image:
        plain = image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB") and "transparency" not in image.info
    return plain and _wide(path) is None


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
        image = open_heif(path) if is_heif(path) else Image.open(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{path}: {_TOO_LARGE} ({error})") from error
    except (UnidentifiedImageError, ValueError, SyntaxError) as error:
        if path.suffix.lower() not in readable_suffixes():
            kind = path.suffix or "without a suffix"
            raise DatasetError(f"{path}: an image of a kind that is not read ({kind}); convert it to .png") from error
        raise DatasetError(f"{path}: not a readable image ({error})") from error
    if image.width * image.height > _MOST_PIXELS:
        image.close()
        raise DatasetError(f"{path}: an image of {image.width}x{image.height} px is {_TOO_LARGE}")
    return image


def _wide(path: Path) -> WidePixels | None:
    """Samples of more than 8 bits; the size is looked at before."""
    width, height = image_size(path)
    if width * height > _MOST_PIXELS:
        raise DatasetError(f"{path}: an image of {width}x{height} px is {_TOO_LARGE}")
    if is_raw(path):
        return None
    try:
        return read_wide_pixels(path)
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"{path}: the image is damaged or cut short ({error})") from error


def _read_8_bit(path: Path) -> NDArray[np.uint8]:
    if is_raw(path):
        return develop_raw(path)
    with _open(path) as image:
        return _converted(image, path)


def _converted(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    try:
        image.load()
        if image.mode == "LAB":
            return _from_lab(image)
        if image.mode == "La":  # premultiplied, as the "a" says; Pillow has no direct way to RGBA
            image = image.convert("LA")
        has_alpha = bool({"A", "a"} & set(image.getbands())) or "transparency" in image.info
        return np.array(image.convert("RGBA" if has_alpha else "RGB"))
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError) as error:  # decoders report damage in all ways
        raise DatasetError(f"{path}: the image is damaged or cut short ({error})") from error


def _from_lab(image: Image.Image) -> NDArray[np.uint8]:
    lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
    return np.array(ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB")))


def _colors_and_alpha(wide: WidePixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[H, W, 1 or 3] and [H, W, 0 or 1], as stored."""
    samples = wide.samples.astype(np.float64)
    channels = samples.shape[-1]
    split = channels - (channels + 1) % 2
    return samples[..., :split], samples[..., split:]


def _unit(wide: WidePixels, path: Path, value_range: tuple[float, float] | None) -> NDArray[np.float64]:
    """[H, W, 3 or 4] in [0, 1]."""
    colors, alpha = _colors_and_alpha(wide)
    low, high = (0.0, wide.white) if value_range is None else value_range
    if not np.isfinite(colors).all():
        raise DatasetError(f"{path}: holds NaN or infinity; fill such pixels before")
    least, most = float(colors.min(initial=high)), float(colors.max(initial=low))
    slack = _ROUNDING * (high - low)
    if least < low - slack or most > high + slack:
        raise DatasetError(
            f"{path}: its values lie between {least:g} and {most:g}, outside of [{low:g}, {high:g}]; scale them to "
            "[0, 1] as floats, or save 8 or 16 bits (in Python: read_image with value_range)"
        )
    scaled = np.clip((colors - low) / (high - low), 0, 1)
    if scaled.shape[-1] == 1:
        scaled = scaled.repeat(3, axis=-1)
    return np.concatenate([scaled, np.clip(alpha / wide.white, 0, 1)], axis=-1)
