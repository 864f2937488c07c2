"""What `capture_lidar` and `capture_static` and their commands take; apart from the code that does it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.capture.stereo.settings import AskedStereo


@dataclass(frozen=True)
class CaptureLidarSettings:
    """Make a metric dataset from photographs and the scans of a LiDAR that was carried with the cameras.

    Photographs come with poses (--dataset; from `splatkit capture images`, for example), which are moved into the
    LiDAR's world and to its scale, or without (--images), and then get poses from the LiDAR's trajectory. Exit code 3
    means that photographs and scans do not fit together, and the message says why.
    """

    scans: Path | None = None
    """Folder of scans, a file with several, or a recording (ROS 1 or 2 bag, MCAP)."""
    calibration: tuple[Path, ...] = ()
    """calibration.json of the cameras; or any JSON with a list `cameras`: name and T_camera_lidar of each, where known
    covariance, and for photographs without poses K, width and height (distortion and model, as calibration.json)."""
    recording: Path | None = None
    """Folder of `capture recording`: what it has of scans, photographs, times, intrinsics, extrinsics and trajectory is
    taken from there where no other option gives it."""
    dataset: Path | None = None
    """Photographs with poses: a folder with a transforms.json."""
    images: tuple[Path, ...] = ()
    """Photographs without poses: folders. The name of a camera is a word of the path of its images."""
    trajectory: Path | None = None
    """Path of the LiDAR: lines of time x y z qx qy qz qw (TUM)."""
    motion: Literal["auto", "scans", "photographs"] = "auto"
    """Without --trajectory, what the LiDAR's path follows from: scans that follow each other (odometry), or the poses
    of the photographs; auto takes scans where they leave no gap of more than 0.5 s."""
    out: Path = Path("dataset")
    """Folder to make."""
    image_times: Path | None = None
    """CSV with the columns file,time_s, by the cameras' clock; not needed where the dataset states it."""
    scan_times: Path | None = None
    """The same for scans without times in points or names, by the LiDAR's clock."""
    time_offset: float | None = None
    """LiDAR's clock minus cameras' clock, s; estimated where the motion shows it."""
    topic: str | None = None
    """Topic of the point clouds in a recording."""
    voxel: float = 0.02
    """Minimum distance between points of the seed cloud, m."""
    points: int = 500_000
    """Maximum number of points in the seed cloud."""
    depth_window: float = 1.0
    """Length of the time window around a photograph whose scans go into its depth map, s."""
    stereo: AskedStereo = "auto"
    """Depths where the LiDAR measured none, by comparing photographs, with 640, 1000 or 2000 px on their longer sides;
    auto is medium, or low where that takes 20 minutes of CPU time. Every 8th photograph is held out then, if none is
    yet."""
    min_range: float = 0.5
    """Points nearer to the LiDAR belong to the rig and are not used, m."""
    max_range: float = 200.0
    """Points farther from the LiDAR are not used, m."""
    range_noise: float | None = None
    """Standard deviation of ranges, m; by default what the calibration found."""
    overwrite: bool = False
    """Replace an existing folder."""


@dataclass(frozen=True)
class CaptureStaticSettings:
    """Make a metric dataset from one scan and photographs of the place, taken from where the LiDAR stood or around it.

    Each photograph is of a camera of the calibration, as it stood when the scan was taken; of several scans, the first.
    Or photographs were taken anywhere and have poses (--dataset): then --anchor names those of the rig, which give the
    others their scale.
    """

    scan: Path
    """File with the scan, or with several and the pose of each, whose world is then kept."""
    calibration: tuple[Path, ...]
    """calibration.json of the cameras; or any JSON with a list `cameras`: name and T_camera_lidar of each, where known
    covariance, and for photographs without poses K, width and height (distortion and model, as calibration.json)."""
    images: tuple[Path, ...] = ()
    """Photographs by the rig: folders. The name of a camera is a word of the path of its images."""
    dataset: Path | None = None
    """Photographs with poses: a folder with a transforms.json."""
    anchor: tuple[str, ...] = ()
    """Names of the images in the dataset that the rig took where the (first) scan was taken."""
    out: Path = Path("dataset")
    """Folder to make."""
    voxel: float = 0.02
    """Minimum distance between points of the seed cloud, m."""
    points: int = 500_000
    """Maximum number of points in the seed cloud."""
    min_range: float = 0.5
    """Points nearer to the LiDAR belong to the rig and are not used, m."""
    max_range: float = 200.0
    """Points farther from the LiDAR are not used, m."""
    range_noise: float | None = None
    """Standard deviation of ranges, m; by default what the calibration found."""
    overwrite: bool = False
    """Replace an existing folder."""
