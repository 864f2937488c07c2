"""`splatkit calibrate`: run, check, simulate, scene, advise, board."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from splatkit.commands.progress import show_progress
from splatkit.errors import CalibrationRefusedError, DatasetError, SettingsError
from splatkit.progress import track

if TYPE_CHECKING:  # the command's other parts should start without these
    from splatkit.calibration.camera import Camera
    from splatkit.calibration.frames import Frame


@dataclass(frozen=True)
class Run:
    """Find where a LiDAR sits on one camera or on several, from photographs and scans of a board.

    Writes calibration.json, report.html and the extrinsic in the notations of other tools. Exit code 3 says that no
    result could be trusted, and why.
    """

    images: tuple[Path, ...]
    """Folder of photographs; one folder for each camera."""
    clouds: Path
    """Folder of scans, one for each photograph: of the same name, or else in the same order."""
    board: str
    """In meters: 7x5:0.095 (chessboard: inner corners, square), charuco:8x6:0.095:0.07 (squares, square, marker; then
    :5x5_100 or other markers), aprilgrid:6x6:0.08:0.3 (tags, tag, space over tag), or a target YAML of Kalibr."""
    out: Path = Path("calibration")
    """Folder to make."""
    board_size: str | None = None
    """Size of the plate in meters, as 0.85x0.61; without it the plate ends where the pattern does."""
    intrinsics: tuple[Path, ...] = ()
    """YAML or JSON of each camera (ROS camera_info, OpenCV, or K, D, width, height); without it they are found too."""
    camera_model: Literal["pinhole", "fisheye"] = "pinhole"
    """Of the lenses, where no file says it."""
    init: Path | None = None
    """A calibration.json, or JSON with T_camera_lidar, to compare with; the search needs no first guess."""
    mode: Literal["full", "plane"] = "full"
    """plane: co-planarity alone, as published; full: the plate's outline too."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Frames examined at a time."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Read, calibrate, write into a temporary folder, then rename it."""
        from threadpoolctl import threadpool_limits

        from splatkit.calibration.calibrate import calibrate_frames
        from splatkit.calibration.calibration_file import calibration_record, write_json
        from splatkit.calibration.exports import write_exports
        from splatkit.calibration.inputs import examine_files, file_hashes, pair_files, without_partner
        from splatkit.calibration.intrinsics import read_intrinsics
        from splatkit.calibration.quality.advice import advise
        from splatkit.calibration.quality.simulation import Rig, likely_lidar
        from splatkit.calibration.solver.solve import ALL_KINDS, PLANE_ONLY
        from splatkit.calibration.targets.target_notation import parse_target
        from splatkit.io.atomic import atomic_directory
        from splatkit.pages.calibration import calibration_report, image_names, verdict

        target = parse_target(self.board, self.board_size)
        cameras = tuple(read_intrinsics(path, self.camera_model) for path in self.intrinsics) or None
        if cameras is not None and len(cameras) != len(self.images):
            raise SettingsError(f"--intrinsics: {len(cameras)} files for {len(self.images)} cameras; give one for each")
        start = None if self.init is None else _first_guess(self.init)
        files = pair_files(list(self.images), self.clouds)
        for path in without_partner(files, list(self.images), self.clouds):
            print(f"mind: {path} is left out, it has no partner of the same name")
        names = image_names(list(self.images))
        with atomic_directory(self.out, self.overwrite) as folder:
            frames = examine_files(files, target, self.workers, show_progress)
            _check_sizes(frames, cameras)
            kinds = ALL_KINDS if self.mode == "full" else PLANE_ONLY
            with threadpool_limits(limits=1):  # its matrices are small: threads would wait for each other
                done = calibrate_frames(frames, target, cameras, self.camera_model, kinds, show_progress)
            record = calibration_record(done, names, file_hashes(files))
            write_json(folder / "calibration.json", record)
            solution = done.solution
            write_exports(folder / "exports", names, solution.guess.cameras, solution.guess.T_camera_lidar)
            lidar = likely_lidar(frames[0].scan)
            rig = Rig(solution.guess.cameras[0], lidar, solution.T_camera_lidar, done.noise)
            advice = advise(rig, target, done.covariance(), count=3)
            page = calibration_report(done, names, files, advice).render()
            (folder / "report.html").write_text(page, encoding="utf-8")
        for warning in done.warnings:
            print(f"mind: {warning}")
        if start is not None:
            print(_compared(start, solution.T_camera_lidar))
        print(f"{self.out}: {verdict(done)}")


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


def _first_guess(path: Path) -> np.ndarray:
    import json

    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        value = record["cameras"][0]["T_camera_lidar"] if "cameras" in record else record["T_camera_lidar"]
        T = np.array(value, dtype=np.float64)
    except (KeyError, ValueError, TypeError, IndexError):
        raise DatasetError(f"{path}: expected JSON with T_camera_lidar, 4 x 4") from None
    if T.shape != (4, 4) or not np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3):
        raise DatasetError(f"{path}: T_camera_lidar is no rigid transform of 4 x 4")
    return T


def _compared(start: np.ndarray, found: np.ndarray) -> str:
    from splatkit.geometry.se3 import twist_between

    twist = twist_between(start, found)
    degrees, millimeters = np.degrees(np.linalg.norm(twist[:3])), 1e3 * np.linalg.norm(found[:3, 3] - start[:3, 3])
    return f"against --init: {degrees:.2f} degrees and {millimeters:.0f} mm"


@dataclass(frozen=True)
class Check:
    """Hold a calibration against new frames of the board; exit code 3 where they contradict it."""

    calibration: Path
    """calibration.json."""
    images: tuple[Path, ...]
    """Folder of photographs of each camera."""
    clouds: Path
    """Folder of scans."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Frames examined at a time."""

    def run(self) -> None:
        """Print each frame's errors and a verdict."""
        from splatkit.calibration.calibration_file import read_calibration
        from splatkit.calibration.inputs import examine_files, pair_files
        from splatkit.calibration.quality.check import check_frames

        stored = read_calibration(self.calibration)
        if len(stored.cameras) != len(self.images):
            raise SettingsError(f"--images: {len(self.images)} folders for {len(stored.cameras)} cameras of the file")
        frames = examine_files(pair_files(list(self.images), self.clouds), stored.target, self.workers, show_progress)
        _check_sizes(frames, stored.cameras)
        checked = check_frames(stored, frames)
        for item in checked.frames:
            print(f"{item.name:20} center {1e3 * item.center_m:6.1f} mm {item.center_px:6.1f} px")
        for name, reason in checked.left_out:
            print(f"{name:20} {reason}")
        print(f"median {1e3 * checked.center_m:.1f} mm, {checked.center_px:.1f} px over {len(checked.frames)} frames")
        if not checked.holds:
            raise CalibrationRefusedError(
                f"{self.calibration}: the frames contradict it (at most {1e3 * checked.allowed_m:.0f} mm expected): "
                "did camera or LiDAR move, or do images and scans not belong together?"
            )


@dataclass(frozen=True)
class Simulate:
    """Say how well a rig would be calibrated, by trials with known truth."""

    board: str = "7x5:0.095"
    """As of `run`."""
    board_size: str | None = "0.85x0.61"
    """Size of the plate in meters."""
    lidar: Literal["16", "32", "64", "solid"] = "32"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    poses: int = 20
    """Of the board."""
    trials: int = 20
    """Sets of poses."""
    range_noise: float = 0.02
    """Standard deviation of ranges, m."""
    corner_noise: float = 0.3
    """Standard deviation of corners, px."""

    def run(self) -> None:
        """Print root mean square errors."""
        from splatkit.calibration.quality.simulation import draw_views, example_rig
        from splatkit.calibration.solver.solve import solve
        from splatkit.calibration.targets.target_notation import parse_target
        from splatkit.calibration.views import SensorNoise
        from splatkit.geometry.se3 import twist_between

        if self.poses < 3 or self.trials < 1:
            raise SettingsError(f"--poses, --trials: at least 3 and 1, got {self.poses} and {self.trials}")
        target = parse_target(self.board, self.board_size)
        rig = example_rig(self.lidar, SensorNoise(self.corner_noise, self.range_noise, 0.001))
        errors = []
        for seed in range(self.trials):
            views, _ = draw_views(rig, target, self.poses, np.random.default_rng(seed))
            try:
                found = solve(views, target, rig.camera, rig.noise)
            except CalibrationRefusedError:
                continue  # poses drawn nearly parallel
            errors.append(twist_between(found.T_camera_lidar, rig.T_camera_lidar))
        if not errors:
            raise CalibrationRefusedError(f"{self.poses} poses never determined the extrinsic: take more")
        square = np.square(errors)
        degrees, meters = np.degrees(np.sqrt(square[:, :3].sum(1).mean())), np.sqrt(square[:, 3:].sum(1).mean())
        print(f"{len(errors)} of {self.trials} trials, root mean square: {degrees:.3f} degrees, {1e3 * meters:.1f} mm")


@dataclass(frozen=True)
class Scene:
    """Make photographs and scans of boards in a generated hall, with exact truth beside them."""

    out: Path
    """Folder to make."""
    lidar: Literal["16", "32", "64", "solid"] = "32"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    poses: int = 20
    """Of the board."""
    width: int = 1280
    """Of the photographs, px."""
    seed: int = 0
    """Of poses, noise and the LiDAR's faults."""
    board: str = "7x5:0.095"
    """As of `run`."""
    board_size: str | None = "0.85x0.61"
    """Size of the plate in meters."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Render into a temporary folder, then rename it."""
        from splatkit.calibration.quality.simulation import example_rig, resized
        from splatkit.calibration.targets.board_scene import capture_boards, write_boards
        from splatkit.calibration.targets.target_notation import parse_target
        from splatkit.io.atomic import atomic_directory

        if self.poses < 1 or self.width < 160:
            raise SettingsError(f"--poses, --width: at least 1 and 160, got {self.poses} and {self.width}")
        target = parse_target(self.board, self.board_size)
        rig = resized(example_rig(self.lidar), self.width)
        with atomic_directory(self.out, self.overwrite) as folder:
            captures = track(capture_boards(rig, target, self.poses, self.seed), "rendering", show_progress, self.poses)
            count = write_boards(folder, rig, target, captures)
        plate = f"{target.width:g}x{target.height:g} m"
        print(f"{self.out}: {count} poses of a board {self.board} of {plate}, {self.lidar} lasers")


@dataclass(frozen=True)
class Advise:
    """Say where to hold the board next."""

    calibration: Path
    """calibration.json as far as one got."""
    lidar: Literal["16", "32", "64", "solid"] = "16"
    """Number of lasers of a spinning LiDAR, or a solid-state one."""
    count: int = 5
    """Poses."""

    def run(self) -> None:
        """Print poses, best first."""
        from splatkit.calibration.calibration_file import read_calibration
        from splatkit.calibration.quality.advice import advise
        from splatkit.calibration.quality.simulation import Rig
        from splatkit.calibration.views import SensorNoise

        stored = read_calibration(self.calibration)
        rig = Rig(stored.cameras[0], self.lidar, stored.T_camera_lidar[0], SensorNoise(**stored.noise))
        for item in advise(rig, stored.target, stored.joint_covariances[0][:6, :6], self.count):
            print(f"{item.words}: then {item.rotation_deg:.3f} degrees, {1e3 * item.translation_m:.1f} mm")


@dataclass(frozen=True)
class Board:
    """Write the board as a PDF, true to scale."""

    board: str
    """In meters: 7x5:0.095 (chessboard: inner corners, square), charuco:8x6:0.095:0.07 (squares, square, marker; then
    :5x5_100 or other markers), aprilgrid:6x6:0.08:0.3 (tags, tag, space over tag), or a target YAML of Kalibr."""
    out: Path
    """File to write, ending in .pdf."""
    board_size: str | None = None
    """Size of the plate in meters."""

    def run(self) -> None:
        """Write under a temporary name, then rename."""
        from splatkit.calibration.targets.board_pdf import write_board
        from splatkit.calibration.targets.target_notation import parse_target

        target = parse_target(self.board, self.board_size)
        write_board(self.out, target)
        print(f"{self.out}: {target.width:g} x {target.height:g} m; print at 100 %")


@dataclass(frozen=True)
class Calibrate:
    """Calibrate LiDAR and cameras against each other with a board that all see."""

    what: (
        Annotated[Run, tyro.conf.subcommand("run", prefix_name=False)]
        | Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
        | Annotated[Simulate, tyro.conf.subcommand("simulate", prefix_name=False)]
        | Annotated[Scene, tyro.conf.subcommand("scene", prefix_name=False)]
        | Annotated[Advise, tyro.conf.subcommand("advise", prefix_name=False)]
        | Annotated[Board, tyro.conf.subcommand("board", prefix_name=False)]
    )

    def run(self) -> None:
        """Run what was asked for."""
        self.what.run()
