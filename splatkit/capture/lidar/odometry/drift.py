"""How far a path of odometry may be off: a random walk whose steps follow from two runs over the same scans.

The way forward and the way back match each slice with another map, and begin from another guess: what they differ by
over a stretch is what neither knows. Errors of scans that both share do not show in it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.geometry.se3 import Array, invert
from splatkit.io.formats.trajectories import Trajectory

_STRETCHES = 12  # that the way is cut into; the errors of longer ones are hardly independent
_SAMPLES = 128


@dataclass(frozen=True)
class Drift:
    """Variances that each meter of the way adds, about and along each axis."""

    rotation_rad2: float
    translation_m2: float
    way_m: float

    @property
    def end_m(self) -> float:
        """Typical distance (root mean square) of the end from where it is taken to be, if the beginning is right."""
        turned = self.rotation_rad2 * self.way_m * (self.way_m**2) / 3  # a random walk of the heading, integrated
        return float(np.sqrt(3 * self.translation_m2 * self.way_m + min(2 * turned, self.way_m**2)))

    def errors(self, path: Trajectory, times: Array, seed: int = 0) -> tuple[Array, Array]:
        """Random errors of rotation [S, N, 3] (rad) and translation [S, N, 3] (m) in world axes at times [N]."""
        order = np.argsort(times, kind="stable")
        positions = path.at(np.clip(times[order], path.times[0], path.times[-1]))[:, :3, 3]
        steps = np.diff(positions, axis=0, prepend=positions[:1])
        meters = np.linalg.norm(steps, axis=1)[:, None]
        rng = np.random.default_rng(seed)
        shape = (_SAMPLES, len(times), 3)
        turns = np.cumsum(rng.normal(size=shape) * np.sqrt(self.rotation_rad2 * meters), axis=1)
        own = rng.normal(size=shape) * np.sqrt(self.translation_m2 * meters)
        back = np.argsort(order, kind="stable")
        return turns[:, back], np.cumsum(own + np.cross(turns, steps), axis=1)[:, back]


def drift_between(one: Trajectory, other: Trajectory) -> Drift:
    """The drift of either of two paths with the same times.

    Args:
        one: a path.
        other: the same by an independent run.
    """
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(one.poses[:, :3, 3], axis=0), axis=1))])
    at = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _STRETCHES + 1)).clip(0, len(way) - 1))
    moved = [invert(path.poses[at[:-1]]) @ path.poses[at[1:]] for path in (one, other)]
    apart = invert(moved[0]) @ moved[1]
    turns, shifts = Rotation.from_matrix(apart[:, :3, :3]).as_rotvec(), apart[:, :3, 3]
    meters = np.maximum(np.diff(way[at]), 1e-6)[:, None]
    # Half of the squares: both runs err.
    return Drift(float((turns**2 / meters).mean() / 2), float((shifts**2 / meters).mean() / 2), float(way[-1]))
