"""Tables of times: of images by the cameras' clock, of scans by the LiDAR's."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from splatkit.errors import DatasetError
from splatkit.io.formats.text import TextTable, is_number, read_table, time_unit
from splatkit.io.listing import same_letters

_FILE_NAMES = ("file", "filename", "file_name", "name", "image", "image_name", "scan", "cloud", "path")
_TIME_NAMES = re.compile(r"(time|timestamp|stamp|t)(_\w+)?")


class FileTimes:
    """Times of files, s. Folders count where a name is in several: left/0000.png and right/0000.png."""

    def __init__(self, times: Mapping[str, float]) -> None:
        """Times by path, whole or relative to any folder."""
        self._by_name: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for path, time in times.items():
            parts = _parts(path)
            self._by_name.setdefault(parts[-1], []).append((parts, time))

    def find(self, path: Path | str) -> float | None:
        """The time of a file, s; None where the table has no line for it, or several that fit as well."""
        parts = _parts(path)
        found = self._by_name.get(parts[-1], [])
        if len(found) > 1:
            found = [entry for entry in found if _agree(entry[0], parts)]
        return found[0][1] if len(found) == 1 else None


def _parts(path: Path | str) -> tuple[str, ...]:
    return PurePosixPath(same_letters(str(path).replace("\\", "/"))).parts


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether paths are the same from the end, as far as both go."""
    count = min(len(one), len(other))
    return one[-count:] == other[-count:]


def read_times(path: Path) -> FileTimes:
    """Times in seconds by file, of a table with a column of files and one of times.

    A line of headings tells the columns and the unit
    (file,time_s; #timestamp [ns],filename). Without one, the column that holds no number is the file's, and times
    since 1970 tell their unit by their size.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line is not of this form, or a file comes twice; names file and line.
    """
    path = Path(path)
    table = read_table(path)
    if not table.rows:
        raise DatasetError(f"{path}: no line of file,time_s in this file")
    file_at, time_at = _columns(table)
    found: dict[str, float] = {}
    for number, line in table.rows:
        where, words = f"{path}: line {number}", _words(line)
        try:
            parts = _parts(words[file_at])
            name = str(PurePosixPath(*parts[:-1], parts[-1]))
            value = float(words[time_at])
        except (IndexError, ValueError):
            raise DatasetError(f"{where}: expected file,time_s, got {line[:60]!r}") from None
        if not np.isfinite(value) or name in found:
            reason = "comes twice" if name in found else "has no finite time"
            raise DatasetError(f"{where}: {name} {reason}")
        found[name] = value
    stated = table.units[time_at] if time_at < len(table.units) else ""
    unit = time_unit(stated, max(abs(value) for value in found.values()))
    return FileTimes({name: value * unit for name, value in found.items()})


def _columns(table: TextTable) -> tuple[int, int]:
    """Of the files and of the times."""
    files = [place for place, name in enumerate(table.names) if name in _FILE_NAMES]
    times = [place for place, name in enumerate(table.names) if _TIME_NAMES.fullmatch(name)]
    if files and times:
        return files[0], times[0]
    first = _words(table.rows[0][1])
    swapped = len(first) > 1 and is_number(first[0]) and not is_number(first[1])
    return (1, 0) if swapped else (0, 1)


def _words(line: str) -> list[str]:
    """Columns of a line: between commas, semicolons or tabs, where names may hold spaces, else between spaces."""
    separator = next((mark for mark in (",", ";", "\t") if mark in line), None)
    return [word.strip().strip('"') for word in line.split(separator)]
