"""Which images are equirectangular panoramas: what they say of themselves (XMP GPano), else what their pixels show.

The left edge of a panorama continues its right one, and all pixels of its first or last row look the same way: up or
down. Of an ordinary photograph twice as wide as high neither is so.

Source of the tags: Photo Sphere XMP metadata, https://developers.google.com/streetview/spherical-metadata.
"""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.images import image_size, read_preview
from splatkit.io.photographs.heif import is_heif, open_heif
from splatkit.io.photographs.raw import is_raw

_LOOKED_AT = 1024  # px: panoramas are reduced to about that width
# Times what neighboring columns differ by mostly. Generated panoramas have 0.7 to 2.3, the latter by JPEG's coarse
# colors; real photographs cut to that shape 6.4 to 16.
_SEAM = 4.0
_POLE = 0.25  # of how much rows vary: panoramas of 512 px and more have 0 to 0.19, real photographs 0.27 to 1.6
_FLAT = 0.5  # of 255: what varies by less shows nothing
_XMP = ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp")
_TAG = re.compile(r"(?<!/)GPano:(\w+)\s*(?:=\s*[\"']([^\"']*)[\"']|>([^<]*)<)")


def is_panorama(path: Path) -> bool:
    """Whether an image is a panorama of the whole sphere, by its tags, else by its pixels.

    Raises:
        DatasetError: its tags say that it shows a part of a sphere; names it.
    """
    width, height = image_size(path)
    tags = gpano_tags(path)
    projection = tags.get("ProjectionType", "").strip().lower()
    if projection and projection != "equirectangular":
        return False
    if projection and not _is_whole(tags, width, height):
        raise DatasetError(
            f"{path}: a panorama of a part of the sphere ({width}x{height} px); stitch it to the whole one, twice as "
            "wide as high, or leave it out (--panoramas no takes it for a photograph)"
        )
    return bool(projection) or (width == 2 * height and looks_like_panorama(path))


def gpano_tags(path: Path) -> dict[str, str]:
    """The GPano tags of an image's XMP, by name; none where it has no XMP, or a damaged one."""
    if is_raw(path):
        return {}
    try:
        with open_heif(path) if is_heif(path) else Image.open(path) as image:
            found = [image.info[key] for key in _XMP if key in image.info]
    except (OSError, ValueError, SyntaxError):
        return {}
    texts = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw) for raw in found)
    return {name: first or second for text in texts for name, first, second in _TAG.findall(text)}


def looks_like_panorama(path: Path) -> bool:
    """Whether the edges of an image fit together as those of a sphere do.

    Raises:
        DatasetError: it cannot be read; names it.
    """
    colors = read_preview(path, _LOOKED_AT)[..., :3].astype(np.float32)
    step = max(1, colors.shape[1] // _LOOKED_AT)
    across = np.abs(np.diff(colors, axis=1)).mean((0, 2))[::step]
    seam = float(np.abs(colors[:, 0] - colors[:, -1]).mean())
    spread = colors.std(axis=1).mean(-1)  # of each row
    usual = float(np.quantile(spread, 0.75))
    if usual < _FLAT or seam > _SEAM * max(float(np.median(across)), _FLAT):
        return False
    return bool(min(spread[0], spread[-1]) < _POLE * usual)


def _is_whole(tags: dict[str, str], width: int, height: int) -> bool:
    """Whether the tags speak of a whole sphere; where they give no sizes, whether it is twice as wide as high."""
    names = (
        "FullPanoWidthPixels",
        "FullPanoHeightPixels",
        "CroppedAreaImageWidthPixels",
        "CroppedAreaImageHeightPixels",
    )
    try:
        full_width, full_height, cropped_width, cropped_height = (int(float(tags[name])) for name in names)
    except (KeyError, ValueError, OverflowError):
        return width == 2 * height
    return (full_width, full_height) == (cropped_width, cropped_height) and width == 2 * height
