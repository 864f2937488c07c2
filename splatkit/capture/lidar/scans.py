"""Scans of a LiDAR, one after the other, with the time of each point: from files or recordings of any kind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.times import FileTimes
from splatkit.errors import DatasetError
from splatkit.geometry.local_origin import AT_ORIGIN
from splatkit.geometry.se3 import compose
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut, StoredScan
from splatkit.io.scans.readers import count_scans, passed_over, read_scans, scan_sources
from splatkit.io.time_units import TimeUnit, unit_since_1970

_ONE_TURN_S = 2.0  # times of points below it count from the scan's own stamp
_COARSEST_STEP_S = 1e-3  # of times of points: at 10 m/s a centimeter
_LOOKED_AT = 8  # scans that tell the unit of all: what a single scan spans may be cut short
_STAMP = re.compile(r"\d+(?:\.\d+)?(?=\D*$)")


@dataclass(frozen=True)
class Scan:
    """Points as measured: each in the LiDAR's frame at its own moment."""

    name: str
    cloud: PointCloud
    times: NDArray[np.float64] | None  # [N] s, by the LiDAR's clock; None: the file tells no time
    T_world_lidar: NDArray[np.float64] | None = None  # [4, 4] of a LiDAR that stood still, where the file says where

    def moved(self, shift: NDArray[np.float64]) -> "Scan":
        """The scan with its LiDAR elsewhere, by a shift [3], where it is known where."""
        if self.T_world_lidar is None:
            return self
        return replace(self, T_world_lidar=compose(np.eye(3), shift) @ self.T_world_lidar)


@dataclass(frozen=True)
class ScanSource:
    """Where scans come from; reading starts anew with each `read`, and holds one scan at a time."""

    path: Path  # of a file, a recording or a folder of files
    topic: str | None = None  # of a recording
    times: FileTimes | None = None  # by the scan's name; where neither the file nor its name tells it
    ranges_m: tuple[float, float] = (0.0, float("inf"))  # nearer points are on the rig itself
    origin: tuple[float, float, float] = AT_ORIGIN  # that poses of scans are counted from

    def count(self) -> int:
        """Number of scans, without reading them."""
        return count_scans(self.path, self.topic)

    def files(self) -> list[Path]:
        """The files that hold the scans."""
        return scan_sources(self.path)

    def passed_over(self) -> list[LeftOut]:
        """Files and topics beside the scans, which are not read."""
        return passed_over(self.path, self.topic)

    def read(self, note: Callable[[LeftOut], None] = lambda left_out: None) -> Iterator[Scan]:
        """Scans in the order of their names, or of their recording; `note` is told what is left out.

        Raises:
            FileNotFoundError: no such file, folder or recording.
            DatasetError: a file is damaged; names it.
        """
        unit = self._unit()
        for stored in read_scans(self.path, self.topic, note):
            stamp = self._stamp(stored)
            times = _moment(stored, stamp) if stored.is_static else self._times(stored, stamp, unit)
            scan = Scan(stored.name, stored.cloud, times, stored.T_world_lidar).moved(-np.array(self.origin))
            yield points_within(scan, self.ranges_m)

    def _stamp(self, stored: StoredScan) -> float | None:
        if stored.stamp_s is not None:
            return stored.stamp_s
        return _stamp_in_name(stored.name) if self.times is None else self.times.find(stored.name)

    def _unit(self) -> TimeUnit | None:
        """In which the times of all scans count: as in that of the first ones whose numbers span most."""
        told = [
            (float(np.ptp(cloud.time)) / cloud.time_unit.seconds, cloud.time_unit)
            for cloud in (stored.cloud for stored in islice(read_scans(self.path, self.topic), _LOOKED_AT))
            if cloud.time is not None and cloud.time_unit is not None
        ]
        return max(told, key=lambda found: found[0])[1] if told else None

    def _times(self, stored: StoredScan, stamp: float | None, unit: TimeUnit | None) -> NDArray[np.float64] | None:
        """Of the points of a LiDAR that turns."""
        times, where = stored.cloud.time, f"{self.path}: {stored.name}"
        if times is not None and stored.cloud.time_unit is not None and unit is not None:
            times = times * (unit.seconds / stored.cloud.time_unit.seconds)
            step = stored.cloud.time_unit.step_s
            if step > _COARSEST_STEP_S:
                raise DatasetError(
                    f"{where}: the times of its points are 32-bit floats, which have steps of {step:.3g} s there; "
                    "write them as 64-bit floats, or from the start of each scan"
                )
        if times is not None and np.ptp(times) > _ONE_TURN_S:
            raise DatasetError(
                f"{where}: its points span {np.ptp(times):.3g} s, read as seconds, and in ms, us or ns they are not "
                "one sweep of a LiDAR either; give one file per sweep (0.05 to 0.2 s)"
            )
        if times is not None and np.abs(times).max() <= _ONE_TURN_S and stamp is not None:
            times = times + stamp
        if times is None and stamp is not None:
            times = np.full(len(stored.cloud.points), stamp)
        return times


def _moment(stored: StoredScan, stamp: float | None) -> NDArray[np.float64] | None:
    """One time for all points of a LiDAR that stood still, however long it took: its stamp, or the middle of theirs."""
    times = stored.cloud.time
    if stamp is None and times is None:
        return None
    return np.full(len(stored.cloud.points), float(np.median(times)) if stamp is None and times is not None else stamp)


def points_within(scan: Scan, ranges_m: tuple[float, float]) -> Scan:
    """A scan without the points nearer or farther, m; it may have none left."""
    distances = np.linalg.norm(scan.cloud.points, axis=1)
    used: NDArray[np.bool_] = (distances >= ranges_m[0]) & (distances <= ranges_m[1])
    if used.all():
        return scan
    times = None if scan.times is None else scan.times[used]
    return replace(scan, cloud=select_points(scan.cloud, used), times=times)


def select_points(cloud: PointCloud, chosen: NDArray[np.bool_]) -> PointCloud:
    """The chosen points of a cloud, with all that is known of them."""
    columns: dict[str, Any] = {
        name: None if (values := getattr(cloud, name)) is None else values[chosen]
        for name in ("points", "colors", "normals", "intensity", "ring", "time")
    }
    return PointCloud(**columns, dropped=cloud.dropped + int((~chosen).sum()))


def _stamp_in_name(name: str) -> float | None:
    """Seconds since 1970 that a file is called after: the last number of its name, if it is as large as such times."""
    found = _STAMP.search(name)
    if found is None:
        return None
    value = float(found.group())
    unit = unit_since_1970(value)
    return None if unit is None else value * unit
