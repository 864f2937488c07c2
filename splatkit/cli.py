"""The `splatkit` command.

Exit codes: 0 done, 2 bad input (one line says what), 130 interrupted.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import splatkit
from splatkit.errors import SplatkitError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Doctor:
    """Say what of the toolkit works on this machine and what is missing."""

    def run(self) -> None:
        """Print one line for each finding."""
        from splatkit.doctor import report

        for name, finding in report():
            print(f"{name:12} {finding}")


@dataclass(frozen=True)
class Scene:
    """Render a generated scene as a nerfstudio dataset, with exact depth, normals and mesh beside it."""

    name: tyro.conf.Positional[str]
    """A scene that comes with the package, e.g. studio, or a .toml file."""
    out: Path
    """Folder to make."""
    width: int = 320
    """Of the images, px."""
    height: int = 240
    """Of the images, px."""
    views: int = 48
    """Number of images; every 8th is held out for testing."""
    seed: int = 0
    """Of textures, sampling and the seed cloud."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Render into a temporary folder, then rename it."""
        from splatkit.io.atomic import atomic_directory
        from splatkit.synthetic.dataset import generate_scene
        from splatkit.synthetic.description import find_scene, read_scene

        description = read_scene(find_scene(self.name))
        with atomic_directory(self.out, self.overwrite) as folder:
            generate_scene(description, folder, self.width, self.height, self.views, self.seed)
        print(f"{self.out}: {self.views} views of {description.name}, {self.width}x{self.height}")


Command = (
    Annotated[Doctor, tyro.conf.subcommand("doctor", prefix_name=False)]
    | Annotated[Scene, tyro.conf.subcommand("scene", prefix_name=False)]
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command of `arguments` (default: of this process); returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(splatkit.__version__)
        return 0
    command: Doctor | Scene = tyro.cli(
        Command,
        prog="splatkit",
        description=splatkit.__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    try:
        command.run()
    except (SplatkitError, OSError, ValueError) as error:
        print(f"splatkit: {_one_line(error)}", file=sys.stderr)
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
