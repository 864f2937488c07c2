"""PTX files of terrestrial scanners (Leica Cyclone): scans as grids in text, each after its pose, one after the other.

A scan begins with ten lines: the numbers of columns and rows, the scanner's position and its three axes, and a matrix
that takes row vectors to the world, its translation in the last row. Points follow, "x y z intensity [r g b]" in the
scanner's frame, m; what did not come back is at the origin.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.point_cloud import EmptyCloudError, cloud_from_fields
from splatkit.io.scans.reader import LeftOut, ScanReader, StoredScan

_HEAD_LINES = 10
_POSITION_LINES = 4  # the position and the axes: the matrix says the same
_FIELDS = {3: "xyz", 4: "xyzi", 6: "xyzrgb", 7: "xyzirgb"}  # by the number of words in a line
_NAMES = {"r": "red", "g": "green", "b": "blue", "i": "intensity"}
_SHORTEST_LINE = 6  # bytes of "0 0 0\n"


def _read(path: Path, topic: str | None) -> Iterator[StoredScan | LeftOut]:
    with _open(path) as file:
        for number in itertools.count():
            head = _head(path, file, number)
            if head is None:
                return
            count, pose = head
            name, where = f"{path.name} scan {number}", f"{path}: scan {number}"
            lines = itertools.islice(file, count)
            try:
                cloud = cloud_from_fields(Path(where), _points(where, lines, count))
            except EmptyCloudError:
                yield LeftOut(name, "no ray came back")
                continue
            yield StoredScan(name, cloud, T_world_lidar=pose, is_static=True)


def _count(path: Path, topic: str | None) -> int:
    with _open(path) as file:
        for number in itertools.count():
            head = _head(path, file, number)
            if head is None:
                return number
            for _ in itertools.islice(file, head[0]):
                pass
    raise AssertionError  # the loop ends with the file


PTX = ScanReader((".ptx",), _read, _count)


def _open(path: Path) -> TextIO:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return path.open(encoding="latin-1")


def _head(path: Path, file: TextIO, number: int) -> tuple[int, NDArray[np.float64]] | None:
    """How many points follow, and T_world_lidar [4, 4]; None at the end of the file."""
    lines = list(itertools.islice((line for line in file if line.strip()), _HEAD_LINES))
    if not lines and number:
        return None
    try:
        columns, rows = (int(line) for line in lines[:2])
        position = np.array([[float(word) for word in line.split()] for line in lines[2 : 2 + _POSITION_LINES]])
        matrix = np.array([[float(word) for word in line.split()] for line in lines[2 + _POSITION_LINES :]])
        if position.shape != (4, 3) or matrix.shape != (4, 4) or columns < 0 or rows < 0:
            raise ValueError
    except ValueError:
        raise DatasetError(
            f"{path}: scan {number}: not a PTX file, or damaged or cut short: expected two counts, a position, three "
            "axes and a 4 x 4 matrix"
        ) from None
    if columns * rows * _SHORTEST_LINE > path.stat().st_size:
        raise DatasetError(f"{path}: scan {number}: cut short: {columns} x {rows} points do not fit into the file")
    return columns * rows, matrix.T


def _points(where: str, lines: Iterator[str], count: int) -> NDArray[np.void]:
    """A structured array [N] of the rows of a scan."""
    first = next(lines, "")
    fields = _FIELDS.get(len(first.split()))
    if count and fields is None:
        raise DatasetError(f"{where}: expected 3, 4, 6 or 7 numbers in a line, got {first.strip()!r:.60}")
    try:
        table = np.loadtxt(itertools.chain([first], lines), ndmin=2) if count else np.zeros((0, 3))
    except ValueError as error:
        raise DatasetError(f"{where}: damaged ({str(error).splitlines()[0]})") from None
    if len(table) != count:
        raise DatasetError(f"{where}: cut short: {len(table)} of {count} points are there")
    vertices = np.empty(count, [(_NAMES.get(name, name), np.float64) for name in fields or "xyz"])
    for name, column in zip(vertices.dtype.names or (), table.T, strict=True):
        vertices[name] = column
    return vertices
