"""A drive through a generated scene: what fisheyes around a vehicle take, the rig as stated, and the exact truth.

images/CAMERA/0000.png, ...   all cameras of one number at the same moment
rig.json                      lenses and T_vehicle_camera as stated; `splatkit calibrate surround` takes it
truth/                        rig.json: the same without defects
                              trajectory.txt: T_world_vehicle of each moment (TUM format)
                              mesh.ply: the very triangles that were seen
                              scene.json: units, bounds, seed, background, defects
"""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.io.formats.calibration_json import camera_entry
from splatkit.io.formats.trajectories import Trajectory, write_trajectory
from splatkit.io.images import write_image
from splatkit.io.json_files import write_json
from splatkit.io.meshes import write_mesh
from splatkit.progress import Progress, no_progress, track
from splatkit.synthetic.dataset import check_size, scene_summary
from splatkit.synthetic.defects import Defects
from splatkit.synthetic.description import SceneDescription
from splatkit.synthetic.disturbances import disturbed_poses, exposed
from splatkit.synthetic.drive.motion import VehicleMotion, fisheye, take_shot
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import lidar_from_camera

_SUPERSAMPLING = 3
_FRAME = "vehicle: x ahead, y left, z up, meters; the ground is z = 0; p_vehicle = R p_camera + t"


def generate_drive(
    description: SceneDescription,
    out: Path,
    width: int = 640,
    height: int = 480,
    views: int = 32,
    seed: int = 0,
    defects: Defects | None = None,
    progress: Progress = no_progress,
) -> None:
    """Photograph a scene from a vehicle into the folder `out`, which must exist.

    Args:
        description: what to photograph, with a drive.
        out: folder to fill.
        width: px.
        height: px.
        views: number of images, all cameras together.
        seed: of everything random; the same seed gives the same bytes, and a defect changes nothing beside itself.
        defects: of images and of the stated rig; none by default.
        progress: shows how many images are done.

    Raises:
        ValueError: an argument is out of its range, or the scene has no drive.
    """
    drive, defects = description.drive, defects or Defects()
    if drive is None:
        raise ValueError(f"{description.name}: nobody drives through this scene")
    check_size(width, height)
    moments, rest = divmod(views, len(drive.cameras))
    if moments < 1 or rest:
        raise ValueError(f"views: expected a multiple of {len(drive.cameras)} (cameras), got {views}")
    # A stream of random numbers for each purpose, so that what one of them takes moves no other.
    motion_rng, image_rng, exposure_rng, stated_rng = (np.random.default_rng([seed, 2, k]) for k in range(4))
    tracer, motion = Tracer(description, seed), VehicleMotion(drive, motion_rng)
    times = (np.arange(moments) + 0.5) * motion.duration / moments
    cameras = [fisheye(mount, drive, width, height) for mount in drive.cameras]
    stops = exposure_rng.normal(scale=defects.exposure_stops, size=(len(cameras), moments))
    shots = [(c, m) for c in range(len(cameras)) for m in range(moments)]
    for c, m in track(shots, "photographing", progress, len(shots)):
        mount = drive.cameras[c]
        shot = take_shot(mount, cameras[c], motion, float(times[m]), defects.rolling_shutter_s)
        colors = tracer.render(shot, _SUPERSAMPLING, image_rng).colors
        colors[~_shown(cameras[c], mount.horizontal_fov_deg)] = 0
        (out / "images" / mount.name).mkdir(parents=True, exist_ok=True)
        write_image(out / f"images/{mount.name}/{m:04d}.png", exposed(colors, float(stops[c, m]), defects.blur_px))
    names = [mount.name for mount in drive.cameras]
    true = np.stack([lidar_from_camera(mount) for mount in drive.cameras])
    (out / "truth").mkdir()
    write_json(out / "truth/rig.json", _rig(names, cameras, true))
    stated = disturbed_poses(true, defects.pose_noise_deg, defects.pose_noise_m, stated_rng)
    write_json(out / "rig.json", _rig(names, cameras, stated))
    write_trajectory(out / "truth/trajectory.txt", Trajectory(times, motion.poses(times)))
    write_mesh(out / "truth/mesh.ply", tracer.mesh, comments=("units: m, z up",))
    summary = scene_summary(description, tracer.mesh, seed) | {"defects": dataclasses.asdict(defects)}
    write_json(out / "truth/scene.json", summary)


def _shown(camera: Camera, fov_deg: float) -> NDArray[np.bool_]:
    """[H, W] pixels inside the circle that the lens lights."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    rays = camera.rays(np.stack([columns.ravel(), rows.ravel()], 1))
    return np.asarray(rays[:, 2] > np.cos(np.deg2rad(fov_deg / 2))).reshape(camera.height, camera.width)


def _rig(names: list[str], cameras: list[Camera], T_vehicle_camera: NDArray[np.float64]) -> dict[str, object]:
    entries = [
        {"name": name, **camera_entry(camera), "T_vehicle_camera": T.tolist()}
        for name, camera, T in zip(names, cameras, T_vehicle_camera, strict=True)
    ]
    return {"frame": _FRAME, "cameras": entries}
