"""What a scene with LiDAR is made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.odometry.path import Odometry
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.lidar.rig import Rig
from splatkit.capture.lidar.scans import ScanSource
from splatkit.io.formats.trajectories import Trajectory


@dataclass(frozen=True)
class LidarInputs:
    """What a scene is made from.

    Attributes:
        photographs: in any order.
        scans: where to read them from.
        rig: extrinsics.
        trajectory: T_world_lidar by the LiDAR's clock; None: it follows the cameras.
        odometry: where the trajectory was found from the scans.
        points: triangulated points [N, 3] in the images' world, and their colors [N, 3], where there are any.
        time_offset_s: LiDAR's clock minus cameras' clock; None: estimated where the motion shows it, else 0.
        voxel: m, smallest distance of points in the map.
        max_points: of the map.
        depth_window_s: scans within half of it around an image go into its depth map.
    """

    photographs: list[Photograph]
    scans: ScanSource
    rig: Rig
    trajectory: Trajectory | None
    points: tuple[NDArray[np.float64], NDArray[np.uint8]] | None
    time_offset_s: float | None = None
    voxel: float = 0.02
    max_points: int = 500_000
    depth_window_s: float = 1.0
    odometry: Odometry | None = None
