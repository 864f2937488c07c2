"""Depth maps of photographs from the scans taken around the moment of each, in one pass over a recording."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.depth import project_depth
from splatkit.capture.lidar.motion import PlacedScan
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.rig import Rig
from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.maps.depth_maps import DepthMap

_LATE_S = 1.0  # by which scans may come out of order


@dataclass(frozen=True)
class DepthTarget:
    """A photograph that wants a depth map."""

    photograph: Photograph
    T_camera_world: NDArray[np.float64]  # [4, 4] that brings placed points into the camera's frame
    time: float | None  # s, by the LiDAR's clock; None: every scan counts


def depth_maps(
    targets: list[DepthTarget], scans: Iterable[PlacedScan], rig: Rig, window_s: float
) -> Iterator[tuple[int, DepthMap]]:
    """Depth maps, each as soon as all its scans were seen; photographs without any come out empty.

    Points of a scan are kept only in the photographs that may see them, so that what lies in memory is what was
    measured within `window_s`, however long the recording is.

    Args:
        targets: what to make depth maps of.
        scans: in the order of time, about.
        rig: covariances and range noise.
        window_s: scans within half of it before and after an image count.

    Returns:
        pairs of a number in targets, and its map.
    """
    waiting: dict[int, list[NDArray[np.float32]]] = {index: [] for index in range(len(targets))}
    half = window_s / 2
    for scan in scans:
        begin, end = float(scan.times.min()), float(scan.times.max())
        for index in list(waiting):
            time = targets[index].time
            if time is not None and begin > time + half + _LATE_S:
                yield index, _finished(targets[index], waiting.pop(index), rig)
            elif time is None or (begin <= time + half and end >= time - half):
                waiting[index].append(_in_view(scan, targets[index], half))
    for index in list(waiting):
        yield index, _finished(targets[index], waiting.pop(index), rig)


def _in_view(scan: PlacedScan, target: DepthTarget, half: float) -> NDArray[np.float32]:
    """Points of a scan in the camera's frame [K, 3], without those that lie behind it or at another time."""
    points = scan.cloud.points
    if target.time is not None:
        points = points[np.abs(scan.times - target.time) <= half]
    local = transform_points(target.T_camera_world, points)
    return local[local[:, 2] > 0].astype(np.float32)


def _finished(target: DepthTarget, parts: list[NDArray[np.float32]], rig: Rig) -> DepthMap:
    points = np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)
    camera = rig.cameras[target.photograph.mount]
    return project_depth(points, target.photograph.camera, rig.range_noise_m, camera.covariance)


def rig_targets(
    photographs: list[Photograph], T_world_lidar: NDArray[np.float64], times: NDArray[np.float64], rig: Rig
) -> list[DepthTarget]:
    """Targets by the extrinsics: the LiDAR's path over fractions of a second is better known than poses in the world.

    Args:
        photographs: N of them.
        T_world_lidar: [N, 4, 4] at the moment of each.
        times: [N] s, by the LiDAR's clock.
        rig: extrinsics.
    """
    return [
        DepthTarget(photo, rig.cameras[photo.mount].T_camera_lidar @ invert(pose), float(time))
        for photo, pose, time in zip(photographs, T_world_lidar, times, strict=True)
    ]
