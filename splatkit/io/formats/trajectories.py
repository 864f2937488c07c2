"""Trajectories in the format of the TUM RGB-D benchmark: lines of `time x y z qx qy qz qw`, seconds and meters."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file

_COLUMNS = 8
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

    def at(self, times: NDArray[np.floating]) -> NDArray[np.float64]:
        """Poses [M, 4, 4] at times [M]: positions on straight lines, rotations at a constant rate.

        Raises:
            ValueError: a time lies outside of the trajectory.
        """
        times = np.asarray(times, dtype=np.float64)
        if len(times) and (times.min() < self.times[0] or times.max() > self.times[-1]):
            raise ValueError(
                f"times: expected {self.times[0]:.6f} to {self.times[-1]:.6f} s as the trajectory has them,"
                f" got {times.min():.6f} to {times.max():.6f} s"
            )
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
    """Read a TUM trajectory; lines that begin with # are comments, and poses are put in the order of time.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: a line has other columns, a number is not finite, a quaternion has no direction, or a time comes
            twice; the message names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        rows.append(_read_line(f"{path}: line {number}", line))
    if not rows:
        raise DatasetError(f"{path}: no pose in this file; expected lines of time x y z qx qy qz qw")
    table = np.array(rows)
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


def _read_line(where: str, line: str) -> list[float]:
    try:
        values = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        raise DatasetError(f"{where}: expected numbers, got {line.strip()[:60]!r}") from None
    if len(values) != _COLUMNS:
        raise DatasetError(f"{where}: expected time x y z qx qy qz qw, got {len(values)} numbers")
    if not np.isfinite(values).all():
        raise DatasetError(f"{where}: a number is not finite")
    length = float(np.linalg.norm(values[4:]))
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise DatasetError(f"{where}: the quaternion has length {length:.4g}, expected 1")
    return values
