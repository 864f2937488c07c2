"""What `capture_images` and its command take; apart from the code that does it, so that commands start at once."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.capture.stereo.settings import AskedStereo


@dataclass(frozen=True)
class CaptureImagesSettings:
    """Make a dataset from photographs alone, from a video, or from photographs whose poses another program found.

    Without --poses COLMAP finds cameras and points; their scale is arbitrary then. If interrupted, the
    same command resumes. Exit code 3 means that too few photographs could be placed, and the message says what to do.
    """

    images: Path | None = None
    """Folder of photographs, or a video. Not needed where --poses names them."""
    out: Path = Path("dataset")
    """Folder to make."""
    poses: Path | None = None
    """Known poses: a transforms.json, a COLMAP model (binary or text), cameras of Metashape (.xml), RealityScan (.csv,
    or the folder with .xmp), Meshroom (.sfm), OpenMVG (sfm_data.json), OPF (.opf) or Bundler (.out), what an app on a
    phone recorded (Polycam's raw data, Record3D, Stray Scanner, NeRFCapture; a folder, or the zip or .r3d that it
    shares), or a trajectory of the camera (lines of time x y z qx qy qz qw)."""
    pose_format: Literal[
        "auto",
        "colmap",
        "transforms",
        "metashape",
        "realityscan",
        "alicevision",
        "openmvg",
        "opf",
        "bundler",
        "polycam",
        "record3d",
        "stray",
        "nerfcapture",
        "tum",
    ] = "auto"
    """Format of --poses; auto recognizes it by its files."""
    image_times: Path | None = None
    """For a trajectory, or a rig: CSV with the columns file,time_s; without it the names of images are times."""
    intrinsics: Path | None = None
    """For a trajectory: YAML or JSON of the camera (ROS camera_info, OpenCV, or K, D, width, height)."""
    masks: Path | None = None
    """Folder of masks, NAME.png or the photograph's own name: black is ignored."""
    frames: int | None = None
    """Number of frames to keep, the sharpest of each stretch; default: 150 of a video, all of a folder or a recording
    of photographs."""
    interval: float | None = None
    """For a video: seconds between frames, the sharpest of each stretch."""
    points: Literal["auto", "given", "triangulated"] = "auto"
    """With --poses: take the points that came with them, or triangulate new ones; auto prefers given ones."""
    camera_model: Literal["OPENCV", "OPENCV_FISHEYE", "SIMPLE_RADIAL", "RADIAL", "PINHOLE", "SIMPLE_PINHOLE"] = "OPENCV"
    """Lens model, where none is given."""
    cameras: Literal["size", "folder", "image"] = "size"
    """Which photographs share a lens: those of one size, those of one size and folder, or none."""
    matching: Literal["auto", "exhaustive", "sequential", "retrieval", "spatial"] = "auto"
    """Match all pairs, neighbors by name, photographs that look alike, or the nearest by GPS; auto: all pairs of up to
    80 photographs, beyond that those that look alike and near ones; of a video or a recording neighbors in time, and
    far ones that look alike."""
    longest_side: int = 1600
    """Longest side to which photographs are reduced for feature detection, px."""
    features: int = 8192
    """Maximum number of features in a photograph."""
    rig: bool = False
    """Photographs are of several cameras on one body: a folder for each, photographs of one name taken together (or
    at one time, by --image-times). One pose is found for all cameras of a timestamp."""
    calibration: tuple[Path, ...] = ()
    """For a rig: calibration.json, or JSON with the name and T_camera_lidar of each camera. Relative poses and lenses
    are kept; without it both are estimated."""
    panoramas: Literal["auto", "yes", "no"] = "auto"
    """Which photographs or frames of a video are equirectangular panoramas, which become pinhole images of one rig:
    those that look so (twice as wide as high, and their edges fit together), all, or none."""
    cuts: Literal["sides", "upper", "all"] = "sides"
    """Which directions are cut from panoramas: four sides, those and up, or down too."""
    nadir_deg: float = 0.0
    """For panoramas: angle around straight down that is ignored, where the tripod or the operator is, deg."""
    stereo: AskedStereo = "auto"
    """Depths, normals and a dense cloud by comparing photographs, with 640, 1000 or 2000 px on their longer sides; auto
    is medium, or low where that takes 20 minutes of CPU time. Every 8th photograph is held out then, if none is yet."""
    undistort: bool = False
    """Write pinhole images instead of the originals; for programs that know no lens distortion."""
    keep_world: bool = False
    """Leave the world as it is, instead of rotating it so that z is up."""
    seed: int = 0
    """Seed of random samples."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Threads. With 1 the same photographs give the same bits."""
    overwrite: bool = False
    """Replace an existing folder."""
