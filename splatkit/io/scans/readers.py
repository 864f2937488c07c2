"""The kinds of files that scans are read from. A kind more is a reader and one line in `READERS`."""

from collections.abc import Callable, Iterator
from pathlib import Path

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import is_rigid
from splatkit.io.formats.float_records import read_float_records
from splatkit.io.formats.las import read_las
from splatkit.io.formats.pcd import read_pcd
from splatkit.io.formats.ply import read_ply_vertices
from splatkit.io.listing import find_path, list_files, other_files
from splatkit.io.scans.bags import RECORDINGS
from splatkit.io.scans.e57 import E57
from splatkit.io.scans.point_text import POINT_TEXT, TABLES
from splatkit.io.scans.ptx import PTX
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan, reader_of_one

READERS: tuple[ScanReader, ...] = (
    reader_of_one((".pcd.bin",), read_float_records),
    reader_of_one((".bin",), read_float_records),
    reader_of_one((".pcd",), read_pcd),
    reader_of_one((".ply",), read_ply_vertices),
    reader_of_one((".las", ".laz"), read_las, time_unit_s=1.0),
    E57,
    PTX,
    POINT_TEXT,
    TABLES,
    RECORDINGS,
)


def series_suffixes() -> tuple[str, ...]:
    """What files end in that are scans where they lie in a folder."""
    return tuple(suffix for reader in READERS if reader.in_folders for suffix in reader.suffixes)


def has_reader(path: Path) -> bool:
    """Whether a file, or a folder as a whole, is one that scans are read from."""
    return _reader_of(path) is not None


def find_reader(path: Path) -> ScanReader:
    """The reader of a file, or of a folder that is a recording.

    Raises:
        DatasetError: there is none.
    """
    found = _reader_of(path)
    if found is None:
        suffixes = ", ".join(suffix for reader in READERS for suffix in reader.suffixes)
        raise DatasetError(f"{path}: not a point cloud that can be read; expected {suffixes}")
    return found


def scan_stem(path: Path) -> str:
    """The name of a file of scans without what tells its kind: of 12.5.pcd.bin it is 12.5."""
    endings = [suffix for reader in READERS for suffix in reader.suffixes if _ends(path, suffix)]
    return path.name[: len(path.name) - max(map(len, endings), default=0)]


def list_scan_files(folder: Path) -> list[Path]:
    """The files of a folder that hold scans, in natural order.

    Raises:
        FileNotFoundError: no such folder, or none in it.
    """
    folder = find_path(Path(folder))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of point clouds")
    found = list_files(folder, series_suffixes())
    if not found:
        expected = ", ".join(series_suffixes())
        raise FileNotFoundError(f"{folder}: no point cloud in this folder; expected {expected} files")
    return found


def read_scans(
    path: Path, topic: str | None = None, note: Callable[[LeftOut], None] = lambda left_out: None
) -> Iterator[StoredScan]:
    """All scans of a file, a recording or a folder of files, in their order, one in memory at a time.

    Args:
        path: of any kind that there is a reader for, or a folder with such files.
        topic: of the point clouds in a recording; may be left out where it has one such topic.
        note: is told what is left out.

    Raises:
        FileNotFoundError: no such file or folder, or nothing in it.
        DatasetError: no reader takes it, its extra is missing, or a file is damaged; names it.
    """
    for container in _containers(path):
        for item in find_reader(container).read(container, topic):
            if isinstance(item, LeftOut):
                note(item)
                continue
            if item.T_world_lidar is not None and not is_rigid(item.T_world_lidar):
                raise DatasetError(f"{container}: {item.name}: its pose is not a rigid 4 x 4 transform")
            yield item


def count_scans(path: Path, topic: str | None = None) -> int:
    """How many scans `read_scans` comes to, those that it leaves out among them; raises what it does."""
    return sum(find_reader(container).count(container, topic) for container in _containers(path))


def passed_over(path: Path, topic: str | None = None) -> list[LeftOut]:
    """What lies beside the scans that `read_scans` comes to: files of other kinds in a folder, topics of a recording.

    Raises what `read_scans` does.
    """
    path, containers = find_path(Path(path)), _containers(path)
    beside = other_files(path, series_suffixes()) if path.is_dir() and not has_reader(path) else []
    found = [LeftOut(other.name, "a file of another kind") for other in beside]
    for container in containers:
        found += find_reader(container).others(container, topic)
    return found


def scan_sources(path: Path) -> list[Path]:
    """The files behind `read_scans`."""
    return [
        file
        for container in _containers(path)
        for file in (list_files(container, below=True) if container.is_dir() else [container])
    ]


def _reader_of(path: Path) -> ScanReader | None:
    if path.is_dir():
        return next((r for r in READERS if r.folder_file is not None and (path / r.folder_file).is_file()), None)
    endings = [(len(suffix), reader) for reader in READERS for suffix in reader.suffixes if _ends(path, suffix)]
    return max(endings, key=lambda found: found[0])[1] if endings else None  # .pcd.bin before .bin


def _ends(path: Path, suffix: str) -> bool:
    return path.name.lower().endswith(suffix)


def _containers(path: Path) -> list[Path]:
    """A file or recording alone, or the files of a folder."""
    path = find_path(Path(path))
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of scans")
    return list_scan_files(path) if path.is_dir() and not has_reader(path) else [path]
