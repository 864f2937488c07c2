"""The stage `scene`: a generated scene as a dataset, with exact truth beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splatkit.calibration.board_scene import capture_boards, write_boards
from splatkit.calibration.quality.simulation import Rig
from splatkit.calibration.targets.target_notation import parse_target
from splatkit.calibration.views import SensorNoise
from splatkit.errors import SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert
from splatkit.io.atomic import atomic_directory
from splatkit.progress import Progress, no_progress, track
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.defects import Defects, LidarFaults
from splatkit.synthetic.description import SceneDescription, Walk, find_scene, read_scene
from splatkit.synthetic.drive.dataset import generate_drive
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.walk import lidar_from_camera
from splatkit.synthetic.walk_dataset import generate_walk

_BOARD = ("7x5:0.095", "0.85x0.61")  # as `splatkit calibrate run` takes them
_BOARD_SIZE_PX = (1280, 960)
_OF_A_LIDAR = ("extrinsic_deg", "extrinsic_m", "time_offset_s")  # defects


@dataclass(frozen=True)
class MadeScene:
    """What was rendered."""

    out: Path  # folder of the dataset
    name: str  # of the scene
    scans: int | None  # LiDAR turns; None for a scene that is not walked through


def make_scene(settings: SceneSettings, progress: Progress = no_progress) -> MadeScene:
    """Render into a temporary folder, then rename it.

    Args:
        settings: see there.
        progress: shows how far it is.

    Raises:
        FileNotFoundError: no such scene.
        SettingsError, ValueError: numbers out of their range, or defects of a scene that has none.
        FileExistsError: `out` exists and may not be overwritten.
    """
    description = read_scene(find_scene(settings.name))
    walk = description.walk
    _check_defects(description, settings)
    if settings.board_poses < 0 or (settings.board_poses and walk is None):
        raise SettingsError("--board-poses: expected 0 or more, and a walk, such as courtyard")
    if settings.panoramas < 0 or (settings.panoramas and walk is None):
        raise SettingsError("--panoramas: expected 0 or more, and a walk, such as courtyard")
    size = (settings.width, settings.height)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        if description.drive is not None:
            generate_drive(description, folder, *size, settings.views, settings.seed, settings.defects, progress)
        elif walk is None:
            generate_scene(description, folder, *size, settings.views, settings.seed, progress)
        else:
            counts = (settings.views, settings.scans, settings.seed)
            defects = (settings.faults, settings.defects)
            generate_walk(description, folder, *size, *counts, *defects, progress, settings.panoramas)
            _hold_boards(folder / "boards", walk, settings, progress)
    return MadeScene(settings.out, description.name, None if walk is None else settings.scans)


def _check_defects(description: SceneDescription, settings: SceneSettings) -> None:
    """SettingsError where the scene has nothing that could be wrong in such a way."""
    if description.walk is not None:
        return
    if settings.faults != LidarFaults() or (description.drive is None and settings.defects != Defects()):
        raise SettingsError(f"{description.name}: faults and defects need a walk, such as courtyard")
    lidar = {name: getattr(settings.defects, name) for name in _OF_A_LIDAR}
    if any(lidar.values()):
        given = ", ".join(f"--{name.replace('_', '-')}" for name, value in lidar.items() if value)
        raise SettingsError(
            f"{given}: {description.name} has no LiDAR; pose noise is that of its cameras on the vehicle"
        )


def _hold_boards(folder: Path, walk: Walk, settings: SceneSettings, progress: Progress) -> None:
    """A board before each camera, as the rig truly is, whatever is stated of it."""
    if settings.board_poses == 0:
        return
    target = parse_target(*_BOARD)
    width, height = _BOARD_SIZE_PX
    for number, mounted in enumerate(walk.cameras):
        focal = width / (2 * np.tan(np.deg2rad(mounted.horizontal_fov_deg) / 2))
        camera = Camera("brown_conrady", width, height, focal, focal, width / 2, height / 2, (0.0,) * 5)
        noise = SensorNoise(corner_px=0.3, range_m=LidarFaults().range_noise_m, outline_m=0.001)
        rig = Rig(camera, "32", invert(lidar_from_camera(mounted)), noise)
        captures = capture_boards(rig, target, settings.board_poses, seed=settings.seed + number)
        label = f"holding the board before {mounted.name}"
        write_boards(folder / mounted.name, rig, target, track(captures, label, progress, settings.board_poses))
