"""Files of a folder of photographs that are not used: counted and named, so that nobody misses them in silence."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splatkit.io.listing import IMAGE_SUFFIXES, natural_key

_NAMED = 5
OTHER_KINDS = "are of other kinds"
_PHOTOGRAPHS = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".gif", ".exr", ".hdr", ".psd", ".tga", ".insp"),
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".iiq", ".raw"),
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


def left_out_of(folder: Path, used: Sequence[Path]) -> tuple[LeftOut, ...]:
    """Everything in a folder and below that is not among `used`, by reason; hidden files do not count.

    Args:
        folder: of photographs.
        used: files of it that are.
    """
    taken = set(used)
    kinds: dict[str, list[str]] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in [*links, *sorted(files, key=natural_key)]:
            path = Path(root) / name
            if path not in taken and not name.startswith("."):
                kinds.setdefault(_reason(path), []).append(path.relative_to(folder).as_posix())
    return tuple(LeftOut(reason, tuple(names)) for reason, names in kinds.items())


def kinds_left_out(left_out: Sequence[LeftOut]) -> str:
    """The kinds of photographs among them that are not read, as "8 .heic, 3 .dng"; empty where there are none."""
    counts = Counter(Path(name).suffix.lower() for group in left_out for name in group.names)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.items() if suffix in _PHOTOGRAPHS)


def _reason(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        return "are links to what does not exist"
    if path.is_dir():
        return "are links to folders, which are not followed: give that folder itself"
    if suffix in _PHOTOGRAPHS:
        return f"are left out, {suffix} is not read: convert them to .jpg or .png"
    return "have no pose" if suffix in IMAGE_SUFFIXES else OTHER_KINDS
