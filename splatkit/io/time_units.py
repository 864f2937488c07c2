"""In which unit a time is counted that says only a number.

Stamps since 1970 tell it by their size: 1.7e9 s, 1.7e12 ms, 1.7e15 us, 1.7e18 ns. Times of a scan's points tell it by
what they span: one turn of a LiDAR takes 0.05 to 0.2 s, and the units are factors of a thousand apart. What type the
numbers have tells nothing: drivers write any of these units as any integer and as any float.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SINCE_1970_S = (1e8, 1e10)  # from 1973 to 2286; the ranges of two units do not overlap
_TURN_S = (0.008, 1.0)  # of one scan: sectors and quick turns of solid-state LiDARs below, slow turns above
_MOST_POINTS_A_SECOND = 2e7  # no LiDAR measures as many: a cloud of many turns is not one turn in a finer unit
_LONGEST_FILE_S = 3600.0  # stamps since 1970 of one file span less; else they are counts of something smaller


@dataclass(frozen=True)
class TimeUnit:
    """How a file counts the times of its points."""

    seconds: float  # of a count
    step_s: float = 0.0  # smallest difference that its numbers can hold


def unit_since_1970(value: float) -> float | None:
    """Seconds of a count, for a number as large as times since 1970 are in one of the units; else None."""
    low, high = _SINCE_1970_S
    return next((unit for unit in UNITS_S.values() if low <= value * unit < high), None)


def seconds_since_1970(value: float) -> float:
    """A time in seconds, whether it is stated in seconds, or in milli-, micro- or nanoseconds."""
    return value * (unit_since_1970(value) or 1.0)


def unit_of_points(times: NDArray[np.generic]) -> TimeUnit:
    """The unit of times [N] of the points of one scan, offsets or since 1970, of whatever number type.

    Where no unit makes one turn of a LiDAR of them, the numbers are taken for seconds: who needs a turn sees by their
    span that they are none.
    """
    values = times.astype(np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return TimeUnit(1.0)
    largest, span = float(np.abs(values).max()), float(np.ptp(values))
    unit = _unit_of_span(largest, span, len(values))
    step = float(np.spacing(times.dtype.type(largest))) * unit if times.dtype.kind == "f" else 0.0
    return TimeUnit(unit, step)


def seconds_of_points(times: NDArray[np.generic]) -> NDArray[np.float64]:
    """Times [N] of the points of one scan in seconds, see `unit_of_points`."""
    return times.astype(np.float64) * unit_of_points(times).seconds


def _unit_of_span(largest: float, span: float, count: int) -> float:
    since_1970 = unit_since_1970(largest)
    if since_1970 is not None and span * since_1970 <= _LONGEST_FILE_S:
        return since_1970
    low, high = _TURN_S
    low = max(low, count / _MOST_POINTS_A_SECOND)
    return next((unit for unit in UNITS_S.values() if low <= span * unit <= high), 1.0)
