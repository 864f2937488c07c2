"""A walk through a generated scene as a nerfstudio dataset with LiDAR scans, and the exact truth beside it.

transforms.json     cameras as stated (OpenGL camera-to-world, meters); every 8th moment is held out
images/             CAMERA_0000.png, ...: all cameras of one number at the same moment
images.csv          file and time of each image, s, by the cameras' clock
points.ply          seed cloud like one from structure from motion, of training views only
lidar/              scan_0000.ply, ...: one turn each in the LiDAR's own moving frame, with ring, intensity and the time
                    of each point, s, by the LiDAR's clock
trajectory.txt      T_world_lidar as stated, by the LiDAR's clock (TUM format, 200 poses a second)
rig.json            T_camera_lidar as stated, and the LiDAR
panoramas/          on request, see splatkit.synthetic.panoramas
truth/              trajectory.txt, rig.json, cameras.json: the same without defects, by one clock
                    depth/NAME.npy  float32 z-depth at pixel centers, m, 0 where the sky is
                    mesh.ply        the very triangles that were seen
                    scene.json      units, bounds, seed, background, defects
"""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.se3 import invert
from splatkit.io.formats.trajectories import Trajectory, write_trajectory
from splatkit.io.images import write_image
from splatkit.io.json_files import write_json
from splatkit.io.meshes import write_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, write_transforms
from splatkit.progress import Progress, no_progress, track
from splatkit.synthetic.dataset import HOLD_OUT_INTERVAL, check_size, scene_summary
from splatkit.synthetic.defects import Defects, LidarFaults
from splatkit.synthetic.description import CameraMount, SceneDescription, SpinningLidar, Walk
from splatkit.synthetic.disturbances import disturbed_poses, exposed, wrong_extrinsics
from splatkit.synthetic.lidar import scan_turn
from splatkit.synthetic.panoramas import take_panoramas
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion, carried_camera, lidar_from_camera, rolling_shutter

_SUPERSAMPLING = 3
_POSES_PER_S = 200.0
_MARGIN_S = 0.5  # of trajectories before the first and behind the last measurement
_UNITS = ("units: m, z up",)
_SEED_SHARE = 1 / 16  # points a pixel of one image: what structure from motion finds
_SEED_TRIALS = 4
_SEED_NOISE_PX = 0.5
_SEED_TOLERANCE_M = 0.01
_SEEN_BY = 2  # views: with one alone nobody could triangulate a point


@dataclasses.dataclass(frozen=True)
class Shot:
    """One image to take."""

    name: str
    mount: CameraMount
    time: float  # s
    held_out: bool


def generate_walk(
    description: SceneDescription,
    out: Path,
    width: int = 320,
    height: int = 240,
    views: int = 48,
    scans: int = 40,
    seed: int = 0,
    faults: LidarFaults | None = None,
    defects: Defects | None = None,
    progress: Progress = no_progress,
    panoramas: int = 0,
) -> None:
    """Photograph and scan a scene on a walk into the folder `out`, which must exist.

    Args:
        description: what to capture, with a walk.
        out: folder to fill.
        width: px.
        height: px.
        views: number of images, all cameras together; at least 2 moments.
        scans: number of LiDAR turns, evenly spread over the walk.
        seed: of everything random; the same seed gives the same bytes, and a defect changes nothing beside itself.
        faults: of the LiDAR.
        defects: of cameras and of what is stated; none by default.
        progress: shows how many images and scans are done.
        panoramas: number of them, evenly spread over the walk.

    Raises:
        ValueError: where an argument is out of its range, or the scene has no walk.
    """
    walk, faults, defects = description.walk, faults or LidarFaults(), defects or Defects()
    if walk is None:
        raise ValueError(f"{description.name}: this scene has no walk")
    check_size(width, height)
    moments = _moments(walk, views, scans)
    # A stream of random numbers for each purpose, so that what one of them takes moves no other.
    motion_rng, image_rng, seed_rng, lidar_rng, *stated = (np.random.default_rng([seed, 1, k]) for k in range(7))
    tracer, motion = Tracer(description, seed), RigMotion(walk, motion_rng)
    for folder in ("images", "lidar", "truth/depth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    shots = _plan(walk, moments, motion.duration)
    size = (width, height)
    cameras = [carried_camera(shot.mount, size, motion, shot.time) for shot in shots]
    train = [camera for camera, shot in zip(cameras, shots, strict=True) if not shot.held_out]
    write_point_cloud(out / "points.ply", _seed_cloud(tracer, train, seed_rng), comments=_UNITS)
    stops = stated[0].normal(scale=defects.exposure_stops, size=len(shots))
    capture = _Capture(out, tracer, motion, faults, defects, progress)
    capture.photograph(shots, size, stops, image_rng)
    capture.scan(walk.lidar, scans, lidar_rng)
    panorama_rng = np.random.default_rng([seed, 1, 7])
    take_panoramas(out, tracer, motion, walk, width, panoramas, panorama_rng, progress)
    true_poses = np.stack([camera.T_world_camera for camera in cameras])
    poses = disturbed_poses(true_poses, defects.pose_noise_deg, defects.pose_noise_m, stated[1])
    _write_cameras(out, shots, cameras, poses)
    _write_motion(out, motion, walk, defects, stated[2])
    _write_truth(out / "truth", shots, true_poses, stops)
    write_mesh(out / "truth/mesh.ply", tracer.mesh, comments=_UNITS)
    summary = scene_summary(description, tracer.mesh, seed)
    summary |= {"defects": dataclasses.asdict(defects), "lidar_faults": dataclasses.asdict(faults)}
    write_json(out / "truth/scene.json", summary)


def _moments(walk: Walk, views: int, scans: int) -> int:
    """How many moments so many images are taken at; ValueError where these counts make no walk."""
    moments = views // len(walk.cameras)
    if moments < 2 or views % len(walk.cameras):
        raise ValueError(f"views: expected a multiple of {len(walk.cameras)} (cameras), at least twice it, got {views}")
    if scans < 1:
        raise ValueError(f"scans: expected at least 1, got {scans}")
    return moments


@dataclasses.dataclass(frozen=True)
class _Capture:
    """What all measurements of a walk share."""

    out: Path
    tracer: Tracer
    motion: RigMotion
    faults: LidarFaults
    defects: Defects
    progress: Progress

    def photograph(
        self, shots: list[Shot], size: tuple[int, int], stops: NDArray[np.float64], rng: np.random.Generator
    ) -> None:
        """Write all images [width, height] = size, exposed by so many stops too much, and their true depths."""
        for shot, exposure in track(zip(shots, stops, strict=True), "photographing", self.progress, len(shots)):
            camera, readout_s = carried_camera(shot.mount, size, self.motion, shot.time), self.defects.rolling_shutter_s
            taken = rolling_shutter(camera, shot.mount, self.motion, shot.time, readout_s) if readout_s > 0 else camera
            view = self.tracer.render(taken, _SUPERSAMPLING, rng)
            image = exposed(view.colors, float(exposure), self.defects.blur_px)
            write_image(self.out / f"images/{shot.name}.png", image)
            np.save(self.out / f"truth/depth/{shot.name}.npy", view.depths)

    def scan(self, lidar: SpinningLidar, count: int, rng: np.random.Generator) -> None:
        """Write `count` scans, evenly spread over the walk."""
        starts = np.arange(count) * self.motion.duration / count
        for index, start in track(enumerate(starts), "scanning", self.progress, count):
            cloud = scan_turn(self.tracer, self.motion, lidar, float(start), self.faults, rng)
            assert cloud.time is not None
            stamped = dataclasses.replace(cloud, time=cloud.time + self.defects.time_offset_s)
            write_point_cloud(self.out / f"lidar/scan_{index:04d}.ply", stamped, comments=_UNITS)


def _plan(walk: Walk, moments: int, duration: float) -> list[Shot]:
    """All images, camera by camera."""
    times = (np.arange(moments) + 0.5) * duration / moments
    return [
        Shot(f"{camera.name}_{index:04d}", camera, float(time), index % HOLD_OUT_INTERVAL == 0)
        for camera in walk.cameras
        for index, time in enumerate(times)
    ]


def _seed_cloud(tracer: Tracer, cameras: list[PosedCamera], rng: np.random.Generator) -> PointCloud:
    """Points under pixels of all views that another one sees too, with the noise that half a pixel makes."""
    points, colors, noise = [], [], []
    share = max(1, round(_SEED_SHARE * cameras[0].camera.width * cameras[0].camera.height / len(cameras)))
    for camera in cameras:
        pixels = rng.random((_SEED_TRIALS * share, 2)) * (camera.camera.width, camera.camera.height)
        origins, directions = camera.rays(pixels)
        depths = tracer.measure(origins, directions, shade=False).distances
        hit = np.isfinite(depths)
        found = origins[hit] + depths[hit, None] * directions[hit]
        seen = np.zeros(len(found), dtype=np.int64)
        for other in cameras:
            seen += tracer.visible(found, other, tolerance=_SEED_TOLERANCE_M)
        kept = np.flatnonzero(seen >= _SEEN_BY)[:share]
        points.append(found[kept])
        colors.append(tracer.colors_at(found[kept], camera.center))
        noise.append(_SEED_NOISE_PX * depths[hit][kept] / camera.camera.fx)
    places = np.concatenate(points)
    if len(places) == 0:
        raise ValueError("views: no point is seen by two of these views; take more of them")
    noisy = places + np.concatenate(noise)[:, None] * rng.normal(size=places.shape)
    return PointCloud(noisy.astype(np.float32), np.round(np.concatenate(colors) * 255).astype(np.uint8))


def _write_cameras(out: Path, shots: list[Shot], cameras: list[PosedCamera], poses: NDArray[np.float64]) -> None:
    out = out.resolve()
    frames = tuple(
        Frame(PosedCamera(f"images/{shot.name}.png", camera.camera, pose), out / f"images/{shot.name}.png")
        for shot, camera, pose in zip(shots, cameras, poses, strict=True)
    )
    held_out = tuple(frame.file_path for frame, shot in zip(frames, shots, strict=True) if shot.held_out)
    train = tuple(frame.file_path for frame in frames if frame.file_path not in held_out)
    splits = {"train": train, "val": held_out, "test": held_out}
    write_transforms(out / "transforms.json", Transforms(out, frames, out / "points.ply", splits))
    rows = [f"images/{shot.name}.png,{shot.time:.6f}" for shot in shots]
    (out / "images.csv").write_text("\n".join(["file,time_s", *rows]) + "\n", encoding="utf-8")


def _write_motion(out: Path, motion: RigMotion, walk: Walk, defects: Defects, rng: np.random.Generator) -> None:
    """Trajectory and rig as stated, and as they truly are."""
    turn = 1 / walk.lidar.turns_per_s
    times = np.arange(-_MARGIN_S, motion.duration + turn + _MARGIN_S, 1 / _POSES_PER_S)
    poses = motion.poses(times)
    write_trajectory(out / "truth/trajectory.txt", Trajectory(times, poses))
    # Odometry does not jump from pose to pose: the whole of it is off by one noise.
    shift = np.zeros((1, 3)) + rng.normal(scale=defects.pose_noise_m, size=(1, 3))
    stated_poses = poses.copy()
    stated_poses[:, :3, 3] += shift
    write_trajectory(out / "trajectory.txt", Trajectory(times + defects.time_offset_s, stated_poses))
    true, stated = [], []
    for camera in walk.cameras:
        T_camera_lidar = invert(lidar_from_camera(camera))
        wrong = wrong_extrinsics(T_camera_lidar, defects.extrinsic_deg, defects.extrinsic_m, rng)
        true.append({"name": camera.name, "T_camera_lidar": T_camera_lidar.tolist()})
        stated.append({"name": camera.name, "T_camera_lidar": wrong.tolist()})
    lidar = dataclasses.asdict(walk.lidar)
    write_json(out / "truth/rig.json", {"cameras": true, "lidar": lidar, "time_offset_s": defects.time_offset_s})
    write_json(out / "rig.json", {"cameras": stated, "lidar": lidar})


def _write_truth(folder: Path, shots: list[Shot], poses: NDArray[np.float64], stops: NDArray[np.float64]) -> None:
    entries = [
        {"name": shot.name, "time_s": shot.time, "T_world_camera": pose.tolist(), "exposure_stops": float(exposure)}
        for shot, pose, exposure in zip(shots, poses, stops, strict=True)
    ]
    write_json(folder / "cameras.json", {"axes": "x right, y down, z forward", "images": entries})
