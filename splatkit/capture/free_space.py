"""Whether the disk has room, asked before hours of work rather than found out after them."""

import shutil
from pathlib import Path


def require_free(out: Path, needed: float) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        out: where it will be.
        needed: bytes, estimated.

    Raises:
        OSError: there is less free space; the message names both.
    """
    place = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(
            f"{out}: needs about {needed / 1e6:.3g} MB of disk, {free / 1e6:.3g} MB are free there; free some space or "
            "write elsewhere"
        )
