"""The `splatkit` command.

Exit codes: 0 done, 2 bad input (one line says what), 3 no trustworthy result (one line says why), 130 interrupted.
"""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

import splatkit
from splatkit.commands.calibrate import Calibrate
from splatkit.commands.capture import Capture
from splatkit.commands.export import Export
from splatkit.commands.run import RunPipeline
from splatkit.commands.scene import Scene
from splatkit.errors import RefusedError, SplatkitError

EXIT_BAD_INPUT = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Doctor:
    """Say what of the toolkit works on this machine and what is missing."""

    def run(self) -> None:
        """Print one line for each finding."""
        from splatkit.doctor import report

        for name, finding in report():
            print(f"{name:12} {finding}")


Command = (
    Annotated[Doctor, tyro.conf.subcommand("doctor", prefix_name=False)]
    | Annotated[Scene, tyro.conf.subcommand("scene", prefix_name=False)]
    | Annotated[Calibrate, tyro.conf.subcommand("calibrate", prefix_name=False)]
    | Annotated[Capture, tyro.conf.subcommand("capture", prefix_name=False)]
    | Annotated[Export, tyro.conf.subcommand("export", prefix_name=False)]
    | Annotated[RunPipeline, tyro.conf.subcommand("run", prefix_name=False)]
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command of `arguments` (default: of this process); returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(splatkit.__version__)
        return 0
    command: Doctor | Scene | Calibrate | Capture | Export | RunPipeline = tyro.cli(
        Command,
        prog="splatkit",
        description=splatkit.__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    try:
        command.run()
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
