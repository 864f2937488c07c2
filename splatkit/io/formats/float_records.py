"""Scans as nothing but float32 numbers (`.bin`, `.pcd.bin`): 3 to 6 of them a point, and nothing says how many.

KITTI has x, y, z and intensity; nuScenes, Lyft and others the number of the laser after them; Waymo's as they are
converted, and drivers, also a time. A name does not tell them apart. The numbers do: the fourth of a point is an
intensity, which is not negative, and with a wrong count coordinates of both signs turn up there. Where that does not
tell, since all numbers are positive or there are only coordinates, the right count is the one whose columns differ
most: a wrong one mixes them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_COUNTS = (3, 4, 5, 6)  # floats a point
_NUSCENES = ".pcd.bin"
_FARTHEST_M = 1000.0  # no spinning LiDAR reaches as far: most numbers beyond it are no coordinates
_FAR_SHARE = 0.1
_ODD_SHARE = 0.01  # of numbers that do not fit their column: markers of what was not measured
_MOST_RINGS = 1024
_RISING_SHARE = 0.75  # of the steps of a time, which may start anew with each ring
_CLEARLY, _CLEARLY_OF_FEW = 0.05, 10.0  # by which columns of the right count differ more; and over the number of points


def read_float_records(path: Path) -> NDArray[np.void]:
    """The points of a file as a structured array [N]: x, y, z in meters, then intensity, ring and time as it has them.

    Columns that are neither are called `other4` and `other5`.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: cut short, of another form, or several counts of numbers a point fit it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = path.read_bytes()
    numbers = np.frombuffer(content[: len(content) // 4 * 4], "<f4")
    if len(numbers) < max(_COUNTS):
        raise DatasetError(f"{path}: cut short or of another form: {len(content)} bytes are no scan")
    fitting = {count: names for count in _COUNTS if (names := _column_names(_table(numbers, count))) is not None}
    if not fitting:
        raise DatasetError(
            f"{path}: damaged or of another form: read as 3, 4, 5 or 6 floats a point, points lie more than 1 km away"
        )
    count = _chosen(path, numbers, fitting)
    if len(content) % (4 * count) != 0:
        raise DatasetError(
            f"{path}: cut short or of another form: {len(content)} bytes are not a whole number of points of "
            f"{_form(count, fitting)}"
        )
    return numbers.view([(name, "<f4") for name in fitting[count]])


def _chosen(path: Path, numbers: NDArray[np.float32], fitting: dict[int, tuple[str, ...]]) -> int:
    """The count of numbers a point."""
    told = {count: sum(not name.startswith("other") for name in names) for count, names in fitting.items()}
    best = [count for count in fitting if told[count] == max(told.values())]
    if len(best) == 1 and best != [3]:  # three coordinates fit whatever more fits
        return best[0]
    if path.name.lower().endswith(_NUSCENES) and 5 in best:
        return 5
    apart = {count: _difference_of_columns(_table(numbers, count)) for count in _COUNTS}
    margin = _CLEARLY + _CLEARLY_OF_FEW * max(_COUNTS) / max(len(numbers), 1)
    near = [count for count in _COUNTS if apart[count] > max(apart.values()) - margin]
    if 3 in near and best == [3]:
        return 3
    likely = [count for count in near if count in fitting and not (count == 6 and 3 in near)]
    if len(likely) == 1:
        return likely[0]
    forms = " and as ".join(_form(count, fitting) for count in likely or fitting)
    raise DatasetError(
        f"{path}: fits as {forms}, and none fits better; convert it to PCD or PLY, which name their columns"
    )


def _difference_of_columns(table: NDArray[np.float32]) -> float:
    """Share of the variance of all numbers of a table that lies between its columns, in [0, 1]."""
    with np.errstate(invalid="ignore"):
        size = np.log1p(np.nan_to_num(np.abs(table.astype(np.float64)), posinf=0.0))
        signed = np.copysign(size, table)
    shares = [float(values.mean(0).var() / max(values.var(), 1e-12)) for values in (size, signed)]
    return max(shares)


def _form(count: int, fitting: dict[int, tuple[str, ...]]) -> str:
    return f"{count} floats a point ({', '.join(fitting[count])})"


def _table(numbers: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """[N, count] of the whole points."""
    return numbers[: len(numbers) // count * count].reshape(-1, count)


def _column_names(table: NDArray[np.float32]) -> tuple[str, ...] | None:
    """What the columns of a table [N, 3 to 6] are; None where it is no table of points."""
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(table[:, :3]) <= _FARTHEST_M) & np.isfinite(table[:, :3])
        if far.any(1).sum() > _FAR_SHARE * len(table):
            return None
        names, columns = ["x", "y", "z"], table.shape[1]
        if columns > 3:
            if not _mostly(table[:, 3] >= 0):
                return None
            names.append("intensity")
        for place in range(4, columns):
            name = _name_of_further(table[:, place], place)
            if name is None:
                return None
            names.append(name if name not in names else f"other{place}")
    return tuple(names)


def _name_of_further(values: NDArray[np.float32], place: int) -> str | None:
    """What a column [N] after the intensity is; None where it is none of a LiDAR's."""
    if _mostly((values == np.round(values)) & (values >= 0) & (values < _MOST_RINGS)):
        return "ring"
    if len(values) > 1 and (np.diff(values) >= 0).mean() >= _RISING_SHARE:
        return "time"
    return f"other{place}" if (values == values[0]).all() or _mostly(values >= 0) else None


def _mostly(fits: NDArray[np.bool_]) -> bool:
    return bool(fits.mean() >= 1 - _ODD_SHARE)
