"""The stages of `calibrate`: folders of photographs and scans to a calibration, and what helps before and after it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from splatkit.calibration.board_scene import capture_boards, write_boards
from splatkit.calibration.calibrate import Calibration, calibrate_frames
from splatkit.calibration.calibration_file import board_of, calibration_record
from splatkit.calibration.exports import write_exports
from splatkit.calibration.frames import Frame
from splatkit.calibration.inputs import (
    FrameFiles,
    camera_names,
    examine_files,
    file_hashes,
    left_out_files,
    pair_files,
)
from splatkit.calibration.quality.advice import PoseAdvice, advise
from splatkit.calibration.quality.check import Checked, check_frames
from splatkit.calibration.quality.observability import JUDGED_M, certain_part, pixel_uncertainty
from splatkit.calibration.quality.simulation import Rig, draw_views, example_rig, likely_lidar, resized
from splatkit.calibration.settings import (
    AdviseSettings,
    BoardSceneSettings,
    BoardSettings,
    CalibrateSettings,
    CheckSettings,
    SimulateSettings,
)
from splatkit.calibration.solver.solve import ALL_KINDS, PLANE_ONLY, solve
from splatkit.calibration.targets.board_pdf import write_board
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.targets.target_notation import parse_target
from splatkit.calibration.views import SensorNoise
from splatkit.errors import CalibrationRefusedError, DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, is_rigid, twist_between
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.calibration_json import read_calibration
from splatkit.io.formats.camera_files import read_cameras
from splatkit.io.json_files import read_json, write_json
from splatkit.progress import Progress, no_progress, track

_ADVISED = 3  # poses in the report


@dataclass(frozen=True)
class Difference:
    """Between two extrinsics."""

    rotation_deg: float
    translation_m: float


@dataclass(frozen=True)
class CalibratedRig:
    """A calibration of folders, and what was made of it."""

    out: Path  # folder of the calibration
    calibration: Calibration
    names: list[str]  # of the cameras
    files: list[FrameFiles]
    advice: list[PoseAdvice]  # where to hold the board next
    against_init: Difference | None  # where there was a first guess
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        calibration = self.calibration
        covariance, camera = calibration.joint_covariances[0], calibration.solution.guess.cameras[0]
        part, worst = certain_part(covariance, camera), float(pixel_uncertainty(covariance, camera, JUDGED_M).max())
        where = f"to {worst:.1f} px (one standard deviation, worst place)"
        if worst > part.limit_px:
            where = f"to {part.limit_px:.0f} px or better (one standard deviation) in {100 * part.share:.0f} % of it"
        used, total = len(calibration.frames), len(calibration.verdicts)
        return f"{used} of {total} frames used; a LiDAR point {JUDGED_M:g} m away is drawn into the image {where}"


def calibrate(
    settings: CalibrateSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CalibratedRig], None] = lambda folder, calibrated: None,
) -> CalibratedRig:
    """Read, calibrate, write into a temporary folder, then rename it; of frames in memory see `calibrate_frames`.

    Args:
        settings: see there.
        progress: shows how far it is.
        report: may add files to the folder before it gets its name.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
        FileExistsError: `out` exists and may not be overwritten.
        CalibrationRefusedError: no result could be trusted.
    """
    target = parse_target(settings.board, settings.board_size)
    folders = list(settings.images)
    cameras = _intrinsics(settings, camera_names(folders))
    start = None if settings.init is None else _first_guess(settings.init)
    files, names = pair_files(folders, settings.clouds), camera_names(folders)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        frames = examine_files(files, target, settings.workers, progress)
        _check_sizes(frames, cameras)
        kinds = ALL_KINDS if settings.mode == "full" else PLANE_ONLY
        with threadpool_limits(limits=1):  # its matrices are small: threads would wait for each other
            found = calibrate_frames(frames, target, cameras, settings.camera_model, kinds, progress)
        left_out = left_out_files(files, folders, settings.clouds)
        record = calibration_record(found, names, file_hashes(files), left_out)
        write_json(folder / "calibration.json", record)
        guess = found.solution.guess
        write_exports(folder / "exports", names, guess.cameras, guess.T_camera_lidar)
        rig = Rig(guess.cameras[0], likely_lidar(frames[0].scan), found.solution.T_camera_lidar, found.noise)
        calibrated = CalibratedRig(
            out=settings.out,
            calibration=found,
            names=names,
            files=files,
            advice=advise(rig, target, found.covariance(), _ADVISED),
            against_init=None if start is None else _difference(start, found.solution.T_camera_lidar),
            warnings=(
                *(f"{path} is left out, {reason}" for path, reason in left_out.items()),
                *_frames_left_out(found),
                *found.warnings,
            ),
        )
        report(folder, calibrated)
    return calibrated


def _frames_left_out(found: Calibration) -> list[str]:
    named = [f"{verdict.name} ({verdict.left_out})" for verdict in found.verdicts if verdict.left_out]
    return [f"{len(named)} of {len(found.verdicts)} frames are left out: {', '.join(named)}"] if named else []


def _intrinsics(settings: CalibrateSettings, names: list[str]) -> tuple[Camera, ...] | None:
    """Of each camera, from a file each, or from chains: by the names of folders where all are in it, else in order."""
    found: list[tuple[str, Camera]] = []
    for path in settings.intrinsics:
        found += read_cameras(path, settings.camera_model).items()
    by_name = dict(found)
    if found and set(names) <= set(by_name):
        return tuple(by_name[name] for name in names)
    if found and len(found) != len(names):
        raise SettingsError(
            f"--intrinsics: of {len(found)} cameras for {len(names)} folders of images; give one for each"
        )
    return tuple(camera for _, camera in found) or None


def _check_sizes(frames: list[Frame], cameras: tuple[Camera, ...] | None) -> None:
    if cameras is None:
        return
    for frame in frames:
        for camera, size in zip(cameras, frame.sizes, strict=True):
            if size != (camera.width, camera.height):
                raise DatasetError(
                    f"image of {frame.name}: {size[0]} x {size[1]} px, the intrinsics are of {camera.width} x "
                    f"{camera.height} px"
                )


def _first_guess(path: Path) -> Array:
    record = read_json(path)
    try:
        value = record["cameras"][0]["T_camera_lidar"] if "cameras" in record else record["T_camera_lidar"]
        T = np.array(value, dtype=np.float64)
    except (KeyError, ValueError, TypeError, IndexError):
        raise DatasetError(f"{path}: expected JSON with T_camera_lidar, 4 x 4") from None
    if not is_rigid(T):
        raise DatasetError(f"{path}: T_camera_lidar is not a rigid 4 x 4 transform")
    return T


def _difference(start: Array, found: Array) -> Difference:
    twist = twist_between(start, found)
    degrees = float(np.degrees(np.linalg.norm(twist[:3])))
    return Difference(degrees, float(np.linalg.norm(found[:3, 3] - start[:3, 3])))


def check_calibration(settings: CheckSettings, progress: Progress = no_progress) -> Checked:
    """Hold a stored calibration against new frames; whether they agree is in the result.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
        CalibrationRefusedError: no frame shows the board to both sensors.
    """
    stored = read_calibration(settings.calibration)
    if len(stored.cameras) != len(settings.images):
        raise SettingsError(f"--images: {len(settings.images)} folders for {len(stored.cameras)} cameras of the file")
    target = board_of(stored, settings.calibration)
    files = pair_files(list(settings.images), settings.clouds)
    frames = examine_files(files, target, settings.workers, progress)
    _check_sizes(frames, stored.cameras)
    checked = check_frames(stored, target, frames)
    beside = left_out_files(files, list(settings.images), settings.clouds)
    reasons = [(path.name, f"left out: {reason}") for path, reason in beside.items()]
    return replace(checked, left_out=[*checked.left_out, *reasons])


@dataclass(frozen=True)
class ExpectedAccuracy:
    """Root mean square errors over trials with known truth."""

    solved: int  # of the trials; in the others poses were drawn nearly parallel
    rotation_deg: float
    translation_m: float


def simulate_calibration(settings: SimulateSettings) -> ExpectedAccuracy:
    """How well a rig would be calibrated.

    Raises:
        SettingsError: too few poses or trials, or no such board.
        CalibrationRefusedError: so few poses never determine the extrinsic.
    """
    if settings.poses < 3 or settings.trials < 1:
        given = f"{settings.poses} and {settings.trials}"
        raise SettingsError(f"--poses, --trials: at least 3 and 1, got {given}")
    target = parse_target(settings.board, settings.board_size)
    rig = example_rig(settings.lidar, SensorNoise(settings.corner_noise, settings.range_noise, 0.001))
    errors = []
    for seed in range(settings.trials):
        views, _ = draw_views(rig, target, settings.poses, np.random.default_rng(seed))
        try:
            found = solve(views, target, rig.camera, rig.noise)
        except CalibrationRefusedError:
            continue
        errors.append(twist_between(found.T_camera_lidar, rig.T_camera_lidar))
    if not errors:
        raise CalibrationRefusedError(f"{settings.poses} poses never determined the extrinsic: take more")
    square = np.square(errors)
    degrees, meters = np.degrees(np.sqrt(square[:, :3].sum(1).mean())), np.sqrt(square[:, 3:].sum(1).mean())
    return ExpectedAccuracy(len(errors), float(degrees), float(meters))


@dataclass(frozen=True)
class BoardScene:
    """What was generated."""

    target: BoardTarget
    poses: int


def make_board_scene(settings: BoardSceneSettings, progress: Progress = no_progress) -> BoardScene:
    """Photographs and scans of boards in a generated hall, into a temporary folder, then rename it.

    Raises:
        SettingsError: no such board, no pose, or images too small to show it.
        FileExistsError: `out` exists and may not be overwritten.
    """
    if settings.poses < 1 or settings.width < 160:
        raise SettingsError(f"--poses, --width: at least 1 and 160, got {settings.poses} and {settings.width}")
    target = parse_target(settings.board, settings.board_size)
    rig = resized(example_rig(settings.lidar), settings.width)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        captures = capture_boards(rig, target, settings.poses, settings.seed)
        count = write_boards(folder, rig, target, track(captures, "rendering", progress, settings.poses))
    return BoardScene(target, count)


def advise_poses(settings: AdviseSettings) -> list[PoseAdvice]:
    """Where to hold the board next, best first, by what a stored calibration leaves open.

    Raises:
        FileNotFoundError, DatasetError: no such calibration, or damaged.
    """
    stored = read_calibration(settings.calibration)
    target = board_of(stored, settings.calibration)
    rig = Rig(stored.cameras[0], settings.lidar, stored.T_camera_lidar[0], SensorNoise(**stored.noise))
    return advise(rig, target, stored.joint_covariances[0][:6, :6], settings.count)


def draw_board(settings: BoardSettings) -> BoardTarget:
    """Write the board as a PDF, true to scale; returns what was drawn."""
    target = parse_target(settings.board, settings.board_size)
    write_board(settings.out, target)
    return target
