"""From photographs, scans and extrinsics to one metric scene: where everything is, and a colored cloud."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.coloring import ColorView, color_points
from splatkit.capture.lidar.depth_pass import depth_maps, rig_targets
from splatkit.capture.lidar.inputs import LidarInputs
from splatkit.capture.lidar.motion import PlacedScan, near_moments, place_scans, without_ring_bias
from splatkit.capture.lidar.odometry.path import Odometry
from splatkit.capture.lidar.photographs import Photograph, posed_cameras
from splatkit.capture.lidar.registration.alignment import Alignment, UndeterminedError, agreed, align_surfaces
from splatkit.capture.lidar.registration.camera_path import INTERPOLATED_S, lidar_path_of_cameras, scale_from_scans
from splatkit.capture.lidar.registration.pose_alignment import PoseAlignment, align_poses
from splatkit.capture.lidar.scans import Scan
from splatkit.capture.lidar.voxel_map import VoxelCloud, VoxelMap, surface_normals
from splatkit.capture.rig import Rig
from splatkit.errors import CaptureRefusedError, DatasetError
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.se3 import invert
from splatkit.io.formats.trajectories import Trajectory
from splatkit.io.images import read_image, read_mask
from splatkit.io.maps.depth_maps import DepthMap
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut
from splatkit.progress import Progress, track

_NAMED = 5  # files in a warning
_ADDED_BEYOND = 4.0  # voxels from any LiDAR point: where triangulated points are added to the seed


@dataclass(frozen=True)
class LidarScene:
    """What followed.

    Attributes:
        photographs: those with a pose, in the order of time.
        T_world_camera: [N, 4, 4] (x right, y down, z forward), m.
        T_world_lidar: [N, 4, 4] at the moment of each.
        times: [N] s, of each by the LiDAR's clock.
        trajectory: T_world_lidar.
        seed: colored cloud with normals.
        map: of all scans.
        alignment: of the images' world, where there was one.
        poses: alignment by poses, where the LiDAR has a trajectory of its own.
        surfaces: alignment by surfaces, where there were points.
        offset_s: LiDAR's clock minus cameras' clock that was used.
        left_out: names of photographs that the trajectory does not reach.
        left_out_scans: those that are not in the map, and why.
        odometry: where the trajectory was found from the scans.
        counts: points, for the report.
        warnings: sentences.
    """

    photographs: list[Photograph]
    T_world_camera: NDArray[np.float64]
    T_world_lidar: NDArray[np.float64]
    times: NDArray[np.float64]
    trajectory: Trajectory
    seed: PointCloud
    map: VoxelCloud
    alignment: Alignment | None
    poses: PoseAlignment | None
    surfaces: Alignment | None
    offset_s: float
    left_out: tuple[str, ...]
    left_out_scans: tuple[LeftOut, ...]
    odometry: Odometry | None
    counts: dict[str, int]
    warnings: tuple[str, ...]


def locate(inputs: LidarInputs, progress: Progress) -> LidarScene:
    """Bring all into one metric world: the trajectory's, or without one the images' own, scaled.

    Raises:
        CaptureRefusedError: photographs and scans do not fit together.
        DatasetError: times are missing, or a file is damaged.
    """
    inputs = replace(inputs, photographs=_in_order_of_time(inputs.photographs))
    fit = _first_fit(inputs, progress)
    if inputs.odometry is not None and fit.poses is not None:  # its world is level where photographs say so
        inputs = replace(inputs, trajectory=_upright(fit.trajectory, fit.poses.alignment.similarity.rotation[:, 2]))
        fit = _first_fit(inputs, progress)
    left_out_scans: list[LeftOut] = []
    cloud, measured = _mapped(inputs, fit.trajectory, progress, left_out_scans.append)
    normals, flat = surface_normals(cloud, inputs.rig.range_noise_m)
    alignment, surfaces, warnings = fit.start, None, [*_warnings(inputs, fit), *scan_warnings(left_out_scans)]
    # Without a path of its own the LiDAR was placed by the cameras: surfaces would only confirm that.
    if fit.start is not None and inputs.trajectory is not None and inputs.points is not None:
        try:
            surfaces = align_surfaces(inputs.points[0], cloud, normals, flat, fit.start.similarity)
            alignment = agreed(fit.start, surfaces)
        except UndeterminedError as error:
            warnings.append(f"surfaces were not compared, the scale comes from poses alone ({error})")
    if alignment is not None and fit.poses is not None and inputs.odometry is not None:
        alignment = _with_drift(alignment, fit.poses)
    kept, left_out = _within_trajectory(inputs.photographs, fit)
    if left_out:
        warnings.append(
            f"{len(left_out)} images lie beyond the trajectory and are left out: {', '.join(left_out[:_NAMED])}"
        )
    times = np.array([photo.time for photo in kept], dtype=np.float64) + fit.offset_s
    T_world_lidar = fit.trajectory.at(times)
    T_world_camera, triangulated = _camera_poses(kept, T_world_lidar, inputs.rig), None
    if alignment is not None:
        T_world_camera = alignment.similarity.apply_to_poses(posed_cameras(kept))
        if inputs.points is not None:
            triangulated = alignment.similarity.apply(inputs.points[0]), inputs.points[1]
    seed, counts = seed_cloud(cloud, normals, kept, T_world_camera, triangulated, progress)
    return LidarScene(
        photographs=kept,
        T_world_camera=T_world_camera,
        T_world_lidar=T_world_lidar,
        times=times,
        trajectory=fit.trajectory,
        seed=seed,
        map=cloud,
        alignment=alignment,
        poses=fit.poses,
        surfaces=surfaces,
        offset_s=fit.offset_s,
        left_out=left_out,
        left_out_scans=tuple(left_out_scans),
        odometry=inputs.odometry,
        counts={"measured": measured, **counts},
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class _Fit:
    """What poses and times tell, before surfaces are compared."""

    trajectory: Trajectory
    start: Alignment | None  # None: images have no world of their own
    poses: PoseAlignment | None
    offset_s: float


def _in_order_of_time(photographs: list[Photograph]) -> list[Photograph]:
    if untimed := [photo for photo in photographs if photo.time is None]:
        raise DatasetError(
            f"{untimed[0].path}: no time of this image is known ({len(untimed)} such images); "
            "give --image-times, a CSV with the columns file,time_s"
        )
    return sorted(photographs, key=lambda photo: (photo.time or 0.0, photo.name))


def _first_fit(inputs: LidarInputs, progress: Progress) -> _Fit:
    times = np.array([photo.time for photo in inputs.photographs], dtype=np.float64)
    which = np.array([photo.mount for photo in inputs.photographs])
    offset = inputs.time_offset_s or 0.0
    if inputs.photographs[0].T_images_camera is None:
        if inputs.trajectory is None:
            raise DatasetError(
                "images without poses need the LiDAR's own path: --trajectory (TUM), or --motion scans, which needs "
                "scans that follow each other"
            )
        return _Fit(inputs.trajectory, None, None, offset)
    images = posed_cameras(inputs.photographs)
    if inputs.trajectory is not None:
        drift = None if inputs.odometry is None else inputs.odometry.drift
        poses = align_poses(images, times, which, inputs.rig.cameras, inputs.trajectory, inputs.time_offset_s, drift)
        return _Fit(inputs.trajectory, poses.alignment, poses, poses.offset_s)
    start = scale_from_scans(inputs, progress)
    path = lidar_path_of_cameras(start.similarity.apply_to_poses(images), times + offset, which, inputs.rig)
    return _Fit(path, start, None, offset)


def _upright(trajectory: Trajectory, up: NDArray[np.float64]) -> Trajectory:
    """The trajectory in a world that is turned so that a direction [3] of its own is z."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])[0].as_matrix()
    return Trajectory(trajectory.times, turn @ trajectory.poses)


def _with_drift(alignment: Alignment, poses: PoseAlignment) -> Alignment:
    """The alignment with what the drift of the trajectory adds; the map drifts alike, so surfaces cannot show it."""
    drift = replace(poses.alignment, covariance=poses.drift)
    return replace(alignment, covariance=alignment.covariance + drift.about(alignment.center))


def _within_trajectory(photographs: list[Photograph], fit: _Fit) -> tuple[list[Photograph], tuple[str, ...]]:
    """Photographs at whose moment the LiDAR's place is known, and the names of the others."""
    first, last = fit.trajectory.times[0] - fit.offset_s, fit.trajectory.times[-1] - fit.offset_s
    within = fit.trajectory.covers(np.array([photo.time for photo in photographs], np.float64) + fit.offset_s)
    kept = [photo for photo, inside in zip(photographs, within, strict=True) if inside]
    if not kept:
        raise CaptureRefusedError(
            f"no image was taken within the trajectory ({first:.3f} to {last:.3f} s by the cameras' clock), the first "
            f"at {photographs[0].time:.3f} s: do both clocks agree?"
        )
    taken = {photo.name for photo in kept}
    return kept, tuple(photo.name for photo in photographs if photo.name not in taken)


def _camera_poses(photographs: list[Photograph], T_world_lidar: NDArray[np.float64], rig: Rig) -> NDArray[np.float64]:
    """T_world_camera [N, 4, 4] by the extrinsics."""
    T_camera_lidar = np.stack([rig.cameras[photo.mount].T_camera_lidar for photo in photographs])
    return T_world_lidar @ invert(T_camera_lidar)


def scene_depths(scene: LidarScene, inputs: LidarInputs, progress: Progress) -> Iterator[tuple[int, DepthMap]]:
    """Depth maps of the scene's photographs, see `depth_maps`."""
    targets = rig_targets(scene.photographs, scene.T_world_lidar, scene.times, inputs.rig)
    placed = _placed(inputs, scene.trajectory, progress, "making depth maps")
    window_s = inputs.depth_window_s if inputs.trajectory is not None else 2 * INTERPOLATED_S
    return depth_maps(targets, placed, inputs.rig, window_s)


def _placed(
    inputs: LidarInputs,
    trajectory: Trajectory,
    progress: Progress,
    label: str,
    note: Callable[[LeftOut], None] = lambda left_out: None,
) -> Iterator[PlacedScan]:
    scans = (without_ring_bias(scan, inputs.rig.ring_bias) for scan in inputs.scans.read(note))
    shown = track(scans, label, progress, inputs.scans.count())
    if inputs.trajectory is None:  # the path is that of photographs, and only near them as good as they are
        here = (replace(scan, T_world_lidar=None) for scan in shown)  # poses of files are in another world than they
        return place_scans(_near_photographs(here, trajectory, note), trajectory, note)
    return place_scans(shown, trajectory, note)


def _near_photographs(scans: Iterable[Scan], trajectory: Trajectory, note: Callable[[LeftOut], None]) -> Iterator[Scan]:
    for scan in scans:
        near = near_moments(scan, trajectory.times, INTERPOLATED_S)
        if near is None:
            note(LeftOut(scan.name, f"no photograph was taken within {INTERPOLATED_S:g} s of it"))
        else:
            yield near


def _mapped(
    inputs: LidarInputs, trajectory: Trajectory, progress: Progress, note: Callable[[LeftOut], None]
) -> tuple[VoxelCloud, int]:
    """The map of all scans, and how many points were measured."""
    voxels = VoxelMap(inputs.voxel, inputs.max_points)
    measured = 0
    for scan in _placed(inputs, trajectory, progress, "reading scans", note):
        voxels.add(scan.cloud.points, scan.origins)
        measured += len(scan.times)
    return voxels.cloud(), measured


def seed_cloud(
    cloud: VoxelCloud,
    normals: NDArray[np.float64],
    photographs: list[Photograph],
    T_world_camera: NDArray[np.float64],
    triangulated: tuple[NDArray[np.float64], NDArray[np.uint8]] | None,
    progress: Progress,
) -> tuple[PointCloud, dict[str, int]]:
    """Points of the map that photographs see, in their colors, and triangulated ones where the LiDAR saw nothing.

    Where nothing is flat, as on leaves, normals point to where a point was seen from: splats that start as disks facing
    the cameras end better than balls (by 0.3 dB on the generated walk).

    Raises:
        CaptureRefusedError: no photograph sees any point.
    """
    views = [
        ColorView(PosedCamera(photo.name, photo.camera, pose), _loader(photo), _mask_loader(photo))
        for photo, pose in zip(photographs, T_world_camera, strict=True)
    ]
    colors, seen_by = color_points(cloud.points, track(views, "coloring points", progress, len(views)))
    seen = seen_by > 0
    if not seen.any():
        raise CaptureRefusedError(
            "no photograph sees any point of the LiDAR: are the extrinsics those of this rig, in this direction "
            "(p_camera = T_camera_lidar p_lidar)?"
        )
    points, colors, normals = cloud.points[seen], colors[seen], normals[seen]
    counts = {"map": len(seen), "seen": int(seen.sum()), "triangulated": 0}
    if triangulated is not None:
        places, their_colors = triangulated
        far = cKDTree(cloud.points).query(places, workers=-1)[0] > _ADDED_BEYOND * cloud.voxel
        counts["triangulated"] = int(far.sum())
        points, colors = np.concatenate([points, places[far]]), np.concatenate([colors, their_colors[far]])
        toward = T_world_camera[:, :3, 3].mean(0) - places[far]
        toward /= np.maximum(np.linalg.norm(toward, axis=1, keepdims=True), 1e-12)
        normals = np.concatenate([normals, toward])
    return PointCloud(points.astype(np.float32), colors, normals.astype(np.float32)), counts


def _loader(photo: Photograph) -> Callable[[], NDArray[np.uint8]]:
    return lambda: read_image(photo.path)


def _mask_loader(photo: Photograph) -> Callable[[], NDArray[np.bool_]] | None:
    path = photo.mask
    return None if path is None else lambda: read_mask(path)


def scan_warnings(left_out: Sequence[LeftOut]) -> list[str]:
    """A sentence on scans that are left out, if there are any: how many, the first ones, and why."""
    if not left_out:
        return []
    named = ", ".join(f"{item.name} ({item.reason})" for item in left_out[:_NAMED])
    more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return [f"{len(left_out)} scans are left out: {named}{more}"]


def _warnings(inputs: LidarInputs, fit: _Fit) -> list[str]:
    out: list[str] = []
    if fit.poses is None:
        return out
    for camera, twist in zip(inputs.rig.cameras, fit.poses.twists, strict=True):
        if camera.name in fit.poses.strange:
            degrees, millimeters = np.degrees(np.linalg.norm(twist[:3])), 1e3 * np.linalg.norm(twist[3:])
            out.append(
                f"T_camera_lidar of {camera.name} does not fit the motion: it seems to be off by {degrees:.1f} degrees "
                f"and {millimeters:.0f} mm; calibrate again"
            )
    if inputs.time_offset_s is None and fit.poses.offset_sd_s is None:
        out.append("the motion does not reveal the offset between the clocks of cameras and LiDAR; 0 is assumed")
    return out
