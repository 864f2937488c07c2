"""One scan and the photographs around it, from a rig or a tripod that stood still: the LiDAR's frame is the world."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.depth_pass import DepthTarget, depth_maps
from splatkit.capture.lidar.motion import PlacedScan
from splatkit.capture.lidar.moving import seed_cloud
from splatkit.capture.lidar.photographs import Photograph, posed_cameras
from splatkit.capture.lidar.registration.alignment import Alignment, Similarity, align_surfaces
from splatkit.capture.lidar.registration.camera_path import depth_ratios, scale_from_ratios
from splatkit.capture.lidar.rig import Rig
from splatkit.capture.lidar.voxel_map import VoxelCloud, VoxelMap, surface_normals
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.depth_maps import DepthMap
from splatkit.io.point_clouds import PointCloud
from splatkit.progress import Progress

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StaticInputs:
    """What a scene is made from.

    Attributes:
        photographs: each of a camera of the rig as it stood; or with poses, of which `anchors` are such.
        scan: in the LiDAR's frame.
        rig: extrinsics.
        points: triangulated points [N, 3] in the images' world, and their colors [N, 3], where there are any.
        anchors: numbers of photographs taken by the rig where the scan was; empty: all, and poses do not count.
        voxel: m, smallest distance of points in the map.
        max_points: of the map.
    """

    photographs: list[Photograph]
    scan: PointCloud
    rig: Rig
    points: tuple[Array, NDArray[np.uint8]] | None = None
    anchors: tuple[int, ...] = ()
    voxel: float = 0.02
    max_points: int = 500_000


@dataclass(frozen=True)
class StaticScene:
    """What followed: poses [N, 4, 4] (x right, y down, z forward) in the LiDAR's frame, m, and a colored cloud."""

    photographs: list[Photograph]
    T_world_camera: Array
    seed: PointCloud
    map: VoxelCloud
    alignment: Alignment | None
    counts: dict[str, int]


def locate_static(inputs: StaticInputs, progress: Progress) -> StaticScene:
    """Place all photographs around the scan.

    With anchors, the ratios of LiDAR depths to triangulated depths in them give the scale, their extrinsics a first
    guess, and surfaces the rest.

    Raises:
        CaptureRefusedError: photographs and scan do not fit together.
        DatasetError: anchors are given, but no triangulated points.
    """
    voxels = VoxelMap(inputs.voxel, inputs.max_points)
    voxels.add(inputs.scan.points, np.zeros_like(inputs.scan.points))
    cloud = voxels.cloud()
    normals, flat = surface_normals(cloud, inputs.rig.range_noise_m)
    extrinsics = np.stack([inputs.rig.cameras[photo.mount].T_camera_lidar for photo in inputs.photographs])
    alignment, triangulated = None, None
    poses: Array = invert(extrinsics)
    if inputs.anchors:
        if inputs.points is None:
            raise DatasetError("--anchor needs a dataset with triangulated points (ply_file_path) to find its scale")
        start = _start(inputs, extrinsics)
        alignment = align_surfaces(inputs.points[0], cloud, normals, flat, start)
        poses = alignment.similarity.apply_to_poses(posed_cameras(inputs.photographs))
        triangulated = (alignment.similarity.apply(inputs.points[0]), inputs.points[1])
    seed, counts = seed_cloud(cloud, normals, inputs.photographs, poses, triangulated, progress)
    return StaticScene(
        inputs.photographs, poses, seed, cloud, alignment, {"measured": len(inputs.scan.points), **counts}
    )


def static_depths(scene: StaticScene, inputs: StaticInputs) -> Iterator[tuple[int, DepthMap]]:
    """Depth maps of the scene's photographs, see `depth_maps`."""
    count = len(inputs.scan.points)
    placed = PlacedScan("scan", inputs.scan, np.zeros(count), np.zeros((count, 3)), 0)
    for number, (photo, pose) in enumerate(zip(scene.photographs, scene.T_world_camera, strict=True)):
        target = DepthTarget(photo, invert(pose), None)
        for _, depth in depth_maps([target], [placed], inputs.rig, 0.0):
            yield number, depth


def _start(inputs: StaticInputs, extrinsics: Array) -> Similarity:
    """The similarity by depths in the anchors and the extrinsics of the first of them."""
    assert inputs.points is not None
    ratios = [
        depth_ratios(
            transform_points(extrinsics[number], inputs.scan.points), inputs.points[0], inputs.photographs[number]
        )
        for number in inputs.anchors
    ]
    scale = scale_from_ratios(np.concatenate(ratios))[0]
    first = inputs.anchors[0]
    pose = posed_cameras([inputs.photographs[first]])[0]
    rotation = extrinsics[first][:3, :3].T @ pose[:3, :3].T
    center = invert(extrinsics[first])[:3, 3]
    return Similarity(scale, rotation, center - scale * rotation @ pose[:3, 3])
