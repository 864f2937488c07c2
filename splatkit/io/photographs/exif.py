"""What EXIF says of a photograph: the focal length, and where GPS says that it was taken.

Source: EXIF 2.32 (CIPA DC-008-2019). Raw files that are TIFFs have it as such; of others, as CR3 and RAF, the preview
has it.
"""

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from splatkit.errors import DatasetError
from splatkit.io.photographs.heif import is_heif, open_heif
from splatkit.io.photographs.raw import is_raw, raw_preview

_TIFF_HEADS = (b"II*\0", b"MM\0*")
_FILM_DIAGONAL_MM = math.hypot(36, 24)
_FOCAL_LENGTH_35MM = 0xA405
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    ZeroDivisionError,
    struct.error,
)


@dataclass(frozen=True)
class GpsFix:
    """Where a receiver says it was, WGS 84."""

    latitude: float  # deg, north
    longitude: float  # deg, east
    altitude: float | None  # m above sea level, or above the ellipsoid where phones say so; None: not stated
    error_m: float | None  # standard deviation: horizontal, as the receiver states it (GPSHPositioningError)
    vertical_error_m: float | None = None  # the same of the altitude


def focal_px(path: Path, width: int, height: int) -> float | None:
    """Focal length in px of an image of that size, from its equivalent for 35 mm film; None where EXIF is silent."""
    try:
        value = _number(_tables(path)[0].get(_FOCAL_LENGTH_35MM))
    except (*_DAMAGED, DatasetError):
        return None
    return value / _FILM_DIAGONAL_MM * math.hypot(width, height) if value is not None and value > 0 else None


def gps_fix(path: Path) -> GpsFix | None:
    """Where a photograph was taken; None where EXIF is silent, damaged, or says that the receiver had no position."""
    try:
        table = _tables(path)[1]
        latitude = _angle(table.get(ExifTags.GPS.GPSLatitude), table.get(ExifTags.GPS.GPSLatitudeRef), "NS")
        longitude = _angle(table.get(ExifTags.GPS.GPSLongitude), table.get(ExifTags.GPS.GPSLongitudeRef), "EW")
        altitude = _number(table.get(ExifTags.GPS.GPSAltitude))
        below = table.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01", 3, b"\x03")
        error = _number(table.get(ExifTags.GPS.GPSHPositioningError))
        void = table.get(ExifTags.GPS.GPSStatus) == "V"
    except (*_DAMAGED, DatasetError):
        return None
    if void or latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if latitude == 0 and longitude == 0:  # what phones write before they know
        return None
    signed = None if altitude is None else -altitude if below else altitude
    return GpsFix(latitude, longitude, signed, error if error is not None and error > 0 else None)


def _tables(path: Path) -> tuple[dict[int, Any], dict[int, Any]]:
    """EXIF's own table and that of GPS, by tag."""
    with path.open("rb") as file:
        if file.read(4) in _TIFF_HEADS:
            file.seek(0)
            exif = Image.Exif()
            exif.load_from_fp(file)
            return _both(exif)
    if is_raw(path):
        preview = raw_preview(path)
        if preview is None:
            return {}, {}
        with Image.open(io.BytesIO(preview)) as image:
            return _both(image.getexif())
    with open_heif(path) if is_heif(path) else Image.open(path) as image:
        return _both(image.getexif())


def _both(exif: Image.Exif) -> tuple[dict[int, Any], dict[int, Any]]:
    return dict(exif.get_ifd(ExifTags.IFD.Exif)), dict(exif.get_ifd(ExifTags.IFD.GPSInfo))


def _number(value: Any) -> float | None:
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def _angle(values: Any, side: Any, sides: str) -> float | None:
    """deg of degrees, minutes and seconds; positive on the first of both sides."""
    if values is None or side not in tuple(sides):
        return None
    degrees, minutes, seconds = (*(float(value) for value in values), 0.0, 0.0)[:3]
    angle = degrees + minutes / 60 + seconds / 3600
    return (angle if side == sides[0] else -angle) if math.isfinite(angle) else None
