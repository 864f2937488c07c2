"""Equirectangular panoramas taken on a walk through a generated scene.

panoramas/          panorama_0000.png, ...: level with the rig, their middle straight ahead, evenly spread over the walk
truth/panoramas.json  T_world_camera and time of each; z toward the middle of the panorama, x right, y down
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.io.json_files import write_json
from splatkit.progress import Progress, track
from splatkit.synthetic.cameras import pinhole_by_view
from splatkit.synthetic.description import CameraMount, Walk
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion, lidar_from_camera

_SUPERSAMPLING = 3
_ABOVE_M = 0.25  # the LiDAR


@dataclass(frozen=True, eq=False)
class PanoramaCamera:
    """A camera that sees all around itself."""

    camera: Camera  # equirectangular
    T_world_camera: NDArray[np.float64]  # [4, 4]

    def rays(self, pixels: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Origins [N, 3] and unit directions [N, 3] in the world, of pixels [N, 2]."""
        directions = self.camera.rays(np.asarray(pixels, np.float64)) @ self.T_world_camera[:3, :3].T
        return np.broadcast_to(self.T_world_camera[:3, 3], directions.shape), directions


def panorama_lens(height: int) -> Camera:
    """Of a whole panorama, twice as wide as high, px."""
    scale = height / np.pi
    return Camera("equirectangular", 2 * height, height, scale, scale, float(height), height / 2)


def take_panoramas(
    out: Path,
    tracer: Tracer,
    motion: RigMotion,
    walk: Walk,
    width: int,
    count: int,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Write `count` panoramas into the folder `out` of a walk, as fine as its photographs are in their middle.

    Args:
        out: folder of the dataset.
        tracer: of the scene.
        motion: of the rig.
        walk: tells the photographs' field of view.
        width: of the photographs, px.
        count: how many.
        rng: of the jittered rays.
        progress: shows a bar.
    """
    if count == 0:
        return
    focal = pinhole_by_view(width, width, walk.cameras[0].horizontal_fov_deg).fx
    lens = panorama_lens(round(np.pi * focal))
    ahead = CameraMount(
        name="panorama", position=(0.0, 0.0, _ABOVE_M), yaw_deg=0.0, pitch_deg=0.0, horizontal_fov_deg=360.0
    )
    times = (np.arange(count) + 0.5) * motion.duration / count
    poses = motion.poses(times) @ lidar_from_camera(ahead)
    (out / "panoramas").mkdir()
    entries = []
    for index, (time, pose) in track(enumerate(zip(times, poses, strict=True)), "looking around", progress, count):
        name = f"panorama_{index:04d}.png"
        view = tracer.render(PanoramaCamera(lens, pose), _SUPERSAMPLING, rng)
        write_image(out / "panoramas" / name, view.colors)
        entries.append({"name": name, "time_s": float(time), "T_world_camera": pose.tolist()})
    write_json(out / "truth/panoramas.json", {"axes": "x right, y down, z forward", "images": entries})
