"""Poses from a trajectory of the camera in the format of the TUM RGB-D benchmark, for images with times.

Lines of `time x y z qx qy qz qw`: seconds, T_world_camera in meters, camera x right, y down, z forward (the optical
frame); https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats. Between two poses positions lie on a line and
rotations turn at a constant rate. A trajectory of a LiDAR instead is for `splatkit capture lidar`.
"""

from pathlib import Path

import numpy as np

from splatkit.capture.images.files import list_images
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.times import FileTimes, read_times
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import PosedCamera
from splatkit.io.formats.camera_files import read_intrinsics
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.images import image_size
from splatkit.io.time_units import seconds_since_1970

_FARTHEST_S = 0.5  # between two poses: across a longer gap nobody knows the way


def read_tum(trajectory: Path, images: Path | None, times: Path | None, intrinsics: Path | None) -> GivenCameras:
    """Cameras of images, by their times.

    Args:
        trajectory: of the camera.
        images: their folder.
        times: CSV with the columns file,time_s; by default names are times, in whatever unit.
        intrinsics: YAML or JSON of the camera, pixel centers at integers, as ROS and OpenCV have it.

    Raises:
        FileNotFoundError: a file or folder is missing.
        DatasetError: damaged, or an image has no time; names it.
        SettingsError: images or intrinsics are not given.
    """
    if images is None or intrinsics is None:
        raise SettingsError("poses from a trajectory need --images and --intrinsics")
    lens = read_intrinsics(intrinsics)
    path = read_trajectory(trajectory)
    stamps = None if times is None else read_times(times)
    cameras, left_out = [], []
    for name, image in list_images(images):
        time = _time_of(image, name, stamps, times)
        after = int(np.searchsorted(path.times, time))
        around = path.times[max(after - 1, 0) : after + 1]
        if not path.covers(np.array([time]))[0]:
            left_out.append(f"{name}: its time {time:.6f} s is not within the trajectory")
            continue
        if np.ptp(around) > _FARTHEST_S:
            left_out.append(f"{name}: the poses around its time are {np.ptp(around):.2f} s apart")
            continue
        size = image_size(image)
        if size != (lens.width, lens.height):
            raise DatasetError(f"{image}: has {size[0]}x{size[1]} px, {intrinsics} says {lens.width}x{lens.height} px")
        cameras.append(GivenCamera(PosedCamera(name, lens, path.at(np.array([time]))[0]), image, time=time))
    if not cameras:
        raise DatasetError(
            f"{trajectory}: covers {path.times[0]:.3f} to {path.times[-1]:.3f} s, and none of the {len(left_out)} "
            "images was taken then; are both by one clock?"
        )
    return GivenCameras(
        cameras=tuple(cameras),
        files=tuple(file for file in (trajectory, times, intrinsics) if file is not None),
        frame="of the trajectory that was given",
        scale="metric",
        up="z",
        left_out=tuple(left_out),
    )


def _time_of(image: Path, name: str, stamps: FileTimes | None, times: Path | None) -> float:
    if stamps is not None:
        time = stamps.find(image)
        if time is None:
            raise DatasetError(f"{times}: has no line for {name}, or several")
        return time
    try:
        value = float(image.stem)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DatasetError(f"{image}: its name is not a time; give --image-times, a CSV with the columns file,time_s")
    return seconds_since_1970(value)
