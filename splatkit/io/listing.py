"""Files of a folder, as people count them: 2.jpg before 10.jpg, and hidden ones do not."""

import re
from collections.abc import Sequence
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # that can be read


def list_files(folder: Path, suffixes: Sequence[str] = (), below: bool = False) -> list[Path]:
    """Files of a folder that exists, in natural order; those that begin with a dot are left out.

    Args:
        folder: where to look.
        suffixes: what names end in, in whatever case; none: every file.
        below: in the folders below it too.
    """
    found = folder.rglob("*") if below else folder.iterdir()
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    wanted = [path for path in files if not suffixes or path.name.lower().endswith(tuple(suffixes))]
    return sorted(wanted, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def natural_key(name: str) -> list[tuple[str, int]]:
    """Text and number in turn: "pose10.pcd" -> ("pose", 10), (".pcd", 0)."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
