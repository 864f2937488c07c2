"""In which unit a time is counted that says only a number: told by its size, for it counts from 1970."""

import numpy as np
from numpy.typing import NDArray

SECONDS_FROM = 1e8  # smaller numbers are no times since 1970, which are 1.7e9 s
_UNITS = ((1e16, 1e-9), (1e13, 1e-6), (1e11, 1e-3))  # from which size on a number is in a unit of so many seconds


def seconds_since_1970(value: float) -> float:
    """A time in seconds, whether it is stated in seconds, or in milli-, micro- or nanoseconds."""
    return value * _unit(value)


def seconds_of_points(times: NDArray[np.generic]) -> NDArray[np.float64]:
    """Times of points [N] as drivers state them: 32-bit integers are nanoseconds within a scan, others as above."""
    if np.issubdtype(times.dtype, np.integer) and times.dtype.itemsize < 8:
        return times.astype(np.float64) * 1e-9
    values = times.astype(np.float64)
    return values * _unit(float(np.max(np.abs(values), where=np.isfinite(values), initial=0)))


def _unit(value: float) -> float:
    return next((unit for limit, unit in _UNITS if value >= limit), 1.0)
