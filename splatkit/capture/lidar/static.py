"""Scans of a LiDAR that stood still and the photographs around them. The world is that of the scans' poses; of one scan
without a pose, the LiDAR's frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.depth_pass import DepthTarget, depth_maps
from splatkit.capture.lidar.motion import PlacedScan, placed_by_its_pose
from splatkit.capture.lidar.moving import seed_cloud
from splatkit.capture.lidar.photographs import Photograph, posed_cameras
from splatkit.capture.lidar.registration.alignment import Alignment, Similarity, align_surfaces
from splatkit.capture.lidar.registration.camera_path import depth_ratios, scale_from_ratios
from splatkit.capture.lidar.scans import Scan
from splatkit.capture.lidar.voxel_map import VoxelCloud, VoxelMap, surface_normals
from splatkit.capture.rig import Rig
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.maps.depth_maps import DepthMap
from splatkit.io.point_cloud import PointCloud
from splatkit.progress import Progress

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StaticInputs:
    """What a scene is made from.

    Attributes:
        photographs: each of a camera of the rig as it stood at the first scan; or with poses, of which `anchors` are
            such.
        scans: at least one; without a pose the world is the LiDAR's frame.
        rig: extrinsics.
        points: triangulated points [N, 3] in the images' world, and their colors [N, 3], where there are any.
        anchors: numbers of photographs taken by the rig where the first scan was; empty: all, and poses do not count.
        voxel: m, smallest distance of points in the map.
        max_points: of the map.
    """

    photographs: list[Photograph]
    scans: tuple[Scan, ...]
    rig: Rig
    points: tuple[Array, NDArray[np.uint8]] | None = None
    anchors: tuple[int, ...] = ()
    voxel: float = 0.02
    max_points: int = 500_000


@dataclass(frozen=True)
class StaticScene:
    """What followed: poses [N, 4, 4] (x right, y down, z forward) in the world, m, and a colored cloud."""

    photographs: list[Photograph]
    T_world_camera: Array
    lidar_centers: Array  # [S, 3] of the scans
    seed: PointCloud
    map: VoxelCloud
    alignment: Alignment | None
    counts: dict[str, int]


def locate_static(inputs: StaticInputs, progress: Progress) -> StaticScene:
    """Place all photographs around the scans.

    With anchors, the ratios of LiDAR depths to triangulated depths in them give the scale, their extrinsics a first
    guess, and surfaces the rest.

    Raises:
        CaptureRefusedError: photographs and scan do not fit together.
        DatasetError: anchors are given, but no triangulated points.
    """
    voxels = VoxelMap(inputs.voxel, inputs.max_points)
    placed = _placed_scans(inputs)
    for scan in placed:
        voxels.add(scan.cloud.points, scan.origins)
    cloud = voxels.cloud()
    normals, flat = surface_normals(cloud, inputs.rig.range_noise_m)
    extrinsics = np.stack([inputs.rig.cameras[photo.mount].T_camera_lidar for photo in inputs.photographs])
    by_rig: Array = extrinsics @ invert(_pose(inputs.scans[0]))
    alignment, triangulated = None, None
    poses: Array = invert(by_rig)
    if inputs.anchors:
        if inputs.points is None:
            raise DatasetError("--anchor needs a dataset with triangulated points (ply_file_path) to find its scale")
        start = _start(inputs, placed[0].cloud.points, by_rig)
        alignment = align_surfaces(inputs.points[0], cloud, normals, flat, start)
        poses = alignment.similarity.apply_to_poses(posed_cameras(inputs.photographs))
        triangulated = (alignment.similarity.apply(inputs.points[0]), inputs.points[1])
    seed, counts = seed_cloud(cloud, normals, inputs.photographs, poses, triangulated, progress)
    centers = np.stack([_pose(scan)[:3, 3] for scan in inputs.scans])
    measured = sum(len(scan.times) for scan in placed)
    return StaticScene(inputs.photographs, poses, centers, seed, cloud, alignment, {"measured": measured, **counts})


def static_depths(scene: StaticScene, inputs: StaticInputs) -> Iterator[tuple[int, DepthMap]]:
    """Depth maps of the scene's photographs, see `depth_maps`."""
    placed = _placed_scans(inputs)
    for number, (photo, pose) in enumerate(zip(scene.photographs, scene.T_world_camera, strict=True)):
        target = DepthTarget(photo, invert(pose), None)
        for _, depth in depth_maps([target], placed, inputs.rig, 0.0):
            yield number, depth


def _pose(scan: Scan) -> Array:
    return np.eye(4) if scan.T_world_lidar is None else scan.T_world_lidar


def _placed_scans(inputs: StaticInputs) -> list[PlacedScan]:
    return [placed_by_its_pose(scan, _pose(scan)) for scan in inputs.scans]


def _start(inputs: StaticInputs, points: Array, T_camera_world: Array) -> Similarity:
    """The similarity by depths of the first scan's points [N, 3] in the anchors, and the pose of the first of these.

    Args:
        inputs: with anchors.
        points: in the world.
        T_camera_world: [P, 4, 4] of all photographs, as far as they were taken by the rig where that scan was.
    """
    assert inputs.points is not None
    ratios = [
        depth_ratios(transform_points(T_camera_world[number], points), inputs.points[0], inputs.photographs[number])
        for number in inputs.anchors
    ]
    scale = scale_from_ratios(np.concatenate(ratios))[0]
    first = inputs.anchors[0]
    pose = posed_cameras([inputs.photographs[first]])[0]
    rotation = T_camera_world[first][:3, :3].T @ pose[:3, :3].T
    center = invert(T_camera_world[first])[:3, 3]
    return Similarity(scale, rotation, center - scale * rotation @ pose[:3, 3])
