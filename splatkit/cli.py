"""The `splatkit` command.

Exit codes: 0 done, 2 bad input (one line says what), 3 no trustworthy result (one line says why), 130 interrupted.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import tyro

import splatkit
from splatkit.calibration.settings import (
    AdviseSettings,
    BoardSceneSettings,
    BoardSettings,
    CalibrateSettings,
    CheckSettings,
    SimulateSettings,
)
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.commands.calibrate import (
    Calibrate,
    run_advise,
    run_board,
    run_board_scene,
    run_calibrate,
    run_check,
    run_simulate,
)
from splatkit.commands.capture import (
    Capture,
    run_capture_images,
    run_capture_lidar,
    run_capture_static,
    run_capture_stereo,
)
from splatkit.commands.doctor import Doctor, run_doctor
from splatkit.commands.export import Export, run_export_colmap, run_export_mesh, run_export_points, run_export_splats
from splatkit.commands.run import RunPipeline, run_pipeline
from splatkit.commands.scene import run_scene
from splatkit.commands.view import View, run_view
from splatkit.errors import RefusedError, SplatkitError
from splatkit.export.settings import (
    ExportColmapSettings,
    ExportMeshSettings,
    ExportPointsSettings,
    ExportSplatsSettings,
)
from splatkit.synthetic.settings import SceneSettings

EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130

Command = (
    Annotated[Doctor, tyro.conf.subcommand("doctor", prefix_name=False)]
    | Annotated[SceneSettings, tyro.conf.subcommand("scene", prefix_name=False)]
    | Annotated[Calibrate, tyro.conf.subcommand("calibrate", prefix_name=False)]
    | Annotated[Capture, tyro.conf.subcommand("capture", prefix_name=False)]
    | Annotated[Export, tyro.conf.subcommand("export", prefix_name=False)]
    | Annotated[RunPipeline, tyro.conf.subcommand("run", prefix_name=False)]
    | Annotated[View, tyro.conf.subcommand("view", prefix_name=False)]
)

# what the command line says, and what runs it
COMMANDS: dict[type, Callable[[Any], None]] = {
    Doctor: run_doctor,
    SceneSettings: run_scene,
    CalibrateSettings: run_calibrate,
    CheckSettings: run_check,
    SimulateSettings: run_simulate,
    BoardSceneSettings: run_board_scene,
    AdviseSettings: run_advise,
    BoardSettings: run_board,
    CaptureImagesSettings: run_capture_images,
    CaptureLidarSettings: run_capture_lidar,
    CaptureStaticSettings: run_capture_static,
    CaptureStereoSettings: run_capture_stereo,
    ExportMeshSettings: run_export_mesh,
    ExportSplatsSettings: run_export_splats,
    ExportPointsSettings: run_export_points,
    ExportColmapSettings: run_export_colmap,
    RunPipeline: run_pipeline,
    View: run_view,
}


def parse_command(arguments: list[str]) -> Any:
    """What to do, as a key of `COMMANDS` has it; ends the process where the words make no sense."""
    command: Any = tyro.cli(
        Command,
        prog="splatkit",
        description=splatkit.__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    return command.what if isinstance(command, Calibrate | Capture | Export) else command


def main(arguments: list[str] | None = None) -> int:
    """Run the command of `arguments` (default: of this process); returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(splatkit.__version__)
        return 0
    settings = parse_command(arguments)
    try:
        COMMANDS[type(settings)](settings)
    except RefusedError as error:
        print(f"splatkit: {_one_line(error)}", file=sys.stderr)
        return EXIT_REFUSED
    except (SplatkitError, OSError, ValueError, MemoryError) as error:
        print(f"splatkit: {_one_line(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except ImportError as error:  # a library of the system that a package needs, as libusb for Open3D
        print(f"splatkit: {_one_line(error)}; `splatkit doctor` shows what is missing", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("splatkit: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _one_line(error: Exception) -> str:
    """An error's message without line breaks, and without the number that the system's errors start with."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(message.split())


if __name__ == "__main__":
    sys.exit(main())
