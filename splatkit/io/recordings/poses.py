"""A trajectory out of a recording: Odometry, PoseStamped and their like, brought to the LiDAR."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.recordings.frames import RigidFrames, frame_name, pose_matrix
from splatkit.io.recordings.recording import Recording, Topic

KINDS = (
    "nav_msgs/Odometry",
    "geometry_msgs/PoseStamped",
    "geometry_msgs/PoseWithCovarianceStamped",
    "geometry_msgs/TransformStamped",
)
_FEWEST = 2


def read_poses(recording: Recording, topic: Topic, frames: RigidFrames, lidar: str) -> tuple[Trajectory, int, str]:
    """T_world_lidar over time, how many messages are left out, and the frame whose poses the messages are.

    Poses of another frame than the LiDAR's are brought to it by tf. PoseStamped names no frame that moves: its poses
    are taken for the LiDAR's own.

    Args:
        recording: open.
        topic: of one of `KINDS`.
        frames: of the rig.
        lidar: frame of the scans.

    Raises:
        DatasetError: tf does not lead from the frame that moves to the LiDAR, or hardly any pose is left.
    """
    found = dict[float, NDArray[np.float64]]()
    body, count = "", 0
    for message in recording.messages([topic.name]):
        content = message.content()
        count += 1
        body = frame_name(str(getattr(content, "child_frame_id", ""))) or body
        pose = _pose(content)
        if pose is not None:
            found.setdefault(message.stamp_s(content.header), pose)
    if len(found) < _FEWEST:
        raise DatasetError(f"{recording.path}: {topic.name} has {len(found)} poses that can be used, of {count}")
    T_body_lidar = np.eye(4) if not body else frames.find(body, lidar)
    if T_body_lidar is None:
        raise DatasetError(
            f"{recording.path}: {topic.name} has poses of {body}, and no fixed tf leads from there to the LiDAR's "
            f"frame {lidar}; leave it out, and the trajectory follows from the scans"
        )
    times = np.array(sorted(found))
    poses = np.stack([found[time] for time in times]) @ T_body_lidar
    return Trajectory(times, poses), count - len(found), body or lidar


def _pose(content: Any) -> NDArray[np.float64] | None:
    if hasattr(content, "transform"):
        return pose_matrix(content.transform.translation, content.transform.rotation)
    pose = content.pose if hasattr(content.pose, "position") else content.pose.pose
    return pose_matrix(pose.position, pose.orientation)
