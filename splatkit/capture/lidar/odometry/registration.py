"""One slice of time of a moving LiDAR, matched to what it saw before: the poses at its beginning and its end.

Between the two the LiDAR moves at constant velocity, so that each point is where it was at its own time: the scan is
straightened and matched in one (as in CT-ICP, arXiv 2109.12979). Distances are from points to planes. What is known of
the beginning from the slice before, and that velocities hardly change, keeps poses together where surfaces do not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.odometry.local_map import LocalMap
from splatkit.geometry.se3 import Array, exp_se3

_ITERATIONS, _CONVERGED = 8, 2e-4  # of the largest change: rad, m
_MOST_POINTS = 1500  # of a slice that are matched
_NOISE_M = 0.03  # of distances from planes
_CUT_M = 0.3  # distances far beyond it do not count (Geman-McClure)
# How much velocity changes: rad/s^2 and m/s^2, one standard deviation. A swaying hand or a step makes 5 of both.
_ACCELERATION = np.full(6, 6.0)


@dataclass(frozen=True, eq=False)
class Slice:
    """Points measured within a short time."""

    start_s: float
    end_s: float
    points: Array  # [N, 3] in the LiDAR's frame, each at its own time, m
    shares: Array  # [N] of the slice that is over when each was measured, 0 to 1


@dataclass(frozen=True, eq=False)
class Matched:
    """Poses of a slice."""

    start: Array  # T_world_lidar [4, 4]
    end: Array
    information: Array  # [6, 6] of `end`: inverse covariance of rotation and translation about the LiDAR, world axes
    distance_m: float  # typical distance of points from planes
    share: float  # of its points that are next to a plane


def match_slice(piece: Slice, surroundings: LocalMap, start: Array, information: Array, velocity: Array) -> Matched:
    """Poses of a slice.

    Args:
        piece: the slice.
        surroundings: what was seen before.
        start: T_world_lidar [4, 4] at its beginning, as it follows from the slice before.
        information: [6, 6] of that.
        velocity: [6] rotation (rad/s) and translation (m/s) about the LiDAR, in world axes, of the slice before.
    """
    duration = piece.end_s - piece.start_s
    first, last = start, moved(start, velocity * duration)
    prior_motion = np.diag(1 / (_ACCELERATION * duration**2) ** 2)
    H = np.eye(12)
    distance, count = 0.0, 0
    every = -(-len(piece.points) // _MOST_POINTS)
    piece = Slice(piece.start_s, piece.end_s, piece.points[::every], piece.shares[::every])
    for _ in range(_ITERATIONS):
        world, arms = placed(piece, first, last)
        middles, normals, chosen = surroundings.planes(world)
        residuals = np.einsum("ni,ni->n", normals, world[chosen] - middles)
        weights = (_CUT_M**2 / (_CUT_M**2 + residuals**2)) ** 2 / _NOISE_M**2
        rows = np.concatenate([np.cross(arms[chosen], normals), normals], 1)
        share = piece.shares[chosen, None]
        J = np.concatenate([(1 - share) * rows, share * rows], 1)
        H = (J * weights[:, None]).T @ J
        g = (J * weights[:, None]).T @ residuals
        count = len(chosen)
        distance = float(np.median(np.abs(residuals))) if count else 0.0
        from_prior = difference(start, first)
        H[:6, :6] += information
        g[:6] += information @ from_prior
        change = difference(first, last) - velocity * duration
        both = np.concatenate([-np.eye(6), np.eye(6)], 1)
        H += both.T @ prior_motion @ both
        g += both.T @ (prior_motion @ change)
        step = -np.linalg.solve(H, g)
        first, last = moved(first, step[:6]), moved(last, step[6:])
        if np.abs(step).max() < _CONVERGED:
            break
    marginal = H[6:, 6:] - H[6:, :6] @ np.linalg.solve(H[:6, :6], H[:6, 6:])
    return Matched(first, last, marginal, distance, count / max(len(piece.points), 1))


def placed(piece: Slice, start: Array, end: Array) -> tuple[Array, Array]:
    """Points of a slice in world [N, 3], and seen from where the LiDAR was [N, 3] in world axes."""
    poses = between(start, end, piece.shares)
    arms = np.einsum("nij,nj->ni", poses[:, :3, :3], piece.points)
    return arms + poses[:, :3, 3], arms


def between(start: Array, end: Array, shares: Array) -> Array:
    """Poses [N, 4, 4] on the way from one [4, 4] to another at constant velocity, after shares [N] of it."""
    twist = difference(start, end)
    out = exp_se3(np.concatenate([shares[:, None] * twist[:3], np.zeros((len(shares), 3))], 1))
    out[:, :3, :3] = out[:, :3, :3] @ start[:3, :3]
    out[:, :3, 3] = start[:3, 3] + shares[:, None] * twist[3:]
    return out


def moved(pose: Array, twist: Array) -> Array:
    """A pose [4, 4] turned about itself and shifted, both along world axes."""
    out = pose.copy()
    out[:3, :3] = exp_se3(np.concatenate([twist[:3], np.zeros(3)]))[:3, :3] @ pose[:3, :3]
    out[:3, 3] += twist[3:]
    return out


def difference(start: Array, end: Array) -> Array:
    """The twist [6] with end = moved(start, twist)."""
    turn = Rotation.from_matrix(end[:3, :3] @ start[:3, :3].T).as_rotvec()
    return np.concatenate([turn, end[:3, 3] - start[:3, 3]])
