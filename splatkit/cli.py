"""The `splatkit` command.

Exit codes: 0 done, 2 bad input (one line says what), 3 no trustworthy result (one line says why), 130 interrupted.
"""

import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

import splatkit
from splatkit.blocks.settings import MergeBlocksSettings, PlanBlocksSettings, TrainBlocksSettings
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
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.commands.blocks import Blocks, run_merge_blocks, run_plan_blocks, run_train_blocks
from splatkit.commands.calibrate import (
    Calibrate,
    run_advise,
    run_board,
    run_board_scene,
    run_calibrate,
    run_check,
    run_simulate,
    run_surround,
    run_walk,
)
from splatkit.commands.capture import (
    Capture,
    run_capture_images,
    run_capture_lidar,
    run_capture_recording,
    run_capture_static,
    run_capture_stereo,
)
from splatkit.commands.convert import run_convert
from splatkit.commands.doctor import Doctor, run_doctor
from splatkit.commands.export import Export, run_export_colmap, run_export_mesh, run_export_points, run_export_splats
from splatkit.commands.run import RunPipeline, run_pipeline
from splatkit.commands.scene import run_scene
from splatkit.commands.view import View, run_view
from splatkit.errors import RefusedError, SettingsError, SplatkitError
from splatkit.export.settings import (
    ConvertSettings,
    ExportColmapSettings,
    ExportMeshSettings,
    ExportPointsSettings,
    ExportSplatsSettings,
)
from splatkit.memory import peak_memory_mb
from splatkit.messages import LOGGER, MessageSettings, open_messages
from splatkit.synthetic.settings import SceneSettings

ABOUT = """Turn photographs and LiDAR scans into metric, textured meshes: capture, optimize, export.

From photographs to a mesh, without training:

splatkit capture images --images PHOTOGRAPHS --out DATASET

splatkit export mesh --dataset DATASET --out MESH

splatkit view MESH/mesh.glb

Between the first two, `ns-train ges --data DATASET` trains splats; `splatkit export ... --load-config` exports what it
trained. `splatkit run FILE.toml` runs a whole pipeline, `splatkit doctor` says what this machine lacks, and `splatkit
COMMAND --help` lists the options of a command."""

EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130

Command = (
    Annotated[Doctor, tyro.conf.subcommand("doctor", prefix_name=False)]
    | Annotated[SceneSettings, tyro.conf.subcommand("scene", prefix_name=False)]
    | Annotated[Calibrate, tyro.conf.subcommand("calibrate", prefix_name=False)]
    | Annotated[Capture, tyro.conf.subcommand("capture", prefix_name=False)]
    | Annotated[Blocks, tyro.conf.subcommand("blocks", prefix_name=False)]
    | Annotated[Export, tyro.conf.subcommand("export", prefix_name=False)]
    | Annotated[ConvertSettings, tyro.conf.subcommand("convert", prefix_name=False)]
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
    SurroundSettings: run_surround,
    WalkSettings: run_walk,
    CaptureRecordingSettings: run_capture_recording,
    CaptureImagesSettings: run_capture_images,
    CaptureLidarSettings: run_capture_lidar,
    CaptureStaticSettings: run_capture_static,
    CaptureStereoSettings: run_capture_stereo,
    PlanBlocksSettings: run_plan_blocks,
    TrainBlocksSettings: run_train_blocks,
    MergeBlocksSettings: run_merge_blocks,
    ExportMeshSettings: run_export_mesh,
    ExportSplatsSettings: run_export_splats,
    ExportPointsSettings: run_export_points,
    ExportColmapSettings: run_export_colmap,
    ConvertSettings: run_convert,
    RunPipeline: run_pipeline,
    View: run_view,
}


@dataclass(frozen=True)
class CommandLine:
    """What to do, and how much to say about it."""

    what: Command
    messages: MessageSettings


def parse_command(arguments: list[str]) -> tuple[Any, MessageSettings]:
    """What to do, as a key of `COMMANDS` has it, and how loud; ends the process where the words make no sense."""
    line = tyro.cli(
        CommandLine,
        prog="splatkit",
        description=ABOUT,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs),
    )
    what = line.what.what if isinstance(line.what, Calibrate | Capture | Blocks | Export) else line.what
    return what, line.messages


def main(arguments: list[str] | None = None) -> int:
    """Run the command of `arguments` (default: of this process); returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(splatkit.__version__)
        return 0
    try:
        settings, messages = parse_command(arguments)
    except BrokenPipeError:  # the help, read by a pager that was left, or by `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more as it ends
        return 0
    try:
        _run(settings, messages, arguments)
    except RefusedError as error:
        return _end(_one_line(error), EXIT_REFUSED, messages)
    except (SplatkitError, OSError, ValueError, MemoryError) as error:
        return _end(_one_line(error), EXIT_BAD_INPUT, messages)
    except ImportError as error:  # a library of the system that a package needs, as libusb for Open3D
        return _end(f"{_one_line(error)}; `splatkit doctor` shows what is missing", EXIT_BAD_INPUT, messages)
    except KeyboardInterrupt:
        return _end("interrupted", EXIT_INTERRUPTED, messages)
    return 0


def _run(settings: Any, messages: MessageSettings, arguments: list[str]) -> None:
    _keep_log(settings, messages.log)
    with open_messages(messages):
        started = time.perf_counter()
        LOGGER.info("splatkit %s: %s", splatkit.__version__, shlex.join(arguments))
        COMMANDS[type(settings)](settings)
        took = time.perf_counter() - started
        LOGGER.info("done in %.1f s, %.2f GB of memory at most", took, peak_memory_mb() / 1000)


def _keep_log(settings: Any, log: Path | None) -> None:
    """Refuse a log file in a folder that the command replaces as a whole."""
    out = getattr(settings, "out", None)
    if log is None or out is None or isinstance(settings, RunPipeline):
        return
    if out.resolve() in (log.resolve(), *log.resolve().parents):
        raise SettingsError(f"log: {log} would be replaced together with {out}; name a file elsewhere")


def _end(message: str, code: int, messages: MessageSettings) -> int:
    """Say why the command ended; returns the code."""
    if messages.verbose:
        traceback.print_exc()
    print(f"splatkit: {message}", file=sys.stderr)
    return code


def _one_line(error: Exception) -> str:
    """An error's message without line breaks, and without the number that the system's errors start with."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(message.split())


if __name__ == "__main__":
    sys.exit(main())
