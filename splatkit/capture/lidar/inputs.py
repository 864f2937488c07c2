"""What a scene with LiDAR is made from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.odometry.path import Odometry
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.lidar.scans import ScanSource
from splatkit.capture.lidar.settings import CaptureLidarSettings
from splatkit.capture.recorded import RIG, TIMES, TRAJECTORY, read_recorded
from splatkit.capture.rig import Rig
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import read_intrinsics
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


def with_recording(settings: CaptureLidarSettings) -> tuple[CaptureLidarSettings, dict[str, Camera]]:
    """Settings that name all files, and the lenses that the recording has, by name of the camera.

    Raises:
        SettingsError: scans or extrinsics are neither given nor in a recording.
        FileNotFoundError, DatasetError: the folder is none of a recording, or damaged.
    """
    if settings.recording is None:
        if settings.scans is None or not settings.calibration:
            raise SettingsError("give --scans and --calibration, or --recording (a folder of `capture recording`)")
        return settings, {}
    recorded = read_recorded(settings.recording)
    topic = settings.topic
    if settings.scans is None:
        if recorded.scan_topic is None:
            raise DatasetError(f"{recorded.recording}: no point clouds in this recording; give --scans")
        topic = topic or recorded.scan_topic
    rig = recorded.file(RIG)
    if not settings.calibration and rig is None:
        raise SettingsError(
            f"{settings.recording}: no extrinsics in this recording (no fixed tf from the LiDAR to a camera): give "
            "--calibration"
        )
    without_poses = settings.dataset is None and not settings.images
    filled = replace(
        settings,
        scans=settings.scans or recorded.recording,
        topic=topic,
        calibration=settings.calibration or ((rig,) if rig is not None else ()),
        images=recorded.images() if without_poses else settings.images,
        image_times=settings.image_times or recorded.file(TIMES),
        trajectory=settings.trajectory or (recorded.file(TRAJECTORY) if settings.motion == "auto" else None),
    )
    files = {name: recorded.intrinsics(name) for name in recorded.cameras}
    return filled, {name: read_intrinsics(path) for name, path in files.items() if path is not None}
