"""Where a photograph was taken: by the RTK receiver of a DJI drone, which states its errors in XMP, else by EXIF.

Source: the XMP lists of DJI's user manuals (Zenmuse P1, Mavic 3M, Matrice 4): RtkFlag is 0 without a position, 16 for a
single point, 32 to 49 for a floating solution (decimeters to meters), 50 for a fixed one (centimeters); RtkStdLon,
RtkStdLat and RtkStdHgt are standard deviations, m. GimbalYaw and its like are not used: photographs tell directions
better.
"""

import math
import re
from pathlib import Path

from PIL import Image

from splatkit.io.photographs.exif import GpsFix, gps_fix

_ATTRIBUTE = re.compile(rb'drone-dji:(\w+)\s*=\s*"([^"]*)"')
_ELEMENT = re.compile(rb"<drone-dji:(\w+)>([^<]*)<")
_NAMES = ("GpsLatitude", "Latitude"), ("GpsLongitude", "GpsLongtitude", "Longitude")  # DJI misspells one
_FIXED, _FLOATING = 50.0, (32.0, 49.0)
# What is added to stated errors: antenna and shutter are a few centimeters apart, floating solutions are off by more
# than they say.
_LEAST_FIXED_M, _LEAST_FLOATING_M = 0.03, 0.5
_DAMAGED = (OSError, SyntaxError, ValueError, KeyError, TypeError, EOFError)


def geotag(path: Path) -> GpsFix | None:
    """Where a photograph was taken; None where nothing in it says so, or what does is damaged."""
    return _rtk_fix(path) or gps_fix(path)


def _rtk_fix(path: Path) -> GpsFix | None:
    """By RTK, if it had a floating or a fixed solution."""
    values = _properties(path)
    flag = values.get("RtkFlag", 0.0)
    is_floating = _FLOATING[0] <= flag <= _FLOATING[1]
    if not (is_floating or flag == _FIXED):
        return None
    latitude, longitude = (next((values[name] for name in names if name in values), None) for names in _NAMES)
    stds = [values.get(name, 0.0) for name in ("RtkStdLat", "RtkStdLon", "RtkStdHgt")]
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180 or min(stds) <= 0:
        return None
    least = _LEAST_FLOATING_M if is_floating else _LEAST_FIXED_M
    error, vertical = math.hypot(max(stds[:2]), least), math.hypot(stds[2], least)
    return GpsFix(latitude, longitude, values.get("AbsoluteAltitude"), error, vertical)


def _properties(path: Path) -> dict[str, float]:
    """Numbers of DJI's namespace, by name."""
    try:
        with Image.open(path) as image:
            xmp = image.info.get("xmp", b"")
    except _DAMAGED:
        return {}
    packet = xmp if isinstance(xmp, bytes) else str(xmp).encode()
    out = {}
    for name, text in [*_ATTRIBUTE.findall(packet), *_ELEMENT.findall(packet)]:
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value):
            out[name.decode()] = value
    return out
