"""Points as lines of text: .xyz, .pts, .asc, .txt and .csv, with a line of headings or without.

Without headings the number of columns and their values tell what they are, and what they do not tell is refused: a
color that is taken for a normal would go unnoticed.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.text import is_number
from splatkit.io.scans.reader import ScanReader, reader_of_one

_COMMENTS = ("#", "//", "%")
_MOST_HEAD_LINES = 100
_COLORS, _NORMALS = ("red", "green", "blue"), ("nx", "ny", "nz")
_KNOWN = {"r": "red", "g": "green", "b": "blue", "normal_x": "nx", "normal_y": "ny", "normal_z": "nz"}
_INTENSITY = ("intensity",)
_UNIT_TOLERANCE = 0.01  # normals are written with three digits at least
Layout = tuple[tuple[str, ...], ...]
_LAYOUTS: dict[int, list[Layout]] = {  # what columns beside x, y and z may be, by the number of all
    3: [()],
    4: [(_INTENSITY,)],
    6: [(_COLORS,), (_NORMALS,)],
    7: [(_INTENSITY, _COLORS), (_COLORS, _INTENSITY), (_INTENSITY, _NORMALS), (_NORMALS, _INTENSITY)],
    9: [(_COLORS, _NORMALS), (_NORMALS, _COLORS)],
}


def read_point_text(path: Path) -> NDArray[np.void]:
    """The points of a text file as a structured array [N] of float64, see the module.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line is damaged, or what the columns are is not clear; names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names, count, first = _head(file)
        if first is None:
            raise DatasetError(f"{path}: no line of it holds a point")
        separator = next((mark for mark in ";," if mark in first), None)  # None: white space
        lines = itertools.chain([first], file)
        try:
            table = np.loadtxt(
                _without_decimal_commas(lines) if separator == ";" else lines,
                ndmin=2,
                comments=list(_COMMENTS),
                delimiter=separator,
            )
        except ValueError as error:
            raise DatasetError(f"{path}: damaged, or not a table of numbers ({str(error).splitlines()[0]})") from None
    if count is not None and len(table) != count:
        raise DatasetError(f"{path}: its first line counts {count} points, {len(table)} are there")
    columns = names if len(names) == table.shape[1] else _guessed(path, table)
    if not {"x", "y", "z"} <= set(columns):
        raise DatasetError(f"{path}: its headings name no x, y and z, but {', '.join(columns)}")
    kept = {name: column for name, column in zip(columns, table.T, strict=True) if name}
    vertices = np.empty(len(table), [(name, np.float64) for name in kept])
    for name, column in kept.items():
        vertices[name] = column
    return vertices


POINT_TEXT = reader_of_one((".xyz", ".pts", ".asc"), read_point_text)
_of_tables = reader_of_one((".txt", ".csv"), read_point_text)
# In a folder of scans such files are times and notes.
TABLES = ScanReader(_of_tables.suffixes, _of_tables.read, _of_tables.count, in_folders=False)


def _head(file: Iterator[str]) -> tuple[tuple[str, ...], int | None, str | None]:
    """Names of columns (none: ()), the count of points that stands alone in a line, and the first line of points."""
    names: tuple[str, ...] = ()
    count = None
    for line in itertools.islice(file, _MOST_HEAD_LINES):
        words = [word for word in re.split(r"[,;\s]+", line.strip().lstrip("#/% ")) if word]
        if not words:
            continue
        if line.lstrip().startswith(_COMMENTS) or not is_number(words[0].replace(",", ".")):
            names = tuple(_KNOWN.get(word, word) for word in (w.strip("\"'").lower() for w in words))
        elif len(words) == 1 and count is None and words[0].isdigit():
            count = int(words[0])
        else:
            return names, count, line
    return names, count, None


def _without_decimal_commas(lines: Iterator[str]) -> Iterator[str]:
    return (line.replace(",", ".") for line in lines)


def _guessed(path: Path, table: NDArray[np.float64]) -> list[str]:
    """Names of the columns of a table without headings [N, D]."""
    fitting = [layout for layout in _LAYOUTS.get(table.shape[1], []) if _fits(table, layout)]
    if len(fitting) > 1 and path.suffix.lower() == ".pts":
        fitting = fitting[:1]  # there the intensity comes first
    if len(fitting) != 1:
        raise DatasetError(
            f"{path}: what its {table.shape[1]} columns are is not clear; give it a first line of headings such as "
            "'x y z intensity red green blue'"
        )
    return ["x", "y", "z", *itertools.chain(*fitting[0])]


def _fits(table: NDArray[np.float64], groups: Layout) -> bool:
    start = 3
    for group in groups:
        columns = table[:, start : start + len(group)]
        start += len(group)
        if group[0] == "red" and not _are_colors(columns):
            return False
        if group[0] == "nx" and not _are_normals(columns):
            return False
    return True


def _are_colors(columns: NDArray[np.float64]) -> bool:
    return bool((columns == np.round(columns)).all() and columns.min() >= 0 and 1 < columns.max() <= 65535)


def _are_normals(columns: NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(columns, axis=1)
    return bool(((np.abs(lengths - 1) < _UNIT_TOLERANCE) | (lengths == 0)).all())
