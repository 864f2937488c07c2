"""What a walk is calibrated from, and the numbers that are looked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.registration.alignment import Similarity
from splatkit.geometry.se3 import Array, invert
from splatkit.io.formats.trajectories import Trajectory


@dataclass(frozen=True, eq=False)
class Recording:
    """Photographs with poses in a world of their own, and the LiDAR's way and map in its world."""

    poses: Array  # [N, 4, 4] T_images_camera, in order of time
    times: Array  # [N] s, by the cameras' clock
    which: NDArray[np.int64]  # [N] number of the camera
    names: tuple[str, ...]  # of the C cameras
    trajectory: Trajectory  # T_world_lidar by the LiDAR's clock
    points: Array  # [M, 3] triangulated, in the images' world; may be empty
    planes: Array  # [K, 3] middles of flat pieces of the LiDAR's map, m, world
    normals: Array  # [K, 3] there

    def covered(self, offset_s: float, margin_s: float = 0.0) -> NDArray[np.bool_]:
        """[N] whether the trajectory reaches a photograph's moment."""
        moments = self.times + offset_s
        first, last = self.trajectory.times[[0, -1]]
        return np.asarray((moments >= first + margin_s) & (moments <= last - margin_s))

    def lidar_poses(self, offset_s: float) -> Array:
        """T_world_lidar [N, 4, 4] at the moments of photographs; beyond its ends the trajectory stands still."""
        first, last = self.trajectory.times[[0, -1]]
        return self.trajectory.at(np.clip(self.times + offset_s, first, last))


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of the extrinsics before; normal errors about and along each axis."""

    T_camera_lidar: Array  # [C, 4, 4]
    rotation_rad: float  # standard deviations
    translation_m: float


@dataclass(frozen=True, eq=False)
class Estimate:
    """All unknowns."""

    similarity: Similarity  # world from images
    T_camera_lidar: Array  # [C, 4, 4]
    offset_s: float  # LiDAR's clock minus cameras' clock

    def predicted(self, recording: Recording) -> Array:
        """T_world_camera [N, 4, 4] by the trajectory and the extrinsics."""
        return recording.lidar_poses(self.offset_s) @ invert(self.T_camera_lidar)[recording.which]

    def placed(self, recording: Recording) -> Array:
        """T_world_camera [N, 4, 4] by the photographs' own poses."""
        return self.similarity.apply_to_poses(recording.poses)
