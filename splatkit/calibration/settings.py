"""What `calibrate` and the stages beside it take, and their commands; apart from the code that does it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class CalibrateSettings:
    """Find where a LiDAR sits on one camera or on several, from photographs and scans of a board.

    Writes calibration.json, report.html and the extrinsic in the notations of other tools. Exit code 3 says that no
    result could be trusted, and why.
    """

    images: tuple[Path, ...]
    """Folder of photographs; one folder for each camera."""
    clouds: Path
    """Folder of scans, one for each photograph: of the same name, or else in the same order."""
    board: str
    """In meters: 7x5:0.095 (chessboard: inner corners, square), charuco:8x6:0.095:0.07 (squares, square, marker; then
    :5x5_100 or other markers), aprilgrid:6x6:0.08:0.3 (tags, tag, space over tag), or a target YAML of Kalibr."""
    out: Path = Path("calibration")
    """Folder to make."""
    board_size: str | None = None
    """Size of the plate in meters, such as 0.85x0.61; by default that of the pattern."""
    intrinsics: tuple[Path, ...] = ()
    """YAML or JSON of each camera (ROS camera_info, OpenCV, or K, D, width, height); else they are estimated too."""
    camera_model: Literal["pinhole", "fisheye"] = "pinhole"
    """Lens model, where no file states one."""
    init: Path | None = None
    """A calibration.json, or JSON with T_camera_lidar, to compare with; the search needs no first guess."""
    mode: Literal["full", "plane"] = "full"
    """plane: co-planarity alone, as published; full: the plate's outline too."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Frames examined at a time."""
    overwrite: bool = False
    """Replace an existing folder."""


@dataclass(frozen=True)
class CheckSettings:
    """Check a calibration against new frames of the board; exit code 3 where they contradict it."""

    calibration: Path
    """calibration.json."""
    images: tuple[Path, ...]
    """Folder of photographs of each camera."""
    clouds: Path
    """Folder of scans."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Frames examined at a time."""


@dataclass(frozen=True)
class SimulateSettings:
    """Say how well a rig would be calibrated, by trials with known truth."""

    board: str = "7x5:0.095"
    """Same notation as for `calibrate run`."""
    board_size: str | None = "0.85x0.61"
    """Size of the plate in meters."""
    lidar: Literal["16", "32", "64", "solid"] = "32"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    poses: int = 20
    """Number of poses of the board."""
    trials: int = 20
    """Number of trials, each with its own poses."""
    range_noise: float = 0.02
    """Standard deviation of ranges, m."""
    corner_noise: float = 0.3
    """Standard deviation of corners, px."""


@dataclass(frozen=True)
class BoardSceneSettings:
    """Make photographs and scans of boards in a synthetic hall, with the exact truth."""

    out: Path
    """Folder to make."""
    lidar: Literal["16", "32", "64", "solid"] = "32"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    poses: int = 20
    """Number of poses of the board."""
    width: int = 1280
    """Width of the photographs, px."""
    seed: int = 0
    """Seed of poses, noise and the LiDAR's faults."""
    board: str = "7x5:0.095"
    """Same notation as for `calibrate run`."""
    board_size: str | None = "0.85x0.61"
    """Size of the plate in meters."""
    overwrite: bool = False
    """Replace an existing folder."""


@dataclass(frozen=True)
class AdviseSettings:
    """Say where to hold the board next."""

    calibration: Path
    """calibration.json of the poses taken so far."""
    lidar: Literal["16", "32", "64", "solid"] = "16"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    count: int = 5
    """Number of poses to suggest."""


@dataclass(frozen=True)
class BoardSettings:
    """Write the board as a PDF, true to scale."""

    board: str
    """In meters: 7x5:0.095 (chessboard: inner corners, square), charuco:8x6:0.095:0.07 (squares, square, marker; then
    :5x5_100 or other markers), aprilgrid:6x6:0.08:0.3 (tags, tag, space over tag), or a target YAML of Kalibr."""
    out: Path
    """File to write, ending in .pdf."""
    board_size: str | None = None
    """Size of the plate in meters."""


@dataclass(frozen=True)
class SurroundSettings:
    """Find where cameras sit around a vehicle, from the ground that neighbors see; no target is needed.

    Writes rig.json with covariances, report.html, and the ground from above before and after. Exit code 3 says that no
    result could be trusted, and why.
    """

    rig: Path
    """JSON with the lens and the stated pose T_vehicle_camera of each camera: x ahead, y left, z up, the ground at z =
    0, meters."""
    images: Path
    """Folder with a folder of photographs for each camera, named as in the rig; photographs with one timestamp have the
    same file name. Or one photograph for each camera."""
    out: Path = Path("surround")
    """Folder to make."""
    prior_deg: float = 3.0
    """Standard deviation of the stated rotations, about each axis."""
    prior_m: float = 0.05
    """Standard deviation of the stated positions, along each axis."""
    fixed: tuple[str, ...] = ()
    """Names of cameras whose stated poses are exact. Without one, the rig as a whole stays where it is stated to be."""
    lean_deg: float = 0.3
    """Standard deviation of the vehicle's pitch and roll on its suspension, from one photograph to the next."""
    lift_m: float = 0.005
    """Standard deviation of its height."""
    timestamps: int = 8
    """Number of timestamps to use, evenly chosen where there are more."""
    overwrite: bool = False
    """Replace an existing folder."""


@dataclass(frozen=True)
class WalkSettings:
    """Find where a LiDAR sits on cameras that it was carried or driven with, without a target.

    Photographs and LiDAR must move together through curves, past surfaces that both see. Writes calibration.json,
    report.html and the extrinsic in the notations of other tools. Exit code 3 says that no result could be trusted,
    and why.
    """

    dataset: Path
    """Photographs with poses: a folder with a transforms.json, as of `splatkit capture images`."""
    scans: Path
    """Folder of scans, a file with several, or a recording (ROS 1 or 2 bag, MCAP)."""
    trajectory: Path
    """Path of the LiDAR: lines of time x y z qx qy qz qw (TUM), meters."""
    out: Path = Path("calibration")
    """Folder to make."""
    cameras: tuple[str, ...] = ()
    """Names of several cameras; each is a word of the path of its images."""
    init: Path | None = None
    """What is known of the extrinsics before: a calibration.json, or any JSON with a list `cameras`: name and
    T_camera_lidar of each. None is needed."""
    prior_deg: float = 10.0
    """Standard deviation of rotations in --init, about each axis."""
    prior_m: float = 0.3
    """Standard deviation of positions in --init, along each axis."""
    image_times: Path | None = None
    """CSV with the columns file,time_s, by the cameras' clock; not needed where the dataset states it."""
    scan_times: Path | None = None
    """The same for scans without times in points or names, by the LiDAR's clock."""
    time_offset: float | None = None
    """LiDAR's clock minus cameras' clock, s; estimated, up to 1 s, where it is not given."""
    topic: str | None = None
    """Topic of the point clouds in a recording."""
    min_range: float = 0.5
    """Points nearer to the LiDAR belong to the rig and are not used, m."""
    max_range: float = 60.0
    """Points farther from the LiDAR are not used, m."""
    range_noise: float = 0.03
    """Standard deviation of the LiDAR's ranges, m."""
    overwrite: bool = False
    """Replace an existing folder."""
