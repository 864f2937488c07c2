"""Scans of a LiDAR, one after the other, with the time of each point: from a folder of files or from a recording."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.bags import list_scan_topics, read_scans
from splatkit.io.listing import list_files
from splatkit.io.point_clouds import PointCloud, list_point_clouds, read_point_cloud
from splatkit.io.time_units import SECONDS_FROM, seconds_since_1970

_ONE_TURN_S = 2.0  # times of points below it count from the scan's own stamp
_STAMP = re.compile(r"\d+(?:\.\d+)?(?=\D*$)")


@dataclass(frozen=True)
class Scan:
    """Points as measured: each in the LiDAR's frame at its own moment."""

    name: str
    cloud: PointCloud
    times: NDArray[np.float64] | None  # [N] s, by the LiDAR's clock; None: the file tells no time


@dataclass(frozen=True)
class ScanSource:
    """Where scans come from; reading starts anew with each `read`, and holds one scan at a time."""

    path: Path
    topic: str | None = None  # of a recording
    times: dict[str, float] | None = None  # s, by file name; where files and their names do not tell it
    ranges_m: tuple[float, float] = (0.0, float("inf"))  # nearer points are on the rig itself

    @property
    def is_recording(self) -> bool:
        """Whether scans are messages of a bag rather than files."""
        return not (self.path.is_dir() and not (self.path / "metadata.yaml").is_file())

    def count(self) -> int:
        """Number of scans, without reading them."""
        if self.is_recording:
            topics = list_scan_topics(self.path)
            return topics[self.topic] if self.topic in topics else sum(topics.values())
        return len(list_point_clouds(self.path))

    def files(self) -> list[Path]:
        """The files that hold the scans."""
        if not self.is_recording:
            return list_point_clouds(self.path)
        return list_files(self.path, below=True) if self.path.is_dir() else [self.path]

    def read(self) -> Iterator[Scan]:
        """Scans in the order of their names, or of their recording.

        Raises:
            FileNotFoundError: no such folder or recording.
            DatasetError: a file is damaged; names it.
        """
        if self.is_recording:
            for index, recorded in enumerate(read_scans(self.path, self.topic)):
                yield self._scan(f"scan {index}", recorded.cloud, recorded.stamp_s)
        else:
            for path in list_point_clouds(self.path):
                stamp = self.times.get(path.name) if self.times is not None else _stamp_in_name(path)
                yield self._scan(path.name, read_point_cloud(path), stamp)

    def _scan(self, name: str, cloud: PointCloud, stamp: float | None) -> Scan:
        times = cloud.time
        if times is not None and np.ptp(times) > _ONE_TURN_S:
            raise DatasetError(
                f"{self.path}: {name}: its points span {np.ptp(times):.3g} s; expected single turns of a LiDAR"
            )
        if times is not None and np.abs(times).max() <= _ONE_TURN_S and stamp is not None:
            times = times + stamp
        if times is None and stamp is not None:
            times = np.full(len(cloud.points), stamp)
        used = within_ranges(cloud, self.ranges_m)
        if used.all():
            return Scan(name, cloud, times)
        return Scan(name, select_points(cloud, used), None if times is None else times[used])


def within_ranges(cloud: PointCloud, ranges_m: tuple[float, float]) -> NDArray[np.bool_]:
    """Which points [N] lie within distances of the sensor, m."""
    distances = np.linalg.norm(cloud.points, axis=1)
    inside: NDArray[np.bool_] = (distances >= ranges_m[0]) & (distances <= ranges_m[1])
    return inside


def select_points(cloud: PointCloud, chosen: NDArray[np.bool_]) -> PointCloud:
    """The chosen points of a cloud, with all that is known of them."""
    columns: dict[str, Any] = {
        name: None if (values := getattr(cloud, name)) is None else values[chosen]
        for name in ("points", "colors", "normals", "intensity", "ring", "time")
    }
    return PointCloud(**columns, dropped=cloud.dropped + int((~chosen).sum()))


def _stamp_in_name(path: Path) -> float | None:
    """Seconds since 1970 that a file is called after: the last number of its name, if it is as large as such times."""
    found = _STAMP.search(path.name[: -len("".join(path.suffixes[-1:]))])
    if found is None:
        return None
    value = float(found.group())
    return seconds_since_1970(value) if value >= SECONDS_FROM else None
