"""A smooth path through poses, and slices straightened by it.

Slices are matched as if the LiDAR moved at constant velocity within each. One that sways with 1.8 Hz does not: a slice
of 0.1 s ends 0.25 degrees from where it seems to. With the curve of a first run the points of each slice are moved to
where constant velocity would have measured them, and matched again.
"""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from splatkit.capture.lidar.odometry.registration import Slice, between
from splatkit.geometry.se3 import Array
from splatkit.io.formats.trajectories import Trajectory

_STEPS = 5  # poses of a dense path for each one that was found: it is read along straight lines


class Curve:
    """Cubic splines through positions and rotations."""

    def __init__(self, times: Array, poses: Array) -> None:
        """Times [N] ascending, N >= 2; poses [N, 4, 4]."""
        self._times = times
        self._positions = CubicSpline(times, poses[:, :3, 3])
        self._rotations = RotationSpline(times, Rotation.from_matrix(poses[:, :3, :3]))

    def at(self, times: Array) -> Array:
        """Poses [M, 4, 4] at times [M] within those of the curve."""
        out = np.tile(np.eye(4), (len(times), 1, 1))
        out[:, :3, :3] = self._rotations(times).as_matrix()
        out[:, :3, 3] = self._positions(times)
        return out

    def dense(self) -> Trajectory:
        """The path with poses as near to each other that straight lines between them do."""
        steps = [np.linspace(a, b, _STEPS, endpoint=False) for a, b in zip(self._times, self._times[1:], strict=False)]
        times = np.concatenate([*steps, self._times[-1:]])
        return Trajectory(times, self.at(times))


def straightened(piece: Slice, curve: Curve) -> Slice:
    """A slice as constant velocity between the curve's poses at its ends would have measured it."""
    times = piece.start_s + piece.shares.astype(np.float64) * (piece.end_s - piece.start_s)
    poses = curve.at(times)
    world = np.einsum("nij,nj->ni", poses[:, :3, :3], piece.points) + poses[:, :3, 3]
    ends = curve.at(np.array([piece.start_s, piece.end_s]))
    straight = between(ends[0], ends[1], piece.shares)
    points = np.einsum("nji,nj->ni", straight[:, :3, :3], world - straight[:, :3, 3])
    return Slice(piece.start_s, piece.end_s, points.astype(np.float32), piece.shares)
