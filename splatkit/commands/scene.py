"""`splatkit scene`: generated scenes as datasets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from splatkit.commands.progress import show_progress
from splatkit.progress import track
from splatkit.synthetic.defects import Defects, LidarFaults

if TYPE_CHECKING:
    from splatkit.synthetic.description import Walk

_BOARD = ("7x5:0.095", "0.85x0.61")  # as `splatkit calibrate run` takes them
_BOARD_SIZE_PX = (1280, 960)


@dataclass(frozen=True)
class Scene:
    """Render a generated scene as a nerfstudio dataset, with exact depth and mesh beside it.

    Scenes that are walked through (courtyard) come with LiDAR scans, and with defects if they are asked for.
    """

    name: tyro.conf.Positional[str]
    """A scene that comes with the package (studio, pebbles, courtyard), or a .toml file."""
    out: Path
    """Folder to make."""
    width: int = 320
    """Of the images, px."""
    height: int = 240
    """Of the images, px."""
    views: int = 48
    """Number of images; every 8th (of a rig every 8th moment) is held out for testing."""
    scans: int = 40
    """Number of LiDAR turns on a walk."""
    board_poses: int = 0
    """Of a calibration board, held before each camera of the rig that is walked: photographs and scans in boards/."""
    seed: int = 0
    """Of everything random."""
    overwrite: bool = False
    """Replace an existing folder."""
    faults: LidarFaults = field(default_factory=LidarFaults)
    defects: Defects = field(default_factory=Defects)

    def run(self) -> None:
        """Render into a temporary folder, then rename it."""
        from splatkit.io.atomic import atomic_directory
        from splatkit.synthetic.dataset import generate_scene
        from splatkit.synthetic.description import find_scene, read_scene
        from splatkit.synthetic.walk_dataset import generate_walk

        description = read_scene(find_scene(self.name))
        if description.walk is None and (self.defects, self.faults) != (Defects(), LidarFaults()):
            raise ValueError(
                f"{description.name}: faults and defects need a scene that is walked through, as courtyard"
            )
        if self.board_poses < 0 or (self.board_poses and description.walk is None):
            raise ValueError("--board-poses: expected a number from 0, and a scene that is walked through")
        with atomic_directory(self.out, self.overwrite) as folder:
            size = (self.width, self.height)
            if description.walk is None:
                generate_scene(description, folder, *size, self.views, self.seed)
            else:
                counts = (self.views, self.scans, self.seed)
                generate_walk(description, folder, *size, *counts, self.faults, self.defects, progress=show_progress)
                if self.board_poses:
                    _hold_boards(folder / "boards", description.walk, self.board_poses, self.seed)
        scans = "" if description.walk is None else f", LiDAR turns: {self.scans}"
        print(f"{self.out}: {self.views} views of {description.name}, {self.width}x{self.height}{scans}")


def _hold_boards(folder: Path, walk: Walk, poses: int, seed: int) -> None:
    """A board before each camera, as the rig truly is, whatever is stated of it."""
    import numpy as np

    from splatkit.calibration.camera import Camera
    from splatkit.calibration.quality.simulation import Rig
    from splatkit.calibration.targets.board_scene import capture_boards, write_boards
    from splatkit.calibration.targets.target_notation import parse_target
    from splatkit.calibration.views import SensorNoise
    from splatkit.synthetic.walk import lidar_from_camera

    target = parse_target(*_BOARD)
    width, height = _BOARD_SIZE_PX
    for number, mounted in enumerate(walk.cameras):
        focal = width / (2 * np.tan(np.deg2rad(mounted.horizontal_fov_deg) / 2))
        K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
        camera = Camera(K, np.zeros(5), width, height)
        noise = SensorNoise(corner_px=0.3, range_m=LidarFaults().range_noise_m, outline_m=0.001)
        rig = Rig(camera, "32", np.linalg.inv(lidar_from_camera(mounted)), noise)
        captures = capture_boards(rig, target, poses, seed=seed + number)
        label = f"holding the board before {mounted.name}"
        write_boards(folder / mounted.name, rig, target, track(captures, label, show_progress, poses))
