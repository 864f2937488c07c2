"""Paths that a dataset's file names: they stay inside of its folder unless told otherwise.

Files are written on Windows and read here, packed on a Mac, or name images without a suffix: what a name does not
find, the same name finds with / for \\, in the other normalization of Unicode, or with the suffix of an image.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError
from splatkit.io.photographs.kinds import readable_suffixes

FRAME_FILES = {
    "mask_path": "mask_path",
    "depth_file_path": "depth_path",
    "depth_sigma_file_path": "depth_sigma_path",
    "normal_file_path": "normal_path",
    "background_file_path": "background_path",
}  # what a frame names beside its image and can do without -> field of `transforms_json.Frame`


class NamesOnDisk:
    """How the disk spells names of files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[Path, dict[str, str]] = {}  # folder -> normalized name -> name on the disk

    def spelled(self, name: Any, suffixes: tuple[str, ...] = ()) -> Any:
        """The first spelling of a name that is a file; the name itself, with / for \\, where none is."""
        if not isinstance(name, str) or not name or "\0" in name or (self.root / name).is_file():
            return name
        slashed = self._below_root(name.replace("\\", "/"))
        for spelling in (slashed, *(slashed + suffix for suffix in suffixes)):
            if (self.root / spelling).is_file():
                return spelling
            if (found := self._other_normalization(spelling)) is not None:
                return found
        return slashed

    def _below_root(self, name: str) -> str:
        """A path with a Windows drive, as D:/walk/images/1.jpg, by its end that is a file here, if there is one."""
        if not re.match(r"[A-Za-z]:/", name):
            return name
        parts = name.split("/")[1:]
        ends = ("/".join(parts[first:]) for first in range(len(parts)))
        return next((end for end in ends if (self.root / end).is_file()), name)

    def _other_normalization(self, name: str) -> str | None:
        """A name whose accents are composed or not, as Linux and macOS write them; None where there is none."""
        if name.isascii():
            return None
        folder, parts = self.root, []
        for part in Path(name).parts:
            on_disk = part if part in ("..", "/") else self._listing(folder).get(unicodedata.normalize("NFC", part))
            if on_disk is None:
                return None
            folder /= on_disk
            parts.append(on_disk)
        return "/".join(parts) if folder.is_file() else None

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self._listings:
            entries = folder.iterdir() if folder.is_dir() else ()
            self._listings[folder] = {unicodedata.normalize("NFC", entry.name): entry.name for entry in entries}
        return self._listings[folder]


class DatasetPaths:
    """Resolves paths of one file, inside its folder unless told otherwise."""

    def __init__(self, json_path: Path, allow_outside: bool) -> None:
        self.root = json_path.parent
        self.allow_outside = allow_outside
        self.missing: list[str] = []  # what `found` did not find
        self._names = NamesOnDisk(self.root)

    def as_on_disk(self, meta: Mapping[str, Any], splits: tuple[str, ...]) -> dict[str, Any]:
        """The content of a transforms.json with every name as the disk spells it; what is no name stays as it is."""
        out = dict(meta)
        if isinstance(meta.get("frames"), list):
            out["frames"] = [self._frame_on_disk(entry) for entry in meta["frames"]]
        if "ply_file_path" in meta:
            out["ply_file_path"] = self._names.spelled(meta["ply_file_path"])
        for key in (f"{split}_filenames" for split in splits):
            if isinstance(meta.get(key), list):
                out[key] = [self._names.spelled(name, readable_suffixes()) for name in meta[key]]
        return out

    def _frame_on_disk(self, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        names = {name: self._names.spelled(entry[name]) for name in FRAME_FILES if name in entry}
        if "file_path" in entry:
            names["file_path"] = self._names.spelled(entry["file_path"], readable_suffixes())
        return {**entry, **names}

    def resolve(self, name: object, where: str) -> Path:
        """Absolute path of `name`; links are followed, for a link leads out of a folder as well as `..` does."""
        if not isinstance(name, str) or not name or "\0" in name:
            raise DatasetError(f"{where}: expected a path, got {name!r}")
        resolved = (self.root / name).resolve()
        if not self.allow_outside and not resolved.is_relative_to(self.root):
            raise DatasetError(f"{where}: {self._way_out(name, resolved)}")
        return resolved

    def found(self, name: object, where: str) -> Path | None:
        """Like `resolve`, for a file that a frame can do without; None where it is not named or does not exist."""
        if name is None:
            return None
        resolved = self.resolve(name, where)
        if resolved.is_file():
            return resolved
        self.missing.append(str(name))
        return None

    def existing(self, name: object, where: str) -> Path:
        """Like `resolve`, for a file that must exist."""
        resolved = self.resolve(name, where)
        if not resolved.is_file():
            raise DatasetError(f"{where}: no such file {resolved}")
        return resolved

    def _way_out(self, name: str, resolved: Path) -> str:
        """Why a path is refused: by a link that somebody laid, or by the name itself."""
        path = self.root / name
        link = next((part for part in (path, *path.parents) if part != self.root and part.is_symlink()), None)
        if link is None or not path.is_relative_to(self.root) or ".." in Path(name).parts:
            return f"{name} leads out of the dataset's folder {self.root}; refused"
        if not resolved.exists():
            return f"{link.relative_to(self.root)} is a link to {resolved}, which does not exist"
        return (
            f"{link.relative_to(self.root)} is a link that leads out of the dataset's folder, to {resolved}; copy the "
            "dataset with what its links show (cp -rL), or pass --allow-outside where the command has it"
        )
