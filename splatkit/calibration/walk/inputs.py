"""Files of a walk to a recording in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.settings import WalkSettings
from splatkit.calibration.walk.recording import Prior, Recording
from splatkit.calibration.walk.surfels import surfels
from splatkit.capture.lidar.motion import place_scans
from splatkit.capture.lidar.moving import scan_warnings
from splatkit.capture.lidar.photographs import Photograph, photographs_of_dataset, posed_cameras
from splatkit.capture.lidar.scans import ScanSource
from splatkit.capture.lidar.voxel_map import VoxelMap
from splatkit.capture.rig import DEFAULT_RANGE_NOISE_M, Rig, read_rig
from splatkit.capture.times import read_times
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.local_origin import as_triple, local_origin
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import Array
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.scans.reader import LeftOut
from splatkit.io.transforms_json import Transforms, read_seed_cloud, read_transforms
from splatkit.progress import Progress, track

_VOXEL_M, _MOST_POINTS = 0.05, 1_000_000  # of the map
_LONE = "camera"  # what a single camera is called


@dataclass(frozen=True, eq=False)
class WalkInputs:
    """What a walk's files hold."""

    recording: Recording
    photographs: list[Photograph]  # in the recording's order
    lenses: tuple[Camera, ...]  # of each camera
    prior: Prior | None
    scans: ScanSource
    warnings: tuple[str, ...]


def read_walk(settings: WalkSettings, progress: Progress) -> WalkInputs:
    """Read everything, and make the LiDAR's map.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
    """
    transforms = read_transforms(settings.dataset)
    stated = None if settings.init is None else read_rig([settings.init])
    rig = _rig(settings.cameras, stated, transforms)
    times = None if settings.image_times is None else read_times(settings.image_times)
    photographs = _timed(photographs_of_dataset(transforms, rig, times))
    names = tuple(camera.name for camera in rig.cameras)
    which = np.array([photograph.mount for photograph in photographs])
    lenses = _lenses(photographs, which, names)
    scan_times = None if settings.scan_times is None else read_times(settings.scan_times)
    trajectory = read_trajectory(settings.trajectory)
    far = local_origin(trajectory.poses[:, :3, 3])
    trajectory = trajectory.moved(-far)
    ranges = (settings.min_range, settings.max_range)
    scans = ScanSource(settings.scans, settings.topic, scan_times, ranges, as_triple(far))
    left_out: list[LeftOut] = []
    voxels = VoxelMap(_VOXEL_M, _MOST_POINTS)
    for scan in place_scans(
        track(scans.read(left_out.append), "reading scans", progress, scans.count()), trajectory, left_out.append
    ):
        voxels.add(scan.cloud.points, scan.origins)
    planes, normals = surfels(voxels.cloud(), settings.range_noise)
    cloud = read_seed_cloud(transforms)
    recording = Recording(
        poses=posed_cameras(photographs),
        times=np.array([photograph.time for photograph in photographs], np.float64),
        which=which,
        names=names,
        trajectory=trajectory,
        points=np.zeros((0, 3)) if cloud is None else cloud.points.astype(np.float64),
        planes=planes,
        normals=normals,
    )
    warnings = [f"{len(transforms.missing)} listed images do not exist and are left out"] if transforms.missing else []
    prior = None if stated is None else Prior(_stated_poses(stated), np.deg2rad(settings.prior_deg), settings.prior_m)
    return WalkInputs(recording, photographs, lenses, prior, scans, (*warnings, *scan_warnings(left_out)))


def _rig(names: tuple[str, ...], stated: Rig | None, transforms: Transforms) -> Rig:
    """Names of cameras: as given, as of the prior, as of the dataset, or one for all photographs."""
    if stated is not None and names and set(names) != {camera.name for camera in stated.cameras}:
        others = ", ".join(camera.name for camera in stated.cameras)
        raise SettingsError(f"--cameras: --init has the cameras {others}; give the same ones, or none")
    if stated is not None:
        return stated
    of_dataset = sorted({frame.rig_camera for frame in transforms.frames if frame.rig_camera is not None})
    found = names or tuple(of_dataset) or (_LONE,)
    if len(set(found)) < len(found):
        raise SettingsError(f"--cameras: expected different names, got {', '.join(found)}")
    return Rig(
        tuple(MountedCamera(name, np.eye(4), np.eye(6), None, False) for name in found), DEFAULT_RANGE_NOISE_M, {}
    )


def _stated_poses(rig: Rig) -> Array:
    return np.stack([camera.T_camera_lidar for camera in rig.cameras])


def _timed(photographs: list[Photograph]) -> list[Photograph]:
    """In order of time."""
    if untimed := [photograph for photograph in photographs if photograph.time is None]:
        raise DatasetError(
            f"{untimed[0].path}: no time of this image is known ({len(untimed)} such images); "
            "give --image-times, a CSV with the columns file,time_s"
        )
    return sorted(photographs, key=lambda photograph: (photograph.time or 0.0, photograph.name))


def _lenses(photographs: list[Photograph], which: NDArray[np.int64], names: tuple[str, ...]) -> tuple[Camera, ...]:
    """The lens of each camera, which all its photographs must share."""
    lenses = []
    for number, name in enumerate(names):
        own = [photographs[index].camera for index in np.flatnonzero(which == number)]
        if not own:
            raise DatasetError(f"no photograph is of the camera {name}; its name must be a word of their paths")
        if any(lens != own[0] for lens in own):
            raise DatasetError(
                f"the photographs of {name} have different lenses: name the cameras with --cameras, or capture them "
                "with one lens each (`capture images --cameras folder`)"
            )
        lenses.append(own[0])
    return tuple(lenses)
