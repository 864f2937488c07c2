"""What a reader of scans is: it says which files are its, and reads the one or many scans in each, one at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.io.point_cloud import PointCloud, cloud_from_fields


@dataclass(frozen=True, eq=False)
class StoredScan:
    """A scan as its file has it.

    Attributes:
        name: of a file with one scan the file's; else the file's with a number, as "site.abc scan 2".
        cloud: points in the LiDAR's frame, m; where the file gives points in its world, the reader brings them back.
        stamp_s: when it was taken, s, if the file says so.
        frame: what the file calls the frame of the points, if it does.
        T_world_lidar: [4, 4] rigid pose in the file's world, of a LiDAR that stood still.
        is_static: the LiDAR stood still: no point needs motion compensation, and the scan may have taken minutes.
    """

    name: str
    cloud: PointCloud
    stamp_s: float | None = None
    frame: str | None = None
    T_world_lidar: NDArray[np.float64] | None = None
    is_static: bool = False

    def __post_init__(self) -> None:
        if self.T_world_lidar is not None and not self.is_static:
            raise ValueError("T_world_lidar: one pose is that of a LiDAR that stood still; set is_static")


@dataclass(frozen=True)
class LeftOut:
    """What is passed over instead of a scan."""

    name: str  # of the scan, as `StoredScan` has it; or of a file or topic that holds none
    reason: str  # half a sentence, as "no ray came back"


@dataclass(frozen=True)
class ScanReader:
    """Reads one kind of file. `read` and `count` take the file and the name of a topic, which only recordings have.

    Attributes:
        suffixes: that its files end in, lower case.
        read: yields what is in a file in its order, one scan in memory at a time; raises DatasetError, which names the
            file, where it is damaged.
        count: how many scans there are, those left out among them, without keeping points.
        others: what else is in a file, as topics that are not read.
        folder_file: a folder that holds a file of this name is one recording.
        in_folders: whether such files in a folder are a series of scans; recordings are named one by one.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, str | None], Iterator[StoredScan | LeftOut]]
    count: Callable[[Path, str | None], int]
    others: Callable[[Path, str | None], list[LeftOut]] = lambda path, topic: []
    folder_file: str | None = None
    in_folders: bool = True


def reader_of_one(
    suffixes: tuple[str, ...], read_fields: Callable[[Path], NDArray[np.void]], time_unit_s: float | None = None
) -> ScanReader:
    """A reader of files with one scan.

    Args:
        suffixes: of the files.
        read_fields: the points of a file as a structured array [N], as `cloud_from_fields` takes them.
        time_unit_s: of the times of points, where the format states it.
    """

    def read(path: Path, topic: str | None) -> Iterator[StoredScan | LeftOut]:
        yield StoredScan(path.name, cloud_from_fields(path, read_fields(path), time_unit_s))

    return ScanReader(suffixes, read, lambda path, topic: 1)
