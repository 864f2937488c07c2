"""Places on Earth: latitude, longitude and height, geocentric meters, and local meters east, north and up.

Source: the ellipsoid of WGS 84, NIMA TR8350.2.
"""

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
