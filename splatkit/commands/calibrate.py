"""`splatkit calibrate`: run, check, simulate, scene, advise, board, surround, walk."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.calibration.settings import (
    AdviseSettings,
    BoardSceneSettings,
    BoardSettings,
    CalibrateSettings,
    CheckSettings,
    SimulateSettings,
    SurroundSettings,
    WalkSettings,
)
from splatkit.commands.terminal import print_warnings, say, show_progress
from splatkit.errors import CalibrationRefusedError


@dataclass(frozen=True)
class Calibrate:
    """Calibrate LiDAR and cameras with a board or from a walk, or cameras around a vehicle by the ground."""

    what: (
        Annotated[CalibrateSettings, tyro.conf.subcommand("run", prefix_name=False)]
        | Annotated[CheckSettings, tyro.conf.subcommand("check", prefix_name=False)]
        | Annotated[SimulateSettings, tyro.conf.subcommand("simulate", prefix_name=False)]
        | Annotated[BoardSceneSettings, tyro.conf.subcommand("scene", prefix_name=False)]
        | Annotated[AdviseSettings, tyro.conf.subcommand("advise", prefix_name=False)]
        | Annotated[BoardSettings, tyro.conf.subcommand("board", prefix_name=False)]
        | Annotated[SurroundSettings, tyro.conf.subcommand("surround", prefix_name=False)]
        | Annotated[WalkSettings, tyro.conf.subcommand("walk", prefix_name=False)]
    )


def run_calibrate(settings: CalibrateSettings) -> None:
    """Calibrate, with a report; say how good it is."""
    from splatkit.calibration.stage import calibrate
    from splatkit.pages.calibration import write_calibration_report

    calibrated = calibrate(settings, show_progress, write_calibration_report)
    print_warnings(calibrated.warnings)
    if calibrated.against_init is not None:
        off = calibrated.against_init
        say(f"against --init: {off.rotation_deg:.2f} degrees and {1e3 * off.translation_m:.0f} mm")
    say(f"{settings.out}: {calibrated.verdict()}")


def run_check(settings: CheckSettings) -> None:
    """Print each frame's errors and a verdict."""
    from splatkit.calibration.stage import check_calibration

    checked = check_calibration(settings, show_progress)
    for item in checked.frames:
        say(f"{item.name:20} center {1e3 * item.center_m:6.1f} mm {item.center_px:6.1f} px")
    for name, reason in checked.left_out:
        say(f"{name:20} {reason}")
    say(f"median {1e3 * checked.center_m:.1f} mm, {checked.center_px:.1f} px over {len(checked.frames)} frames")
    if not checked.holds:
        raise CalibrationRefusedError(
            f"{settings.calibration}: the frames contradict it (at most {1e3 * checked.allowed_m:.0f} mm expected): "
            "did camera or LiDAR move, or do images and scans not belong together?"
        )


def run_simulate(settings: SimulateSettings) -> None:
    """Print root mean square errors."""
    from splatkit.calibration.stage import simulate_calibration

    found = simulate_calibration(settings)
    trials = f"{found.solved} of {settings.trials} trials"
    errors = f"{found.rotation_deg:.3f} degrees, {1e3 * found.translation_m:.1f} mm"
    say(f"{trials}, root mean square: {errors}")


def run_board_scene(settings: BoardSceneSettings) -> None:
    """Generate photographs and scans; say what of."""
    from splatkit.calibration.stage import make_board_scene

    made = make_board_scene(settings, show_progress)
    plate = f"{made.target.width:g}x{made.target.height:g} m"
    say(f"{settings.out}: {made.poses} poses of a board {settings.board} of {plate}, {settings.lidar} lasers")


def run_advise(settings: AdviseSettings) -> None:
    """Print poses, best first."""
    from splatkit.calibration.stage import advise_poses

    for item in advise_poses(settings):
        say(f"{item.words}: then {item.rotation_deg:.3f} degrees, {1e3 * item.translation_m:.1f} mm")


def run_board(settings: BoardSettings) -> None:
    """Write the PDF; say how to print it."""
    from splatkit.calibration.stage import draw_board

    target = draw_board(settings)
    say(f"{settings.out}: {target.width:g} x {target.height:g} m; print at 100 %")


def run_surround(settings: SurroundSettings) -> None:
    """Calibrate cameras around a vehicle, with a report; say how good it is."""
    from splatkit.calibration.surround.stage import calibrate_surround
    from splatkit.pages.surround import write_surround_report

    calibrated = calibrate_surround(settings, show_progress, write_surround_report)
    print_warnings(calibrated.warnings)
    say(f"{settings.out}: {calibrated.verdict()}")


def run_walk(settings: WalkSettings) -> None:
    """Calibrate LiDAR and cameras from a walk, with a report; say how good it is."""
    from splatkit.calibration.walk.stage import calibrate_walk
    from splatkit.pages.walk import write_walk_report

    calibrated = calibrate_walk(settings, show_progress, write_walk_report)
    print_warnings(calibrated.warnings)
    say(f"{settings.out}: {calibrated.verdict()}")
