"""Where frames of a robot lie in each other, by tf: static transforms, and those that never change."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.geometry.se3 import compose, invert
from splatkit.io.recordings.recording import Recording

KINDS = ("tf2_msgs/TFMessage", "tf/tfMessage")
_SAME = 1e-6  # entries of a transform that is published again and again
_UNIT_TOLERANCE = 0.01  # of quaternions


class RigidFrames:
    """Frames that are fixed to each other."""

    def __init__(self) -> None:
        self._edges: dict[tuple[str, str], NDArray[np.float64]] = {}  # (parent, child): T_parent_child
        self._moving: set[tuple[str, str]] = set()

    def add(self, parent: str, child: str, T_parent_child: NDArray[np.float64]) -> None:
        """Take note of a transform [4, 4]; one that differs from an earlier one moves."""
        edge = frame_name(parent), frame_name(child)
        known = self._edges.setdefault(edge, T_parent_child)
        if np.abs(known - T_parent_child).max() > _SAME:
            self._moving.add(edge)

    def find(self, target: str, source: str) -> NDArray[np.float64] | None:
        """T_target_source [4, 4]; None where no chain of fixed transforms leads from one to the other."""
        target, source = frame_name(target), frame_name(source)
        neighbors: dict[str, list[tuple[str, NDArray[np.float64]]]] = {}
        for (parent, child), T in self._edges.items():
            if (parent, child) not in self._moving:
                neighbors.setdefault(parent, []).append((child, T))
                neighbors.setdefault(child, []).append((parent, invert(T)))
        found, waiting = {target: np.eye(4)}, deque([target])
        while waiting and source not in found:
            here = waiting.popleft()
            for other, T_here_other in neighbors.get(here, []):
                if other not in found:
                    found[other] = found[here] @ T_here_other
                    waiting.append(other)
        return found.get(source)


def frame_name(name: str) -> str:
    """ROS 1 wrote a slash before names of frames, and ignores it."""
    return name.lstrip("/")


def read_frames(recording: Recording) -> RigidFrames:
    """The frames of all tf messages of a recording."""
    frames = RigidFrames()
    for message in recording.messages([topic.name for topic in recording.topics(KINDS)]):
        for item in message.content().transforms:
            T = pose_matrix(item.transform.translation, item.transform.rotation)
            if T is not None:
                frames.add(item.header.frame_id, item.child_frame_id, T)
    return frames


def pose_matrix(position: Any, orientation: Any) -> NDArray[np.float64] | None:
    """[4, 4] of a geometry_msgs Pose's or Transform's parts; None where the quaternion is none, or a number is NaN."""
    place = np.array([position.x, position.y, position.z], np.float64)
    turn = np.array([orientation.x, orientation.y, orientation.z, orientation.w], np.float64)
    length = np.linalg.norm(turn)
    if not np.isfinite(place).all() or not abs(length - 1) <= _UNIT_TOLERANCE:
        return None
    return compose(Rotation.from_quat(turn).as_matrix(), place)
