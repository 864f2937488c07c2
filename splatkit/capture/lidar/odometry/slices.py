"""The scans of a moving LiDAR as one stream of points, cut into slices of time that are matched one after the other."""

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.odometry.registration import Slice
from splatkit.capture.lidar.scans import Scan
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import Array

SLICE_S = 0.1
LONGEST_GAP_S = 0.5  # without points: across a longer one nobody knows the way
_LOOKED_AT = 8  # scans
_FEWEST = 100  # points of a slice; with fewer it lasts until there are more
_THIN_M = 0.5  # one point of a slice in each cube of this edge


def slices_of(scans: Iterable[Scan]) -> Iterator[Slice]:
    """Slices in order of time, which follow each other without gaps; each thinned.

    Raises:
        DatasetError: a scan has no times, or a pose of its own, or scans do not follow each other in time.
    """
    start: float | None = None
    points, times = np.zeros((0, 3)), np.zeros(0)
    for scan in scans:
        new = _times_of(scan)
        if len(new) == 0:
            continue
        if start is None:
            start = float(new.min())
        last = float(times.max()) if len(times) else start
        if float(new.min()) - last > LONGEST_GAP_S:
            raise DatasetError(
                f"{scan.name}: begins {float(new.min()) - last:.2f} s after the scan before ends; the LiDAR's path "
                f"follows from scans less than {LONGEST_GAP_S:g} s apart: give --trajectory"
            )
        points, times = np.concatenate([points, scan.cloud.points]), np.concatenate([times, new])
        while times.max(initial=start) >= start + SLICE_S:
            end = _end_of_slice(times, start)
            if end is None:
                break
            inside = times < end
            yield _slice(start, end, points[inside], times[inside])
            points, times, start = points[~inside], times[~inside], end
    if start is not None and len(times) >= _FEWEST:
        end = max(float(times.max()), start + 1e-3)
        yield _slice(start, end, points, times)


def follow_each_other(scans: Iterable[Scan]) -> bool:
    """Whether scans leave no gaps in time, as the first ones have it."""
    first = [scan.times for scan in islice(scans, _LOOKED_AT)]
    if len(first) < 2 or any(times is None or len(times) == 0 for times in first):
        return False
    spans = [(float(times.min()), float(times.max())) for times in first if times is not None]
    return all(-LONGEST_GAP_S < after[0] - before[1] <= LONGEST_GAP_S for before, after in pairwise(spans))


def _times_of(scan: Scan) -> NDArray[np.float64]:
    if scan.T_world_lidar is not None:
        raise DatasetError(f"{scan.name}: has a pose of its own; `capture static` takes such scans")
    if scan.times is None:
        raise DatasetError(
            f"{scan.name}: neither its points nor its name have a time; "
            "give --scan-times, a CSV with the columns file,time_s"
        )
    return scan.times


def _end_of_slice(times: NDArray[np.float64], start: float) -> float | None:
    """The first multiple of a slice's length before which enough points lie; None: wait for the next scan."""
    counts = np.floor((times - start) / SLICE_S).astype(np.int64)
    most = int(counts.max())
    enough = np.sort(counts)[_FEWEST - 1] if len(counts) >= _FEWEST else most
    steps = max(int(enough), 0) + 1
    return None if steps > most else start + steps * SLICE_S


def _slice(start: float, end: float, points: NDArray[np.floating], times: NDArray[np.float64]) -> Slice:
    cells = np.floor(points / _THIN_M).astype(np.int64)
    kept = np.sort(np.unique(cells, axis=0, return_index=True)[1])
    shares: Array = np.clip((times[kept] - start) / (end - start), 0.0, 1.0)
    return Slice(start, end, points[kept].astype(np.float32), shares.astype(np.float32))
