"""Walks through a generated scene with known truth: structure from motion, LiDAR and odometry, each with its noise."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.walk.recording import Recording
from splatkit.calibration.walk.surfels import surfels
from splatkit.capture.lidar.motion import place_scans
from splatkit.capture.lidar.registration.alignment import Similarity
from splatkit.capture.lidar.scans import Scan
from splatkit.capture.lidar.voxel_map import VoxelMap
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import exp_se3, invert, point_motion, transform_points
from splatkit.io.formats.trajectories import Trajectory
from splatkit.synthetic.defects import LidarFaults
from splatkit.synthetic.description import SceneDescription, SpinningLidar, Walk
from splatkit.synthetic.lidar import scan_turn
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion, carried_camera, lidar_from_camera

Array = NDArray[np.float64]

POSES_PER_S = 20.0
_MARGIN_S = 0.5
_FEATURES = 60  # of each photograph, looked for in all others
_SEEN_BY = 3
_TOLERANCE_M = 0.02
_GAUGE = 1e-3  # weight of the seven numbers that bundle adjustment leaves open
_VOXEL_M = 0.05


@dataclass(frozen=True)
class Noise:
    """Standard deviations of all that is measured."""

    pixel: float = 0.5  # px, of features
    range_m: float = 0.02
    odometry_deg: float = 0.1  # of the trajectory, about each axis, alike over `odometry_s`
    odometry_m: float = 0.01
    odometry_s: float = 2.0
    offset_s: float = 0.03  # LiDAR's clock minus cameras' clock


@dataclass(frozen=True, eq=False)
class Truth:
    """A walk without noise."""

    cameras: tuple[PosedCamera, ...]  # photographs, in order of time
    times: Array  # [N] s
    which: NDArray[np.int64]  # [N] number of the camera
    names: tuple[str, ...]
    T_camera_lidar: Array  # [C, 4, 4]
    trajectory: Trajectory
    points: Array  # [M, 3] m, world
    seen: tuple[NDArray[np.int64], NDArray[np.int64]]  # [K] photographs and [K] points seen in them
    scans: tuple[Scan, ...]


class Straight(RigMotion):
    """A cart: along one line at constant speed, without any sway."""

    def __init__(self, walk: Walk, length_m: float = 8.0) -> None:
        self._speed, self._height, self._length_m = walk.speed, walk.height, length_m
        self.duration = length_m / walk.speed

    def poses(self, times: Array) -> Array:
        """T_world_lidar [N, 4, 4]."""
        out = np.tile(np.eye(4), (len(times), 1, 1))
        out[:, 0, 3] = self._speed * np.asarray(times) - self._length_m / 2
        out[:, 2, 3] = self._height
        return out


def walk_truth(description: SceneDescription, motion: RigMotion, views: int, scans: int, seed: int) -> Truth:
    """Photograph and scan a scene along a motion, without noise."""
    walk = description.walk
    assert walk is not None
    rng, tracer, count = np.random.default_rng([seed, 1]), Tracer(description, 0), len(walk.cameras)
    moments = (np.arange(views // count) + 0.5) * motion.duration / (views // count)
    times, which = np.repeat(moments, count), np.tile(np.arange(count), views // count)
    cameras = tuple(
        carried_camera(walk.cameras[mount], (640, 480), motion, float(time))
        for time, mount in zip(times, which, strict=True)
    )
    points, seen = _features(tracer, cameras, rng)
    stamps = np.arange(-_MARGIN_S, motion.duration + _MARGIN_S, 1 / POSES_PER_S)
    starts = np.arange(scans) * motion.duration / scans
    return Truth(
        cameras,
        times,
        which,
        tuple(mount.name for mount in walk.cameras),
        invert(np.stack([lidar_from_camera(mount) for mount in walk.cameras])),
        Trajectory(stamps, motion.poses(stamps)),
        points,
        seen,
        tuple(_scan(tracer, motion, walk.lidar, float(start), rng) for start in starts),
    )


def _scan(tracer: Tracer, motion: RigMotion, lidar: SpinningLidar, start: float, rng: np.random.Generator) -> Scan:
    cloud = scan_turn(tracer, motion, lidar, start, LidarFaults(range_noise_m=0.0), rng)
    assert cloud.time is not None
    return Scan(f"{start:.2f}", cloud, cloud.time)


def _features(
    tracer: Tracer, cameras: tuple[PosedCamera, ...], rng: np.random.Generator
) -> tuple[Array, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Points that several photographs see, and which do."""
    found = []
    for camera in cameras:
        pixels = rng.random((_FEATURES, 2)) * (camera.camera.width, camera.camera.height)
        origins, directions = camera.rays(pixels)
        depths = tracer.measure(origins, directions, shade=False).distances
        hit = np.isfinite(depths)
        found.append(origins[hit] + depths[hit, None] * directions[hit])
    points = np.concatenate(found)
    visible = np.stack([tracer.visible(points, camera, tolerance=_TOLERANCE_M) for camera in cameras])
    kept = visible.sum(0) >= _SEEN_BY
    photographs, numbers = np.nonzero(visible[:, kept])
    return points[kept], (photographs, numbers)


def simulate(truth: Truth, noise: Noise, seed: int) -> Recording:
    """What would be measured of a walk."""
    rng = np.random.default_rng([seed, 2])
    poses, points = structure_from_motion(truth, noise.pixel, rng)
    away = Similarity(1 / rng.uniform(2, 5), Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3))
    trajectory = _odometry(truth.trajectory, noise, rng)
    voxels = VoxelMap(_VOXEL_M, 500_000)
    for scan in place_scans((_noisy(scan, noise, rng) for scan in truth.scans), trajectory):
        voxels.add(scan.cloud.points, scan.origins)
    planes, normals = surfels(voxels.cloud(), noise.range_m)
    return Recording(
        away.apply_to_poses(poses),
        truth.times,
        truth.which,
        truth.names,
        trajectory,
        away.apply(points),
        planes,
        normals,
    )


def _noisy(scan: Scan, noise: Noise, rng: np.random.Generator) -> Scan:
    """With errors of ranges, by the LiDAR's clock."""
    ranges = np.linalg.norm(scan.cloud.points, axis=1, keepdims=True)
    points = scan.cloud.points * (1 + noise.range_m * rng.normal(size=ranges.shape) / ranges)
    assert scan.times is not None
    return replace(scan, cloud=replace(scan.cloud, points=points), times=scan.times + noise.offset_s)


def _odometry(true: Trajectory, noise: Noise, rng: np.random.Generator) -> Trajectory:
    """With errors that last for a while, by the LiDAR's clock."""
    keep = np.exp(-1 / (POSES_PER_S * noise.odometry_s))
    steps = rng.normal(size=(len(true.times), 6)) * np.sqrt(1 - keep**2)
    errors = np.zeros_like(steps)
    errors[0] = rng.normal(size=6)
    for k in range(1, len(errors)):
        errors[k] = keep * errors[k - 1] + steps[k]
    errors *= np.array([np.deg2rad(noise.odometry_deg)] * 3 + [noise.odometry_m] * 3)
    return Trajectory(true.times + noise.offset_s, true.poses @ exp_se3(errors))


def structure_from_motion(truth: Truth, pixel: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Poses [N, 4, 4] and points [M, 3] of bundle adjustment: one step of Gauss-Newton from the truth."""
    photographs, numbers = truth.seen
    count, total = len(truth.cameras), len(truth.points)
    H, g = _GAUGE * np.eye(6 * count), np.zeros(6 * count)
    J_cameras, J_points = np.zeros((len(numbers), 2, 6)), np.zeros((len(numbers), 2, 3))
    for index, posed in enumerate(truth.cameras):
        own = photographs == index
        local = transform_points(invert(posed.T_world_camera), truth.points[numbers[own]])
        to_pixels = _project_jacobian(posed.camera, local) / pixel
        J_cameras[own] = to_pixels @ point_motion(local)  # of T_camera_world, from the left
        J_points[own] = to_pixels @ posed.T_world_camera[:3, :3].T
    noise = rng.normal(size=(len(numbers), 2))
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.searchsorted(numbers[order], np.arange(1, total)))
    kept = []
    for part in parts:
        A, B, n = J_cameras[part], J_points[part], noise[part]
        V = np.linalg.inv(np.einsum("kij,kil->jl", B, B) + _GAUGE * np.eye(3))
        W = np.einsum("kij,kil->kjl", A, B)  # [k, 6, 3]
        b = np.einsum("kij,ki->j", B, n)
        kept.append((V, W, b))
        rows = (6 * photographs[part][:, None] + np.arange(6)).ravel()
        flat = W.reshape(-1, 3)
        H[np.ix_(rows, rows)] -= flat @ V @ flat.T
        g[rows] -= flat @ V @ b
        for k, index in enumerate(photographs[part]):
            own = slice(6 * index, 6 * index + 6)
            H[own, own] += A[k].T @ A[k]
            g[own] += A[k].T @ n[k]
    change = np.linalg.solve(H, g).reshape(-1, 6)
    points = truth.points.copy()
    for number, (part, (V, W, b)) in enumerate(zip(parts, kept, strict=True)):
        points[number] += V @ (b - np.einsum("kjl,kj->l", W, change[photographs[part]]))
    T_camera_world = exp_se3(change) @ invert(np.stack([camera.T_world_camera for camera in truth.cameras]))
    return invert(T_camera_world), points


def _project_jacobian(camera: Camera, points: Array) -> Array:
    """Derivatives [K, 2, 3] of pixels by points [K, 3] in the camera's frame."""
    return np.asarray(camera.jacobians(points)[1])
