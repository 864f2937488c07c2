"""The path of a LiDAR from its scans alone: slices of time matched one after the other, forward and back.

No loop is closed. kiss-icp, the library at hand, straightens each scan by the motion of the one before and matches
points with points; on a LiDAR that sways with each step of a walking person it is lost within meters (see
docs/results/lidar.md), so that slices are matched here, see `registration`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from splatkit.capture.lidar.odometry.curve import Curve, straightened
from splatkit.capture.lidar.odometry.drift import Drift, drift_between
from splatkit.capture.lidar.odometry.local_map import LocalMap
from splatkit.capture.lidar.odometry.registration import Matched, Slice, difference, match_slice, moved, placed
from splatkit.capture.lidar.odometry.slices import slices_of
from splatkit.capture.lidar.scans import ScanSource
from splatkit.errors import CaptureRefusedError
from splatkit.geometry.se3 import Array
from splatkit.io.formats.trajectories import Trajectory
from splatkit.progress import Progress, track

_SETTLED = 30  # slices after which the velocity is known
_FEWEST_SLICES = 10
_KNOWN = 1e8  # information of a first pose, which is right by definition: 1 / rad^2, 1 / m^2
_LEAST_MATCHED = 0.25  # of the points of a slice, in the median of all: with fewer there is nothing to match


@dataclass(frozen=True, eq=False)
class Odometry:
    """A path and how good it is."""

    trajectory: Trajectory  # T_world_lidar; the world is the LiDAR's frame where it began
    drift: Drift
    matched: float  # share of points that lie on surfaces seen before
    distance_m: float  # typical distance of these from planes

    def figures(self) -> dict[str, float]:
        """What capture.json says of it."""
        return {
            "way_m": self.drift.way_m,
            "drift_m": self.drift.end_m,
            "drift_rotation_deg": float(np.degrees(np.sqrt(self.drift.rotation_rad2 * self.drift.way_m))),
            "matched_share": self.matched,
            "distance_from_planes_m": self.distance_m,
        }

    def verdict(self) -> str:
        """Half a sentence."""
        share = 100 * self.drift.end_m / max(self.drift.way_m, 1e-9)
        return (
            f"path of {self.drift.way_m:.1f} m from the scans alone, estimated drift "
            f"{100 * self.drift.end_m:.1f} cm ({share:.2g} %)"
        )


def estimate_path(scans: ScanSource, progress: Progress) -> Odometry:
    """The path of a LiDAR that moved.

    Thinned points of all scans stay in memory: a megabyte for each second of a recording.

    Raises:
        DatasetError: scans have no times, or do not follow each other.
        CaptureRefusedError: there are too few, or what they see does not fit together.
    """
    slices = list(slices_of(track(scans.read(), "reading scans", progress, scans.count())))
    if len(slices) < _FEWEST_SLICES:
        raise CaptureRefusedError(
            f"odometry: the scans last {slices[-1].end_s - slices[0].start_s if slices else 0:.2f} s; a path needs "
            "longer: give --trajectory"
        )
    times = np.array([slices[0].start_s, *(piece.end_s for piece in slices)])
    with progress("following the LiDAR", 3 * len(slices)) as advance:
        velocity = _first_velocity(slices)
        first = Curve(times, _follow(slices, np.eye(4), velocity, advance).poses)
        slices = [straightened(piece, first) for piece in slices]
        forward = _follow(slices, np.eye(4), velocity, advance)
        back = _follow([_reversed(piece) for piece in reversed(slices)], forward.poses[-1], -forward.velocity, advance)
    share = float(np.median([match.share for match in forward.matches]))
    if share < _LEAST_MATCHED:
        raise CaptureRefusedError(
            f"odometry: only {100 * share:.0f} % of the points lie on surfaces that were seen before: is it all of one "
            "LiDAR, in the order of time, and are there surfaces around it? Otherwise give --trajectory"
        )
    drift = drift_between(Trajectory(times, forward.poses), Trajectory(times, back.poses[::-1]))
    distance = float(np.median([match.distance_m for match in forward.matches]))
    return Odometry(Curve(times, forward.poses).dense(), drift, share, distance)


@dataclass(frozen=True, eq=False)
class _Followed:
    poses: Array  # [N + 1, 4, 4] at the beginnings of N slices, and at the end of the last
    velocity: Array  # [6] at the end, rad/s and m/s, world axes
    matches: list[Matched]


def _follow(
    slices: Sequence[Slice], first: Array, velocity: Array, advance: Callable[[int], None] = lambda count: None
) -> _Followed:
    """Poses of slices in their order, from a first pose and velocity; with a new map."""
    surroundings, poses = LocalMap(), [first]
    matches = list[Matched]()
    information, end = _KNOWN * np.eye(6), first
    for piece in slices:
        duration = piece.end_s - piece.start_s
        if matches:
            match = match_slice(piece, surroundings, end, information, velocity)
            velocity = difference(match.start, match.end) / duration
            poses[-1] = match.start
            information, end = match.information, match.end
        else:
            end = moved(first, velocity * duration)
            match = Matched(first, end, information, 0.0, 1.0)
        matches.append(match)
        surroundings.add(placed(piece, match.start, end)[0], end[:3, 3])
        poses.append(end)
        advance(1)
    return _Followed(np.stack(poses), velocity, matches)


def _first_velocity(slices: Sequence[Slice]) -> Array:
    """The velocity [6] at the beginning: the first slices are followed from rest, then back to where they began."""
    begun = _follow(slices[:_SETTLED], np.eye(4), np.zeros(6))
    returned = _follow([_reversed(piece) for piece in reversed(slices[:_SETTLED])], begun.poses[-1], -begun.velocity)
    # In the axes of the LiDAR where it began, which are those of the world to come.
    axes = returned.poses[-1][:3, :3].T
    return np.concatenate([-axes @ returned.velocity[:3], -axes @ returned.velocity[3:]])


def _reversed(piece: Slice) -> Slice:
    return Slice(-piece.end_s, -piece.start_s, piece.points, 1 - piece.shares)
