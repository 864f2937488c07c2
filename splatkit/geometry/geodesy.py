"""Places on Earth: latitude, longitude and height, geocentric meters, and local meters east, north and up.

Source: the ellipsoid of WGS 84, NIMA TR8350.2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GEOCENTRIC = "EPSG:4978"  # WGS 84: x through longitude 0, z through the north pole, m
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY_SQUARED = _FLATTENING * (2 - _FLATTENING)


def geocentric(latitude: Array, longitude: Array, height: Array) -> Array:
    """Geocentric meters [..., 3] of latitudes and longitudes [...] in deg and heights [...] above the ellipsoid, m."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    normal = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2)
    across = (normal + height) * np.cos(phi)
    along = (normal * (1 - _ECCENTRICITY_SQUARED) + height) * np.sin(phi)
    return np.stack([across * np.cos(lam), across * np.sin(lam), along], axis=-1)


def east_north_up(latitude: float, longitude: float) -> Array:
    """R_geocentric_local [3, 3] at a place in deg: its columns are east, north and up."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    return np.array(
        [
            [-np.sin(lam), -np.sin(phi) * np.cos(lam), np.cos(phi) * np.cos(lam)],
            [np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi) * np.sin(lam)],
            [0.0, np.cos(phi), np.sin(phi)],
        ]
    )


def geodetic(place: Array) -> tuple[float, float, float]:
    """Latitude and longitude in deg and height above the ellipsoid in m of geocentric meters [3]; `geocentric` undone.

    By repeated correction of the latitude, which ends within a micrometer for places from 5 km below the ellipsoid on.
    """
    x, y, z = (float(value) for value in place)
    across = float(np.hypot(x, y))
    phi = np.arctan2(z, across * (1 - _ECCENTRICITY_SQUARED))
    for _ in range(20):
        normal = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2)
        phi = np.arctan2(z + _ECCENTRICITY_SQUARED * normal * np.sin(phi), across)
    normal = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2)
    height = across * np.cos(phi) + z * np.sin(phi) - _SEMI_MAJOR_M**2 / normal
    return float(np.degrees(phi)), float(np.degrees(np.arctan2(y, x))), float(height)


def local_georeference(
    latitude: float, longitude: float, altitude: float | None, altitude_means: str, crs: str = GEOCENTRIC
) -> dict[str, Any]:
    """A georeference as transforms.json has it, of a frame with x east, y north and z up, m, at a place in deg and m.

    Place in the system = rotation @ place in the dataset + offset.
    """
    height = 0.0 if altitude is None else altitude
    return {
        "crs": crs,
        "offset": geocentric(np.array(latitude), np.array(longitude), np.array(height)).tolist(),
        "rotation": east_north_up(latitude, longitude).tolist(),
        "origin": {
            "latitude": latitude,
            "longitude": longitude,
            "altitude": altitude,
            "crs": f"WGS 84 (EPSG:4326), altitude in m {altitude_means}",
            "axes": "east, north, up, m",
        },
    }
