"""Text as people's programs write it: in any encoding, with tables that have a line of headings or none."""

import re
from dataclasses import dataclass
from pathlib import Path

from splatkit.io.time_units import UNITS_S, unit_since_1970

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_COMMENTS = ("#", "%", "//")
_HEADING = re.compile(r"([^\s,;\[\]()]+)(?:\s*[\[(]\s*([^\])]*?)\s*[\])])?")  # a name, and perhaps "[ns]" or "(s)"
_UNIT_IN_NAME = re.compile(r"_(s|ms|us|ns|sec|secs|nsec|nsecs)$")
_UNIT_WORDS = {"sec": "s", "secs": "s", "seconds": "s", "nsec": "ns", "nsecs": "ns", "nanoseconds": "ns", "µs": "us"}
_MOST_SECONDS = 1e10  # since 1970: larger numbers are no seconds, whatever is stated


@dataclass(frozen=True)
class TextTable:
    """Lines of a text file.

    Attributes:
        names: of the columns, lower case, if a line before the first row has any.
        units: of each name, empty where none is stated.
        rows: number of the line, from 1, and the line.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[int, str], ...]


def decode_text(content: bytes) -> str:
    """Text in UTF-8 or by its byte order mark; what is neither gets a letter for each byte, as Latin-1 has them.

    ASCII is the same in all of these, and so are numbers and keywords; only comments and names may come out with other
    letters.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def heading_lines(comments: tuple[str, ...]) -> list[str]:
    """Comments for the head of a text file, each in one line."""
    return [" ".join(comment.split("\n")).replace("\r", " ") for comment in comments]


def read_table(path: Path) -> TextTable:
    """The lines of a table without empty ones and comments.

    The last comment before the rows, or a first line without any number, has the names of the columns.

    Raises:
        FileNotFoundError: no such file.
    """
    heading, rows = "", list[tuple[int, str]]()
    for number, line in enumerate(decode_text(path.read_bytes()).splitlines(), 1):
        bare = line.strip()
        if not bare:
            continue
        if bare.startswith(_COMMENTS):
            heading = heading if rows else bare.lstrip("#%/ ")
        elif not rows and _is_heading(bare):
            heading = bare
        else:
            rows.append((number, bare))
    found = [(name.lower(), unit.lower()) for name, unit in _HEADING.findall(heading)]
    names, units = tuple(name for name, _ in found), tuple(unit or _unit_in_name(name) for name, unit in found)
    return TextTable(names, units, tuple(rows))


def time_unit(stated: str, largest: float) -> float:
    """Seconds of a count, by what a heading states (which may be empty) and by the largest number below it."""
    unit = UNITS_S.get(_UNIT_WORDS.get(stated, stated))
    if unit is None or largest * unit >= _MOST_SECONDS:
        return unit_since_1970(largest) or 1.0
    return unit


def is_number(word: str) -> bool:
    """Whether a word is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_heading(line: str) -> bool:
    words = [word for word in re.split(r"[,;\s]+", line) if word]
    return len(words) > 1 and not any(is_number(word) for word in words)


def _unit_in_name(name: str) -> str:
    found = _UNIT_IN_NAME.search(name)
    return found[1] if found else ""
