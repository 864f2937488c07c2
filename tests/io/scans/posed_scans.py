"""A kind of file that only tests read: several scans of a LiDAR that stood still, and the pose of each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan


def write_posed_scans(
    path: Path,
    scans: list[NDArray[np.float64]],
    T_world_lidar: NDArray[np.float64],
    times: list[NDArray[np.float64]] | None = None,
) -> None:
    """Points [N, 3] in the LiDAR's frame and a pose [4, 4] for each scan; perhaps the times [N] of its points, s."""
    columns = {f"points{number}": points for number, points in enumerate(scans)}
    columns |= {} if times is None else {f"times{number}": values for number, values in enumerate(times)}
    with path.open("wb") as file:
        np.savez(file, poses=T_world_lidar, **columns)


def _read(path: Path, topic: str | None) -> Iterator[StoredScan | LeftOut]:
    with np.load(path) as content:
        for number, pose in enumerate(content["poses"]):
            name, points = f"{path.name} scan {number}", content[f"points{number}"]
            if len(points) == 0:
                yield LeftOut(name, "no ray came back")
                continue
            time = content.get(f"times{number}")
            yield StoredScan(name, PointCloud(points, time=time), T_world_lidar=pose, is_static=True)


def _count(path: Path, topic: str | None) -> int:
    try:
        with np.load(path) as content:
            return len(content["poses"])
    except ValueError as error:
        raise DatasetError(f"{path}: damaged ({error})") from error


POSED_SCANS = ScanReader((".posed",), _read, _count)
