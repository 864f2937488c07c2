"""Rigs of a dataset, from the poses of what was taken together: COLMAP has one pose for each frame of a rig.

A rig is written where its cameras lie to each other alike in all frames; poses that somebody refined one by one do not,
and their photographs stay single ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose, invert
from splatkit.io.transforms_json import Frame

_RAD = 1e-4  # and as a share of the distances between frames: what relative poses may differ by

Sensor = tuple[str, Camera]  # a camera of a rig: its name, and its lens


@dataclass(frozen=True, eq=False)
class FoundRig:
    """Cameras that lie alike in all frames."""

    poses: dict[Sensor, NDArray[np.float64]]  # T_camera_rig [4, 4]; that of the first, the reference, is the identity
    frames: tuple[tuple[Frame, ...], ...]  # what was taken together

    def T_rig_world(self, taken: Sequence[Frame]) -> NDArray[np.float64]:
        """[4, 4] of what was taken together."""
        pose = self.poses[sensor_of(taken[0])]
        return invert(pose) @ taken[0].posed.T_camera_world


def sensor_of(frame: Frame) -> Sensor:
    """Which camera of a rig took it."""
    return frame.rig_camera or "", frame.camera


def find_rigs(frames: Sequence[Frame]) -> tuple[list[FoundRig], int]:
    """Rigs of several cameras, and how many sets of cameras are none because they do not lie alike in all frames."""
    taken: dict[str, list[Frame]] = {}
    for frame in frames:
        if frame.rig_camera is not None and frame.rig_frame is not None:
            taken.setdefault(frame.rig_frame, []).append(frame)
    groups = [group for group in taken.values() if len({sensor_of(frame) for frame in group}) == len(group)]
    found, unfit = [], 0
    for bodies in _connected(groups):
        rig = _rig(bodies)
        if rig is None:
            unfit += 1
        elif len(rig.poses) > 1:
            found.append(rig)
    return found, unfit


def _connected(groups: list[list[Frame]]) -> list[list[list[Frame]]]:
    """Groups whose cameras are linked by others."""
    bodies: list[tuple[set[Sensor], list[list[Frame]]]] = []
    for group in groups:
        sensors, members = {sensor_of(frame) for frame in group}, [group]
        apart = []
        for body in bodies:
            if body[0] & sensors:
                sensors, members = sensors | body[0], body[1] + members
            else:
                apart.append(body)
        bodies = [*apart, (sensors, members)]
    return [members for _, members in bodies]


def _rig(groups: list[list[Frame]]) -> FoundRig | None:
    """Of linked groups; None where relative poses differ from frame to frame."""
    seen = [sensor_of(frame) for group in groups for frame in group]
    ordered = sorted(dict.fromkeys(seen), key=lambda sensor: -seen.count(sensor))
    centers = np.stack([frame.posed.center for group in groups for frame in group])
    tolerance = _RAD * float(np.linalg.norm(np.ptp(centers, axis=0))) + 1e-12
    poses: dict[Sensor, NDArray[np.float64]] = {ordered[0]: np.eye(4)}
    waiting = [{sensor_of(frame): frame for frame in group} for group in groups]
    while len(poses) < len(ordered):
        known = len(poses)
        for sensor in ordered:
            both = [(group, next((other for other in poses if other in group), None)) for group in waiting]
            relative = [
                group[sensor].posed.T_camera_world @ group[other].T_world_camera @ poses[other]
                for group, other in both
                if other is not None and sensor in group
            ]
            if sensor not in poses and relative:
                mean = _mean(np.stack(relative))
                if not _alike(np.stack(relative), mean, tolerance):
                    return None
                poses[sensor] = mean
        if len(poses) == known:
            return None
    return FoundRig({sensor: poses[sensor] for sensor in ordered}, tuple(tuple(group) for group in groups))


def _mean(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    rotation = Rotation.from_matrix(poses[:, :3, :3]).mean()
    return compose(rotation.as_matrix(), poses[:, :3, 3].mean(0))


def _alike(poses: NDArray[np.float64], mean: NDArray[np.float64], tolerance: float) -> bool:
    turned = (Rotation.from_matrix(mean[:3, :3]).inv() * Rotation.from_matrix(poses[:, :3, :3])).magnitude()
    moved = np.linalg.norm(poses[:, :3, 3] - mean[:3, 3], axis=1)
    return bool(turned.max() < _RAD and moved.max() <= tolerance)
