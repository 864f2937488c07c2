"""Frames of the generated hall without rendering its photographs: corners are projected, scans are cast."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.board_scene import Faults, board_scene, scan
from splatkit.calibration.detection.extraction import find_boards
from splatkit.calibration.frames import Frame
from splatkit.calibration.quality.simulation import Rig, draw_views, example_rig
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array, invert, transform_points

TARGET = BoardTarget(7, 5, 0.095, 0.85, 0.61)
CHARUCO = BoardTarget(7, 5, 0.095, 0.85, 0.61, "charuco", marker=0.07, dictionary="5x5_100")
APRILGRID = BoardTarget(12, 8, 0.1, 0.85, 0.61, "aprilgrid", gap=0.03, dictionary="36h11")


@dataclass(frozen=True)
class Hall:
    rig: Rig
    frames: list[Frame]
    T_camera_board: Array
    ring_bias: Array


def hall_frames(lidar, count, seed=0, faults=None, corner_px=0.15):
    rig = example_rig(lidar)
    rng = np.random.default_rng(seed)
    faults = faults or Faults()
    ring_bias = rng.normal(0, faults.ring_bias_m, 1 if lidar == "solid" else int(lidar))
    poses = draw_views(rig, TARGET, count, rng)[1]
    frames = []
    for index, pose in enumerate(poses):
        taken = scan(board_scene(TARGET, invert(rig.T_camera_lidar) @ pose), rig, faults, ring_bias, rng)
        pixels = rig.camera.image(transform_points(pose, TARGET.corners()))
        corners = pixels + rng.normal(0, corner_px, pixels.shape)
        size = (rig.camera.width, rig.camera.height)
        frames.append(Frame(f"pose{index:02d}", (corners,), (size,), find_boards(taken, TARGET), taken))
    return Hall(rig, frames, poses, ring_bias)
