"""How cameras moved against how the LiDAR did: residuals of each photograph and their derivatives.

The unknowns are in one vector: a change of the similarity about `center` (rotation, translation, log of the scale: 7),
the offset of clocks (1), then a twist of each T_camera_lidar (6 each).
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.walk.recording import Estimate, Recording
from splatkit.geometry.se3 import Array, cross_matrix

SIMILARITY, OFFSET, FIRST_TWIST = slice(0, 7), 7, 8
_STEP_S = 0.02  # of numerical velocities: a LiDAR's poses are about 0.1 s apart


def unknowns(recording: Recording) -> int:
    """How many there are."""
    return FIRST_TWIST + 6 * len(recording.names)


@dataclass(frozen=True)
class MotionRows:
    """Of N photographs."""

    turns: Array  # [N, 3] rad, camera frame: from where the LiDAR has the camera to where the photographs have it
    shifts: Array  # [N, 3] m, world
    J_turns: Array  # [N, 3, U]
    J_shifts: Array  # [N, 3, U]


def motion_rows(recording: Recording, estimate: Estimate, center: Array) -> MotionRows:
    """Residuals of all photographs at an estimate; `center` [3] is of the similarity's change, world."""
    predicted, placed = estimate.predicted(recording), estimate.placed(recording)
    R = predicted[:, :3, :3]
    turns = Rotation.from_matrix(np.swapaxes(R, 1, 2) @ placed[:, :3, :3]).as_rotvec()
    shifts = placed[:, :3, 3] - predicted[:, :3, 3]
    J_turns, J_shifts = (np.zeros((len(R), 3, unknowns(recording))) for _ in range(2))
    arms = placed[:, :3, 3] - center
    J_turns[:, :, :3] = np.swapaxes(R, 1, 2)
    J_shifts[:, :, :3], J_shifts[:, :, 3:6], J_shifts[:, :, 6] = -cross_matrix(arms), np.eye(3), arms
    later, earlier = (
        Estimate(estimate.similarity, estimate.T_camera_lidar, estimate.offset_s + step).predicted(recording)
        for step in (_STEP_S / 2, -_STEP_S / 2)
    )
    rates = Rotation.from_matrix(np.swapaxes(earlier[:, :3, :3], 1, 2) @ later[:, :3, :3]).as_rotvec() / _STEP_S
    J_turns[:, :, OFFSET] = -rates
    J_shifts[:, :, OFFSET] = -(later[:, :3, 3] - earlier[:, :3, 3]) / _STEP_S
    for camera in range(len(recording.names)):
        own, first = recording.which == camera, FIRST_TWIST + 6 * camera
        J_turns[own, :, first : first + 3] = np.eye(3)
        J_shifts[own, :, first + 3 : first + 6] = R[own]
    return MotionRows(turns, shifts, J_turns, J_shifts)
