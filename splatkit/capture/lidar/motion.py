"""Where each point of a moving LiDAR was measured: motion compensation by the points' own times."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.scans import Scan, select_points
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import transform_points, twist_between
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut

_SAME_WORLD_M, _SAME_WORLD_DEG = 0.5, 5.0  # between a scan's own pose and the trajectory at its moment
_TIME_STEP_S = 1e-4  # poses are interpolated this finely, and points between them


@dataclass(frozen=True)
class PlacedScan:
    """Points in the trajectory's world."""

    name: str
    cloud: PointCloud  # points in world, m
    times: NDArray[np.float64]  # [N] s, by the LiDAR's clock
    origins: NDArray[np.float64]  # [N, 3] where the LiDAR was at that moment, m
    untimed: int  # points left out because the trajectory does not reach them


def place_scan(scan: Scan, trajectory: Trajectory) -> PlacedScan | None:
    """A scan in the trajectory's world; None where the trajectory covers none of it.

    A scan with a pose of its own is placed by that.

    Raises:
        DatasetError: the scan has no times, or its own pose is in another world than the trajectory.
    """
    if scan.times is None:
        raise DatasetError(
            f"{scan.name}: neither its points nor its name have a time; "
            "give --scan-times, a CSV with the columns file,time_s"
        )
    if scan.T_world_lidar is not None and len(scan.times) > 0:
        _check_world(scan.name, scan.T_world_lidar, scan.times[0], trajectory)
        return placed_by_its_pose(scan, scan.T_world_lidar)
    covered = trajectory.covers(scan.times)
    if not covered.any():
        return None
    cloud = scan.cloud if covered.all() else select_points(scan.cloud, covered)
    times = scan.times[covered]
    points, origins = _compensated(cloud.points, times, trajectory)
    return PlacedScan(scan.name, replace(cloud, points=points), times, origins, int((~covered).sum()))


def _compensated(
    points: NDArray[np.floating], times: NDArray[np.float64], trajectory: Trajectory
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points [N, 3] in the trajectory's world and where the LiDAR was then [N, 3], between two of its poses each."""
    steps = (times - times.min()) / _TIME_STEP_S
    before = np.floor(steps).astype(np.int64)
    after = (steps - before)[:, None]  # how far on the way to the next pose
    moments = times.min() + _TIME_STEP_S * np.arange(before.max() + 2)
    poses = trajectory.at(np.clip(moments, trajectory.times[0], trajectory.times[-1]))
    origins = (1 - after) * poses[before, :3, 3] + after * poses[before + 1, :3, 3]
    turned = (1 - after) * np.einsum("nij,nj->ni", poses[before, :3, :3], points)
    turned += after * np.einsum("nij,nj->ni", poses[before + 1, :3, :3], points)
    return origins + turned, origins


def placed_by_its_pose(scan: Scan, T_world_lidar: NDArray[np.float64]) -> PlacedScan:
    """A scan of a LiDAR that stood still at a pose [4, 4]; without times they are zeros."""
    times = np.zeros(len(scan.cloud.points)) if scan.times is None else scan.times
    cloud = replace(scan.cloud, points=transform_points(T_world_lidar, scan.cloud.points))
    return PlacedScan(scan.name, cloud, times, np.tile(T_world_lidar[:3, 3], (len(times), 1)), 0)


def _check_world(name: str, T_world_lidar: NDArray[np.float64], moment: float, trajectory: Trajectory) -> None:
    if not trajectory.covers(np.array([moment]))[0]:
        return
    twist = twist_between(trajectory.at(np.array([moment]))[0], T_world_lidar)
    degrees, meters = float(np.degrees(np.linalg.norm(twist[:3]))), float(np.linalg.norm(twist[3:]))
    if degrees > _SAME_WORLD_DEG or meters > _SAME_WORLD_M:
        raise DatasetError(
            f"{name}: its own pose and the trajectory at its time are {meters:.2f} m and {degrees:.1f} degrees "
            "apart; they belong to different worlds, or go by different clocks"
        )


def place_scans(
    scans: Iterable[Scan], trajectory: Trajectory, note: Callable[[LeftOut], None] = lambda left_out: None
) -> Iterator[PlacedScan]:
    """All scans that the trajectory covers, one after the other; `note` is told of the others.

    Raises:
        DatasetError: it covers none: trajectory and scans go by different clocks, or belong to different recordings.
    """
    first: Scan | None = None
    found = False
    for scan in scans:
        first = first or scan
        placed = place_scan(scan, trajectory)
        if placed is not None:
            found = True
            yield placed
        elif len(scan.cloud.points) == 0:
            note(LeftOut(scan.name, "none of its points is within the range that is used"))
        else:
            note(LeftOut(scan.name, "the trajectory does not reach it"))
    if not found and first is not None and first.times is not None:
        raise DatasetError(
            f"{first.name} was taken at {first.times.min():.3f} s, the trajectory covers {trajectory.times[0]:.3f} to "
            f"{trajectory.times[-1]:.3f} s: they go by different clocks, or belong to different recordings"
        )


def near_moments(scan: Scan, moments: NDArray[np.float64], margin_s: float) -> Scan | None:
    """The points of a scan measured near one of sorted moments [M], s; None where there are none."""
    if scan.times is None:
        return scan
    after = np.clip(np.searchsorted(moments, scan.times), 1, len(moments) - 1)
    distance = np.minimum(np.abs(scan.times - moments[after - 1]), np.abs(scan.times - moments[after]))
    near = distance <= margin_s
    if not near.any():
        return None
    return replace(scan, cloud=select_points(scan.cloud, near), times=scan.times[near])


def without_ring_bias(scan: Scan, ring_bias: dict[int, float]) -> Scan:
    """Ranges corrected by what single lasers are known to be off."""
    if not ring_bias or scan.cloud.ring is None:
        return scan
    bias = np.array([ring_bias.get(int(ring), 0.0) for ring in np.arange(scan.cloud.ring.max() + 1)])
    ranges = np.linalg.norm(scan.cloud.points, axis=1)
    scale = 1 - bias[np.maximum(scan.cloud.ring, 0)] / np.maximum(ranges, 1e-6)
    return replace(scan, cloud=replace(scan.cloud, points=scan.cloud.points * scale[:, None]))
