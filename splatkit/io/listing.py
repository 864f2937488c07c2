"""Files of a folder, as people count them: 2.jpg before 10.jpg, and hidden ones do not."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from splatkit.io.photographs.kinds import RAW_TWINS, missing_extra, raw_twins, readable_suffixes

_ARCHIVERS_FOLDER = "__MACOSX"  # where a Mac's zip puts the ._ files
# A stamp's fraction counts from its point on: .5 comes after .25. Elsewhere digits are whole numbers.
_PARTS = re.compile(r"(?P<fraction>(?<=\d{9})\.\d+)|(?P<text>\D*)(?P<digits>\d*)")


def list_files(folder: Path, suffixes: Sequence[str] = (), below: bool = False) -> list[Path]:
    """Files of a folder that exists, in natural order; hidden ones, which begin with a dot, are left out.

    Links are followed, to files and to folders.

    Args:
        folder: where to look.
        suffixes: what names end in, in whatever case; none: every file.
        below: in the folders below it too.

    Raises:
        FileNotFoundError: a link to such a file leads nowhere.
    """
    found = _below(folder, {folder.resolve()}) if below else folder.iterdir()
    wanted = [path for path in found if _is_wanted(path, suffixes)]
    if lost := [path for path in wanted if path.is_symlink() and not path.exists()]:
        target = lost[0].readlink()
        raise FileNotFoundError(
            f"{lost[0]}: is a link to {target}, which is not there ({len(lost)} such links): is its disk mounted?"
        )
    files = [path for path in wanted if path.is_file()]
    return sorted(files, key=lambda path: _key_of(path.relative_to(folder).as_posix()))


def list_photographs(folder: Path, below: bool = False) -> list[Path]:
    """Images of a folder that can be read, as `list_files`; of a raw file and its developed twin only the latter."""
    found = list_files(folder, readable_suffixes(), below)
    twins = raw_twins(found)
    return [path for path in found if path not in twins]


def other_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of a folder whose names end in none of the suffixes, in natural order; hidden ones do not count."""
    wanted = set(list_files(folder, suffixes))
    return [path for path in list_files(folder) if path not in wanted]


def beside_photographs(folder: Path, other_kind: str) -> dict[Path, str]:
    """Files of a folder that `list_photographs` leaves out, and why; `other_kind` is what is said of other kinds."""
    read, twins = set(list_photographs(folder)), raw_twins(list_files(folder))
    reasons = {}
    for path in list_files(folder):
        if path not in read:
            extra = missing_extra(path.suffix)
            needs = None if extra is None else f"{path.suffix.lower()} is read by an extra: {extra.advice}"
            reasons[path] = RAW_TWINS if path in twins else needs or other_kind
    return reasons


def find_path(path: Path) -> Path:
    """A path as its folder writes it: programs differ in whether é is one letter or e with an accent (NFC, NFD)."""
    if path.exists() or not path.name:
        return path
    folder = find_path(path.parent)
    if folder.is_dir():
        wanted = same_letters(path.name)
        return next((other for other in folder.iterdir() if same_letters(other.name) == wanted), path)
    return path


def same_letters(name: str) -> str:
    """A name to compare with others, however their accents are written."""
    return unicodedata.normalize("NFC", name)


def natural_key(name: str) -> list[tuple[str, int]]:
    """Text and number in turn: "pose10.pcd" -> ("pose", 10), (".pcd", 0)."""
    return [
        (part["fraction"], 0) if part["fraction"] else (part["text"], int(part["digits"] or 0))
        for part in _PARTS.finditer(name)
    ]


def _key_of(name: str) -> tuple[list[tuple[str, int]], str]:
    """With the name itself, that 1.jpg and 01.jpg have an order too."""
    return natural_key(same_letters(name)), name


def _is_wanted(path: Path, suffixes: Sequence[str]) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and (not suffixes or path.name.lower().endswith(tuple(suffixes)))


def _below(folder: Path, passed: set[Path]) -> Iterator[Path]:
    """Everything in a folder and in those below it, each folder once, however links lead around."""
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == _ARCHIVERS_FOLDER:
            continue
        if not path.is_dir():
            yield path
        elif (real := path.resolve()) not in passed:
            passed.add(real)
            yield from _below(path, passed)
