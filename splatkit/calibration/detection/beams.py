"""What a scan tells of the LiDAR that took it: how far its beams lie apart, and how noisy their ranges are.

Thresholds of the extraction follow from these two, so that no sensor has to be named.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import Array, lengths

_SAMPLES = 400  # places in the scan that are looked at
_NEAR, _MANY = 8, 64  # beams around a place, for its noise and for its density
_LEAST_RETURNS = 500
_CLOSE_M = 12.0  # where surfaces are smooth against the spacing of beams
_SEQUENTIAL = 4.0  # spacings that successive returns of one line lie apart at most


@dataclass(frozen=True)
class LidarScan:
    """Returns of one scan, or of one static stare, in the LiDAR's frame.

    Attributes:
        points: [N, 3] m, in the order in which they were taken where that is known.
        ring: [N] number of the laser, where the format has it.
        intensity: [N] of the return, in the sensor's own units.
    """

    points: Array
    ring: NDArray[np.int64] | None = None
    intensity: Array | None = None


@dataclass(frozen=True)
class BeamPattern:
    """How a LiDAR samples directions."""

    spacing: float
    """Between neighbors on a line, rad."""
    line_spacing: float
    """Between lines, rad; the same as `spacing` where the pattern has no lines."""
    range_noise_m: float
    """Standard deviation of a range against its neighbors' on smooth surfaces."""
    sequential: bool
    """Successive returns are neighbors: the order of the file tells the scan lines."""


def estimate_beams(points: Array) -> BeamPattern:
    """Spacings and noise from the scan itself.

    The nearest neighbor gives the spacing on a line. The number of beams around a place gives the solid angle of each,
    so the spacing of lines. One over range is linear in the direction on a plane, so what neighbors differ from such a
    fit is noise; the median over many places passes over edges.

    Raises:
        DatasetError: too few returns.
    """
    if len(points) < _LEAST_RETURNS:
        raise DatasetError(f"the scan has {len(points)} returns, at least {_LEAST_RETURNS} are needed")
    ranges = lengths(points)
    directions = points / ranges[:, None]
    close = np.flatnonzero(ranges < max(_CLOSE_M, np.partition(ranges, _LEAST_RETURNS - 1)[_LEAST_RETURNS - 1]))
    chosen = close[np.linspace(0, len(close) - 1, _SAMPLES).astype(np.int64)]
    distances, neighbors = cKDTree(directions).query(directions[chosen], k=_MANY)
    distances = np.where(distances > 1e-5, distances, np.inf)  # itself, and second returns of its beam
    nearest = np.sort(distances, axis=1)[:, 0]
    spacing = float(np.median(nearest[np.isfinite(nearest)]))
    reach = np.where(np.isfinite(distances), distances, 0).max(1)
    solid_angle = float(np.median(np.pi * reach**2 / _MANY))
    lined = _along_lines(directions, chosen, neighbors, distances) and solid_angle > 1.5 * spacing**2
    side = float(np.sqrt(solid_angle))
    steps = lengths(np.diff(directions, axis=0))
    return BeamPattern(
        spacing=spacing if lined else side,
        line_spacing=solid_angle / spacing if lined else side,
        range_noise_m=_range_noise(ranges, directions, neighbors[:, :_NEAR]),
        sequential=float(np.median(steps)) < _SEQUENTIAL * spacing,
    )


def _along_lines(directions: Array, chosen: NDArray[np.int64], neighbors: Array, distances: Array) -> bool:
    """Whether nearest neighbors lie beside, at the same elevation, as those of a spinning LiDAR do."""
    index = np.take_along_axis(neighbors, distances.argmin(1)[:, None], 1)[:, 0].astype(np.int64)
    change = directions[index] - directions[chosen]
    return bool(np.median(np.abs(change[:, 2])) < 0.2 * np.median(lengths(change)))


def _range_noise(ranges: Array, directions: Array, neighbors: Array) -> float:
    index = neighbors.astype(np.int64)
    A, b = directions[index], 1 / ranges[index]
    # Neighbors on one line leave a direction open: the pseudo-inverse takes the smallest plane through them.
    inverse = np.linalg.pinv(A, rcond=1e-6)
    residuals = b - (A @ (inverse @ b[:, :, None]))[:, :, 0]
    freedom = _NEAR - np.trace(A @ inverse, axis1=1, axis2=2)
    sigma = np.sqrt((residuals**2).sum(1) / np.maximum(freedom, 1)) * ranges[index[:, 0]] ** 2
    return float(np.median(sigma))
