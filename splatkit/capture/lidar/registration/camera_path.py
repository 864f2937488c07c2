"""A LiDAR without a trajectory of its own: it goes where the cameras go, and its depths give their world a scale."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.capture.lidar.inputs import LidarInputs
from splatkit.capture.lidar.photographs import Photograph, posed_cameras
from splatkit.capture.lidar.registration.alignment import Alignment, Similarity, robust_scale
from splatkit.capture.rig import Rig
from splatkit.errors import CaptureRefusedError, DatasetError
from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.formats.trajectories import Trajectory
from splatkit.progress import Progress, track

Array = NDArray[np.float64]

INTERPOLATED_S = 0.1  # before and after a photograph its camera's way is known well enough
_NEAR = 0.004  # of the image's width: between a triangulated point and a LiDAR point
_LEAST_RATIOS = 100
_ROUNDS, _OUTLIER_SIGMAS = 10, 2.5
_WORST_SPREAD, _WORST_SD = 0.3, 0.03
_ALIKE = 10  # neighboring points that err alike


def lidar_path_of_cameras(T_world_camera: Array, times: Array, which: NDArray[np.int64], rig: Rig) -> Trajectory:
    """T_world_lidar at the moments of photographs from their metric poses [N, 4, 4]; of one moment the first counts.

    Raises:
        DatasetError: all photographs are of one moment.
    """
    extrinsics = np.stack([camera.T_camera_lidar for camera in rig.cameras])
    moments, first = np.unique(times, return_index=True)
    if len(moments) < 2:
        raise DatasetError("all images were taken at one time; for a rig that stands still use `capture static`")
    return Trajectory(moments, T_world_camera[first] @ extrinsics[which[first]])


def scale_from_scans(inputs: LidarInputs, progress: Progress) -> Alignment:
    """Meters per unit of the images' world, by LiDAR depths beside triangulated points, seen from the same place.

    That place is where a camera was at the moment of a scan: between photographs it is interpolated.

    Raises:
        CaptureRefusedError: too few points lie side by side, or their ratios do not agree.
        DatasetError: the dataset has no points, or the scans no times.
    """
    if inputs.points is None:
        raise DatasetError(
            "without --trajectory the dataset needs triangulated points (ply_file_path) to find its scale"
        )
    paths = _camera_paths(inputs)
    ratios: list[Array] = []
    for scan in track(inputs.scans.read(), "comparing depths", progress, inputs.scans.count()):
        if scan.times is None:
            raise DatasetError(
                f"{scan.name}: neither its points nor its name have a time; "
                "give --scan-times, a CSV with the columns file,time_s"
            )
        middle = float(np.median(scan.times))
        for photo, path in paths:
            if path.times[0] <= middle <= path.times[-1] and np.abs(path.times - middle).min() <= INTERPOLATED_S:
                there = replace(photo, T_images_camera=path.at(np.array([middle]))[0])
                local = transform_points(inputs.rig.cameras[photo.mount].T_camera_lidar, scan.cloud.points)
                ratios.append(depth_ratios(local, inputs.points[0], there))
    if not ratios:
        raise CaptureRefusedError(
            f"alignment: no scan was taken within {INTERPOLATED_S:g} s of a photograph, and without --trajectory "
            "nobody knows how the rig moved in between"
        )
    scale, deviation = scale_from_ratios(np.concatenate(ratios))
    covariance = np.zeros((7, 7))
    covariance[6, 6] = deviation**2
    similarity = Similarity(scale, np.eye(3), np.zeros(3))
    return Alignment(similarity, covariance, np.zeros(3), deviation, 1.0, "depth ratios")


def _camera_paths(inputs: LidarInputs) -> list[tuple[Photograph, Trajectory]]:
    """One photograph of each camera, and the camera's way through the images' world by the LiDAR's clock."""
    out = []
    for number in range(len(inputs.rig.cameras)):
        photographs = [photo for photo in inputs.photographs if photo.mount == number]
        if len(photographs) < 2:
            continue
        times = np.array([photo.time for photo in photographs], dtype=np.float64) + (inputs.time_offset_s or 0.0)
        moments, first = np.unique(times, return_index=True)
        out.append((photographs[0], Trajectory(moments, posed_cameras(photographs)[first])))
    return out


def depth_ratios(local: Array, points: Array, photo: Photograph) -> Array:
    """LiDAR depths over depths of triangulated points [N, 3] that lie beside them in a photograph, as many as do.

    Args:
        local: [M, 3] m, LiDAR points in the camera's frame.
        points: [N, 3] in the images' world.
        photo: with its pose in it.
    """
    assert photo.T_images_camera is not None
    seen = transform_points(invert(photo.T_images_camera), points)
    pixels, inside = photo.camera.project(seen)
    lidar_pixels, lidar_inside = photo.camera.project(local)
    if not inside.any() or not lidar_inside.any():
        return np.zeros(0)
    tree = cKDTree(lidar_pixels[lidar_inside])
    reach = _NEAR * photo.camera.width
    distances, nearest = tree.query(pixels[inside], distance_upper_bound=reach)
    beside = np.isfinite(distances)
    ratios: Array = local[lidar_inside, 2][nearest[beside]] / seen[inside, 2][beside]
    return ratios


def scale_from_ratios(ratios: Array) -> tuple[float, float]:
    """Scale and its standard deviation (as a share) from ratios [N].

    Points that another surface hides in the photograph, and edges, make outliers on both sides: the median of the
    logarithms begins, the mean of what lies near it ends.

    Raises:
        CaptureRefusedError: too few, or they do not agree.
    """
    if len(ratios) < _LEAST_RATIOS:
        raise CaptureRefusedError(
            f"alignment: only {len(ratios)} triangulated points have a LiDAR point beside them as a camera "
            f"sees both; at least {_LEAST_RATIOS} are needed to know the scale"
        )
    logs = np.log(ratios)
    center, near = float(np.median(logs)), np.ones(len(logs), dtype=bool)
    for _ in range(_ROUNDS):
        spread = robust_scale(logs - center)
        near = np.abs(logs - center) <= _OUTLIER_SIGMAS * spread
        center = float(logs[near].mean())
    deviation = float(logs[near].std() * np.sqrt(_ALIKE / near.sum()))
    if spread > _WORST_SPREAD or deviation > _WORST_SD:
        raise CaptureRefusedError(
            f"alignment: LiDAR depths over triangulated depths vary by {100 * spread:.0f} %: the extrinsics, the "
            "pairing of images and scans, or the poses are wrong"
        )
    return float(np.exp(center)), deviation
