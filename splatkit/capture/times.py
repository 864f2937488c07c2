"""Tables of times: of images by the cameras' clock, of scans by the LiDAR's."""

from pathlib import Path

import numpy as np

from splatkit.errors import DatasetError


def read_times(path: Path) -> dict[str, float]:
    """Times by file name, of a CSV with the columns `file` and `time_s`; folders in names do not count.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line is not of this form, or a file comes twice; names file and line.
    """
    lines = Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    times: dict[str, float] = {}
    for number, line in enumerate(lines, 1):
        words = [word.strip() for word in line.split(",")]
        if not line.strip() or (number == 1 and words[:1] == ["file"]):
            continue
        try:
            name, value = Path(words[0]).name, float(words[1])
        except (IndexError, ValueError):
            raise DatasetError(f"{path}: line {number}: expected file,time_s, got {line.strip()[:60]!r}") from None
        if not np.isfinite(value) or name in times:
            reason = "comes twice" if name in times else "has no finite time"
            raise DatasetError(f"{path}: line {number}: {name} {reason}")
        times[name] = value
    if not times:
        raise DatasetError(f"{path}: no line of file,time_s in this file")
    return times
