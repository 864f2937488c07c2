"""What may be wrong with a generated capture: with its LiDAR, its cameras, and what is stated about them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LidarFaults:
    """How far measurements are from exact."""

    range_noise_m: float = 0.02
    """Standard deviation of LiDAR ranges."""
    dropout: float = 0.01
    """Share of LiDAR returns that are lost; more are at grazing incidence. 0: none at all."""
    divergence_rad: float = 0.0015
    """Half the width of a LiDAR beam; at edges a return mixes what the beam touches. 0: rays."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < 1:
                raise ValueError(f"{name}: expected at least 0 and less than 1, got {value}")


@dataclass(frozen=True)
class Defects:
    """Faults of the cameras and of the stated rig; all zeros: none."""

    pose_noise_deg: float = 0.0
    """Standard deviation of the stated camera poses, about each axis."""
    pose_noise_m: float = 0.0
    """Standard deviation of the stated camera and LiDAR positions, along each axis."""
    exposure_stops: float = 0.0
    """Standard deviation of each image's exposure."""
    blur_px: float = 0.0
    """Standard deviation of a Gaussian blur of the images."""
    rolling_shutter_s: float = 0.0
    """Time from an image's first row to its last."""
    extrinsic_deg: float = 0.0
    """Rotation error of the stated T_camera_lidar, about a random axis."""
    extrinsic_m: float = 0.0
    """Translation error of the stated T_camera_lidar, in a random direction."""
    time_offset_s: float = 0.0
    """How far the LiDAR's clock is ahead of the cameras'."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value) or (value < 0 and name != "time_offset_s"):
                raise ValueError(f"{name}: expected a number of at least 0, got {value}")
