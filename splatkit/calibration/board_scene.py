"""The generated scene `boards`: a hall with a board on a stand, photographed and scanned at many poses, truth known.

Everything is made of rectangles in the LiDAR's frame. The LiDAR's faults are those that real ones have: noise, range
errors of single lasers and of dark surfaces, and beams so wide that returns at edges mix what they touch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.quality.simulation import Rig, draw_views, lidar_rays
from splatkit.calibration.targets.pattern import make_pattern
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, compose, invert, transform_points
from splatkit.io.formats.camera_files import opencv_K, opencv_model
from splatkit.io.images import write_image
from splatkit.io.json_files import write_json
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud

# Rays of a pixel, x and y from its center: in four columns and four rows, so that upright edges have five shades.
_SAMPLES = np.array([[-1, -3], [3, -1], [-3, 1], [1, 3]]) / 8
_ROWS = 64  # rendered at a time
_BLUR_PX, _IMAGE_NOISE = 0.5, 0.008
_DIVERGENCE = 0.0015  # half the width of a beam, rad
_MIXED_M = 0.5  # surfaces of one beam nearer together than this come back as one
_LIGHT = np.array([-0.5, 0.3, 0.81])
_DARK_BIAS_M = 0.01
_NEAREST = 1e-3
_STAND_M = 0.04  # between the stand and the plate


@dataclass(frozen=True)
class Faults:
    """Faults of the LiDAR, besides its range noise."""

    ring_bias_m: float = 0.008
    """Standard deviation of what single lasers are off."""
    dark_bias_m: float = _DARK_BIAS_M
    """By which black surfaces are measured too far."""
    mixed: bool = True
    """Beams have a width."""


@dataclass(frozen=True)
class _Plane:
    """A rectangle: pose, half extents and what it looks like at [N, 2] m on it, as albedo [N, 3]."""

    pose: Array
    half: Array
    albedo: Callable[[Array], Array]


def _plain(*color: float) -> Callable[[Array], Array]:
    return lambda position: np.broadcast_to(np.array(color), (len(position), 3))


def _tiles(first: Array, second: Array, size: float) -> Callable[[Array], Array]:
    def albedo(position: Array) -> Array:
        odd = np.floor(position / size).astype(np.int64).sum(1) % 2
        return np.where(odd[:, None] == 0, first, second)

    return albedo


def _printed(target: BoardTarget) -> Callable[[Array], Array]:
    pattern = make_pattern(target)
    return lambda position: np.where(pattern.black_at(position)[:, None], 0.04, 0.85) * np.ones(3)


def _box(low: tuple[float, float, float], high: tuple[float, float, float], albedo: Callable) -> list[_Plane]:
    center, half = (np.array(low) + high) / 2, (np.array(high) - low) / 2
    out = []
    for axis in range(3):
        u, v = [(1, 2), (2, 0), (0, 1)][axis]
        R = np.eye(3)[:, [u, v, axis]]
        for sign in (-1, 1):
            pose = compose(R, center + sign * half[axis] * np.eye(3)[axis])
            out.append(_Plane(pose, half[[u, v]], albedo))
    return out


def _hall() -> list[_Plane]:
    """Floor, walls and things to be taken for a board: a cupboard, a table and a panel of the board's size."""
    floor = _tiles(np.array([0.45, 0.42, 0.4]), np.array([0.38, 0.36, 0.35]), 0.6)
    wall = _tiles(np.array([0.62, 0.64, 0.6]), np.array([0.58, 0.6, 0.57]), 1.3)
    planes = _box((-4.0, -5.0, -1.3), (8.0, 5.0, 2.7), wall)
    planes[4] = _Plane(planes[4].pose, planes[4].half, floor)
    planes += _box((4.5, -4.4, -1.3), (5.3, -3.2, 0.9), _plain(0.2, 0.3, 0.5))
    planes += _box((5.5, 1.8, -1.3), (7.0, 3.6, -0.4), _plain(0.5, 0.35, 0.2))
    tilted = Rotation.from_euler("zyx", [200, 80, 0], degrees=True).as_matrix()
    return [*planes, _Plane(compose(tilted, np.array([5.0, 3.4, 0.6])), np.array([0.42, 0.3]), _plain(0.7, 0.25, 0.2))]


def board_scene(target: BoardTarget, T_lidar_board: Array) -> list[_Plane]:
    """The hall with the board on a stand behind it."""
    board = _Plane(T_lidar_board, np.array([target.width, target.height]) / 2, _printed(target))
    normal, center = T_lidar_board[:3, 2], T_lidar_board[:3, 3]
    # The post is upright: behind a plate that leans back it stands as far off as the plate's lowest corner.
    hangs = center[2] - transform_points(T_lidar_board, target.outline())[:, 2].min()
    level = max(float(np.hypot(*normal[:2])), _NEAREST)
    away = (_STAND_M + hangs * max(normal[2], 0.0)) / level**2
    (x, y), top = center[:2] + away * normal[:2], center[2]
    stand = _box((x - 0.015, y - 0.015, -1.3), (x + 0.015, y + 0.015, top), _plain(0.1, 0.1, 0.1))
    return [*_hall(), board, *stand]


def _cast(planes: list[_Plane], origin: Array, directions: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Nearest surface of each ray [N, 3]: range [N] in lengths of its direction, number [N] and place on it [N, 2]."""
    nearest = np.full(len(directions), np.inf)
    number = np.full(len(directions), -1)
    place = np.zeros((len(directions), 2))
    for index, plane in enumerate(planes):
        along = directions @ plane.pose[:3, 2]
        ranges = (plane.pose[:3, 3] - origin) @ plane.pose[:3, 2] / np.where(along == 0, 1e-12, along)
        closer = np.flatnonzero((ranges > _NEAREST) & (ranges < nearest))
        hits = origin + ranges[closer, None] * directions[closer]
        position = (hits - plane.pose[:3, 3]) @ plane.pose[:3, :2]
        inside = (np.abs(position) <= plane.half).all(1)
        closer = closer[inside]
        nearest[closer], number[closer], place[closer] = ranges[closer], index, position[inside]
    return nearest, number, place


def _look(planes: list[_Plane], number: NDArray[np.int64], place: Array) -> Array:
    """Albedo [N, 3]."""
    out = np.zeros((len(number), 3))
    for index in np.unique(number[number >= 0]):
        chosen = number == index
        out[chosen] = planes[index].albedo(place[chosen])
    return out


def photograph(
    planes: list[_Plane], camera: Camera, T_camera_lidar: Array, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """An image [H, W, 3] with blur and noise."""
    rows = [
        _shade_rows(planes, camera, T_camera_lidar, start, min(start + _ROWS, camera.height))
        for start in range(0, camera.height, _ROWS)
    ]
    image = cv2.GaussianBlur(np.concatenate(rows), (0, 0), _BLUR_PX) ** (1 / 2.2)
    return (255 * np.clip(image + rng.normal(0, _IMAGE_NOISE, image.shape), 0, 1) + 0.5).astype(np.uint8)


def _shade_rows(planes: list[_Plane], camera: Camera, T_camera_lidar: Array, start: int, stop: int) -> Array:
    """Light [stop - start, W, 3] of some rows: several rays a pixel where its neighbors differ, else one.

    Surfaces are of one color between edges, so one ray is exact there.
    """
    above, below = max(start - 1, 0), min(stop + 1, camera.height)
    centers = np.stack(np.meshgrid(np.arange(camera.width), np.arange(above, below)), -1) + 0.5
    colors = _shade(planes, camera, T_camera_lidar, centers.reshape(-1, 2)).reshape(*centers.shape[:2], 3)
    window = np.ones((3, 3), np.uint8)
    edge = (cv2.dilate(colors, window) - cv2.erode(colors, window)).max(2) > 0
    around = (centers[edge][:, None] + _SAMPLES).reshape(-1, 2)
    colors[edge] = _shade(planes, camera, T_camera_lidar, around).reshape(-1, len(_SAMPLES), 3).mean(1)
    return colors[start - above : stop - above]


def _shade(planes: list[_Plane], camera: Camera, T_camera_lidar: Array, pixels: Array) -> Array:
    """Light [N, 3] along the rays of pixels [N, 2]."""
    flat = camera.tangents(pixels)
    directions = np.concatenate([flat, np.ones((len(flat), 1))], 1) @ T_camera_lidar[:3, :3]
    _, number, place = _cast(planes, invert(T_camera_lidar)[:3, 3], directions)
    normals = np.stack([plane.pose[:3, 2] for plane in planes])[number]
    facing = 0.55 + 0.45 * np.abs(normals @ _LIGHT)
    return _look(planes, number, place) * facing[:, None]


def scan(planes: list[_Plane], rig: Rig, faults: Faults, ring_bias: Array, rng: np.random.Generator) -> LidarScan:
    """Returns of one turn, with the rig's range noise and the LiDAR's faults."""
    directions, line = lidar_rays(rig.lidar, rng)
    origin = np.zeros(3)
    ranges, number, place = _cast(planes, origin, directions)
    if faults.mixed:
        side = np.cross(directions, [0, 0, 1.0])
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        up = np.cross(side, directions)
        around = [ranges]
        for across, above in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            around.append(_cast(planes, origin, directions + _DIVERGENCE * (across * side + above * up))[0])
        spread = np.stack(around)
        near = spread.min(0)
        mixes = (spread.max(0) > near + 0.02) & (spread.max(0) < near + _MIXED_M)
        ranges = np.where(mixes, spread.mean(0), ranges)
    brightness = _look(planes, number, place).mean(1)
    measured = ranges + rng.normal(0, rig.noise.range_m, len(ranges)) + faults.dark_bias_m * (brightness < 0.1)
    if rig.lidar != "solid":
        measured += ring_bias[line]
    hit = np.isfinite(measured)
    return LidarScan(
        points=measured[hit, None] * directions[hit],
        ring=None if rig.lidar == "solid" else line[hit],
        intensity=np.round(np.clip(100 * brightness[hit] + rng.normal(0, 2, hit.sum()), 0, 255)),
    )


@dataclass(frozen=True)
class Capture:
    """What a rig took of the board at one pose."""

    image: NDArray[np.uint8]
    scan: LidarScan
    T_camera_board: Array


def capture_boards(
    rig: Rig, target: BoardTarget, count: int, seed: int = 0, faults: Faults | None = None
) -> Iterable[Capture]:
    """Boards at random poses that both sensors see whole, one after the other."""
    faults = faults or Faults()
    rng = np.random.default_rng(seed)
    rings = 1 if rig.lidar == "solid" else int(rig.lidar)
    ring_bias = rng.normal(0, faults.ring_bias_m, rings)
    poses = draw_views(rig, target, count, rng)[1]
    for pose in poses:
        planes = board_scene(target, invert(rig.T_camera_lidar) @ pose)
        image = photograph(planes, rig.camera, rig.T_camera_lidar, rng)
        yield Capture(image, scan(planes, rig, faults, ring_bias, rng), pose)


def write_boards(folder: Path, rig: Rig, target: BoardTarget, captures: Iterable[Capture]) -> int:
    """Write images, scans (PLY), intrinsics and the truth; returns the number of frames."""
    poses = []
    for folder_name in ("images", "clouds"):
        (folder / folder_name).mkdir(parents=True)
    for index, capture in enumerate(captures):
        write_image(folder / "images" / f"pose{index:02d}.png", capture.image)
        ring, intensity = capture.scan.ring, capture.scan.intensity
        cloud = PointCloud(
            capture.scan.points.astype(np.float32),
            intensity=None if intensity is None else intensity.astype(np.float32),
            ring=None if ring is None else ring.astype(np.int32),
        )
        write_point_cloud(folder / "clouds" / f"pose{index:02d}.ply", cloud)
        poses.append(capture.T_camera_board.tolist())
    camera = rig.camera
    record = {
        "distortion_model": opencv_model(camera),
        "width": camera.width,
        "height": camera.height,
        "K": opencv_K(camera).ravel().tolist(),
        "D": list(camera.distortion),
    }
    (folder / "camera.yaml").write_text(yaml.safe_dump(record), encoding="utf-8")
    write_json(
        folder / "truth.json",
        {"T_camera_lidar": rig.T_camera_lidar.tolist(), "T_camera_board": poses, "board": target.__dict__},
    )
    return len(poses)
