"""Recordings as apps share them: zips, Record3D's .r3d among them, unpacked beside the output."""

import zipfile
import zlib
from pathlib import Path

from splatkit.capture.free_space import require_free
from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_directory

_HIDDEN = ("__MACOSX",)  # where a Mac's zip puts the ._ files


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, whatever it is called."""
    return path.is_file() and zipfile.is_zipfile(path)


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a zip once; returns the folder that its content starts in.

    Args:
        path: the zip.
        folder: to make; what is there already is of the same zip.

    Raises:
        DatasetError: it is damaged or locked; names it.
        OSError: the disk has no room for it.
    """
    if not folder.is_dir():
        with atomic_directory(folder) as partial:
            try:
                with zipfile.ZipFile(path) as archive:
                    require_free(folder, sum(entry.file_size for entry in archive.infolist()))
                    archive.extractall(partial)  # which keeps names like ../a inside
            # RuntimeError: it is locked by a password; NotImplementedError: packed in a way that Python does not know.
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
                raise DatasetError(f"{path}: the zip is damaged, or cannot be unpacked ({error})") from error
    inside = [entry for entry in folder.iterdir() if entry.name not in _HIDDEN and not entry.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
