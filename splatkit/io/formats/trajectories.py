"""Trajectories in the format of the TUM RGB-D benchmark: lines of `time x y z qx qy qz qw`, seconds and meters.

Read as well are tables whose headings name these eight columns in any order among others, as EuRoC's ground truth with
qw first, and times in milli-, micro- and nanoseconds since 1970. KITTI's odometry benchmark has lines of the 12 numbers
of a pose [3, 4], row by row, and no times.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import is_rigid
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.text import TextTable, read_table, time_unit

_COLUMNS = 8
_KITTI_NUMBERS = 12
_SAME_MOMENT_S = 1e-5  # by which times printed with microseconds, and as floats since 1970, are off; 0.1 mm at 10 m/s
# Headings of time, x, y, z, qx, qy, qz, qw, as "timestamp", "p_RS_R_x", "field.pose.pose.orientation.w".
_PLACE = r"(?:(?:.*[._/])?(?:p|t|pos|position|trans|translation)(?:[._/].*)?[._/]?)?"
_TURN = r"(?:.*[._/])?(?:q|quat|quaternion|rot|rotation|orientation)(?:[._/].*)?[._/]?"
_HEADINGS = (
    r"(?:time|timestamp|stamp|t)(?:_\w+)?",
    *(_PLACE + axis for axis in "xyz"),
    *(_TURN + axis for axis in "xyzw"),
)
_UNIT_TOLERANCE = 0.01  # of quaternions that were printed with few digits


@dataclass(frozen=True)
class Trajectory:
    """Poses over time, from which those in between follow."""

    times: NDArray[np.float64]  # [N] s, ascending, all different
    poses: NDArray[np.float64]  # [N, 4, 4] T_world_body

    def moved(self, shift: NDArray[np.float64]) -> "Trajectory":
        """The trajectory elsewhere, by a shift [3]."""
        poses = self.poses.copy()
        poses[:, :3, 3] += shift
        return Trajectory(self.times, poses)

    def covers(self, times: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether times [M] lie within the trajectory [M], but for what rounding does to its ends."""
        times = np.asarray(times, dtype=np.float64)
        within: NDArray[np.bool_] = times >= self.times[0] - _SAME_MOMENT_S
        return within & (times <= self.times[-1] + _SAME_MOMENT_S)

    def at(self, times: NDArray[np.floating]) -> NDArray[np.float64]:
        """Poses [M, 4, 4] at times [M]: positions on straight lines, rotations at a constant rate.

        Raises:
            ValueError: a time lies outside of the trajectory, see `covers`.
        """
        times = np.asarray(times, dtype=np.float64)
        if not self.covers(times).all():
            raise ValueError(
                f"times: expected {self.times[0]:.6f} to {self.times[-1]:.6f} s as the trajectory has them,"
                f" got {times.min():.6f} to {times.max():.6f} s"
            )
        times = np.clip(times, self.times[0], self.times[-1])
        if len(self.times) == 1:
            return np.repeat(self.poses, len(times), axis=0)
        out = np.tile(np.eye(4), (len(times), 1, 1))
        out[:, :3, :3] = self._rotations(times).as_matrix()
        out[:, :3, 3] = np.stack([np.interp(times, self.times, self.poses[:, axis, 3]) for axis in range(3)], axis=-1)
        return out

    @cached_property
    def _rotations(self) -> Slerp:
        return Slerp(self.times, Rotation.from_matrix(self.poses[:, :3, :3]))


def read_trajectory(path: Path) -> Trajectory:
    """Read a TUM trajectory; lines that begin with # are comments, and poses are put in the order of time, s.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line has other columns, a number is not finite, a quaternion has no direction, or a time comes
            twice; the message names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = read_table(path)
    columns = _columns(content)
    rows = [_read_line(f"{path}: line {number}", line, columns) for number, line in content.rows]
    if not rows:
        raise DatasetError(f"{path}: no pose in this file; expected lines of time x y z qx qy qz qw")
    table = np.array(rows)
    stated = "" if columns is None else content.units[columns[0]]
    table[:, 0] *= time_unit(stated, float(np.abs(table[:, 0]).max()))
    table = table[np.argsort(table[:, 0], kind="stable")]
    if (twice := np.flatnonzero(np.diff(table[:, 0]) == 0)).size:
        raise DatasetError(f"{path}: the time {table[twice[0], 0]:.9g} has more than one pose")
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(table[:, 4:]).as_matrix()
    poses[:, :3, 3] = table[:, 1:4]
    return Trajectory(table[:, 0], poses)


def write_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Write a TUM trajectory with nanoseconds, micrometers and nine digits of the rotation."""
    quaternions = Rotation.from_matrix(trajectory.poses[:, :3, :3]).as_quat(canonical=True)
    lines = ["# time x y z qx qy qz qw"]
    for time, place, q in zip(trajectory.times, trajectory.poses[:, :3, 3], quaternions, strict=True):
        lines.append(f"{time:.9f} " + " ".join(f"{x:.6f}" for x in place) + " " + " ".join(f"{x:.9f}" for x in q))
    with atomic_file(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_trajectory_table(path: Path, trajectory: Trajectory) -> None:
    """The same as a table with headings, separated by commas; times and positions with all their digits."""
    quaternions = Rotation.from_matrix(trajectory.poses[:, :3, :3]).as_quat(canonical=True)
    rows = np.concatenate([trajectory.times[:, None], trajectory.poses[:, :3, 3], quaternions], axis=1).tolist()
    lines = ["time_s,x,y,z,qx,qy,qz,qw", *(",".join(map(repr, row)) for row in rows)]
    with atomic_file(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_kitti(path: Path) -> bool:
    """Whether the first line of numbers in a file has 12 of them."""
    rows = read_table(path).rows
    return bool(rows) and len(rows[0][1].split()) == _KITTI_NUMBERS


def read_kitti(path: Path) -> NDArray[np.float64]:
    """Poses [N, 4, 4] of a file of KITTI's odometry benchmark.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line has other numbers than 12 that are finite, or its rotation is none; names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    poses = []
    for number, line in read_table(path).rows:
        try:
            values = np.array([float(word) for word in line.split()])
        except ValueError:
            values = np.zeros(0)
        pose = np.eye(4)
        if len(values) == _KITTI_NUMBERS and np.isfinite(values).all():
            pose[:3] = values.reshape(3, 4)
        if len(values) != _KITTI_NUMBERS or not np.isfinite(values).all() or not is_rigid(pose):
            raise DatasetError(f"{path}: line {number}: expected the 12 numbers of a rigid pose, got {line[:60]!r}")
        poses.append(pose)
    if not poses:
        raise DatasetError(f"{path}: no pose in this file; expected lines of 12 numbers")
    return np.stack(poses)


def write_kitti(path: Path, poses: NDArray[np.float64]) -> None:
    """Write poses [N, 4, 4] as KITTI's odometry benchmark has them, with all their digits."""
    lines = [" ".join(map(repr, pose[:3].ravel().tolist())) for pose in poses]
    with atomic_file(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def columns_left_out(path: Path) -> list[str]:
    """Headings of a table that are of no pose: what `read_trajectory` does not read of it."""
    content = read_table(Path(path))
    used = _columns(content)
    return [] if used is None else [name for place, name in enumerate(content.names) if place not in used]


def _columns(content: TextTable) -> list[int] | None:
    """Places of time, x, y, z, qx, qy, qz and qw, where headings name them all; None: there are these eight alone."""
    found = []
    for heading in _HEADINGS:
        places = [place for place, name in enumerate(content.names) if re.fullmatch(heading, name)]
        if not places:
            return None
        found.append(places[0])
    return found if len(set(found)) == _COLUMNS else None


def _read_line(where: str, line: str, columns: list[int] | None) -> list[float]:
    words = line.replace(",", " ").replace(";", " ").split()
    if columns is not None and len(words) > max(columns):
        words = [words[place] for place in columns]
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise DatasetError(f"{where}: expected numbers, got {line[:60]!r}") from None
    if len(values) != _COLUMNS:
        raise DatasetError(f"{where}: expected time x y z qx qy qz qw, got {len(values)} numbers")
    if not np.isfinite(values).all():
        raise DatasetError(f"{where}: a number is not finite")
    length = float(np.linalg.norm(values[4:]))
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise DatasetError(f"{where}: the quaternion has length {length:.4g}, expected 1")
    return values
