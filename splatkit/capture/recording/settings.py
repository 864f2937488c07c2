"""What `capture_recording` and its command take; apart from the code that does it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CaptureRecordingSettings:
    """Take photographs, intrinsics, extrinsics and a trajectory out of one recording (ROS 1 or 2 bag, MCAP).

    Writes a folder that `capture images` (--images) and `capture lidar` (--recording) take: photographs by camera with
    their times, intrinsics of CameraInfo, extrinsics of tf. Scans stay in the recording and are read there.
    """

    recording: Path
    """A .bag, .db3 or .mcap file, or the folder of a ROS 2 bag."""
    out: Path = Path("recording")
    """Folder to make."""
    topics: bool = False
    """Only list the topics: what they hold, how much, and what would be read."""
    images: tuple[str, ...] = ()
    """Topics of photographs; all by default."""
    scans: str | None = None
    """Topic of the scans; needed where there are several."""
    trajectory: str | None = None
    """Topic of the LiDAR's path (Odometry, PoseStamped), if it is better than what `capture lidar` finds from the
    scans themselves; wheel odometry is not."""
    frames: int | None = None
    """Number of photographs to keep of all cameras together, the sharpest of each stretch; 150 by default."""
    interval: float | None = None
    """Seconds between photographs of a camera, instead of a number."""
    overwrite: bool = False
    """Replace an existing folder."""
