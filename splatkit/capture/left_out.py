"""Files of a folder of photographs that are not used: counted and named, so that nobody misses them in silence."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splatkit.io.listing import natural_key
from splatkit.io.photographs.kinds import RAW_SUFFIXES, RAW_TWINS, missing_extra, raw_twins, readable_suffixes

_NAMED = 5
_ARCHIVERS_FOLDER = "__MACOSX"  # where a Mac's zip puts the ._ files
OTHER_KINDS = "are of other kinds"
NOT_CHOSEN = "were not chosen"
EXPECTED = (OTHER_KINDS, NOT_CHOSEN)  # reasons that are no news: only capture.json names the files
_PHOTOGRAPHS = (
    *(".avif", ".jxl", ".jp2", ".gif", ".exr", ".hdr", ".psd", ".tga", ".insp", ".raw"),
)  # that cameras and programs write and that are not read, yet


@dataclass(frozen=True)
class LeftOut:
    """Files that are not used for one reason."""

    reason: str  # as a sentence goes on after "3 files "
    names: tuple[str, ...]

    def __str__(self) -> str:
        some = ", ".join(self.names[:_NAMED]) + (", ..." if len(self.names) > _NAMED else "")
        files = "file" if len(self.names) == 1 else "files"
        return f"{len(self.names)} {files} {self.reason} ({some})"


def left_out_of(folder: Path, used: Sequence[Path], unused: str = "are photographs, not used") -> tuple[LeftOut, ...]:
    """Everything in a folder and below that is not among `used`, by reason; hidden files do not count.

    Args:
        folder: of photographs.
        used: files of it that are.
        unused: the reason for photographs that could be read.
    """
    taken, beside = set(used), list(_others(folder, set(used)))
    twins = raw_twins([*taken, *(path for path in beside if path.suffix.lower() in RAW_SUFFIXES)])
    kinds: dict[str, list[str]] = {}
    for path in beside:
        reason = f"are {RAW_TWINS}" if path in twins else _reason(path, unused)
        kinds.setdefault(reason, []).append(path.relative_to(folder).as_posix())
    return tuple(LeftOut(reason, tuple(names)) for reason, names in kinds.items())


def _others(folder: Path, taken: set[Path]) -> Iterator[Path]:
    """Files in a folder and below that are not taken, hidden ones apart."""
    passed = set[Path]()
    for root, folders, files in os.walk(folder, followlinks=True):
        passed.add(Path(root).resolve())
        folders[:] = [name for name in folders if _is_new(Path(root) / name, passed)]
        folders.sort(key=natural_key)
        for name in sorted(files, key=natural_key):
            path = Path(root) / name
            if path not in taken and not name.startswith("."):
                yield path


def kinds_left_out(left_out: Sequence[LeftOut]) -> str:
    """The kinds of photographs among them that are not read, and what to do; empty where there are none.

    As "8 .heic are read by an extra: pip install 'splatkit[heif]'; 3 .exr must be converted to .jpg or .png".
    """
    counts = Counter(Path(name).suffix.lower() for group in left_out for name in group.names)
    cures = {suffix: extra.advice for suffix in counts if (extra := missing_extra(suffix)) is not None}
    told = [f"{counts[suffix]} {suffix} are read by an extra: {cure}" for suffix, cure in cures.items()]
    others = ", ".join(f"{count} {suffix}" for suffix, count in counts.items() if suffix in _PHOTOGRAPHS)
    return "; ".join([*told, *([f"{others} must be converted to .jpg or .png"] if others else [])])


def _is_new(folder: Path, passed: set[Path]) -> bool:
    """Links may lead around in circles."""
    hidden = folder.name.startswith(".") or folder.name == _ARCHIVERS_FOLDER
    return not hidden and folder.resolve() not in passed


def _reason(path: Path, unused: str) -> str:
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return "are links to what does not exist"
    if suffix in _PHOTOGRAPHS:
        return f"are left out, {suffix} is not read: convert them to .jpg or .png"
    if (extra := missing_extra(suffix)) is not None:
        return f"are left out, {suffix} is read by an extra: {extra.advice}, or convert them to .jpg or .png"
    return unused if suffix in readable_suffixes() else OTHER_KINDS
