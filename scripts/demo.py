"""The whole toolkit on a generated scene: `scripts/demo.py --out DIR`; see `splatkit.demo`."""

import sys
from pathlib import Path

import tyro

from splatkit.demo import DemoSettings, run_demo, viewer_command
from splatkit.errors import SplatkitError


def main(out: Path, settings: tyro.conf.OmitArgPrefixes[DemoSettings] = DemoSettings()) -> None:  # noqa: B008 - frozen
    """Generate a scene, train on it, evaluate, export a mesh, and write a report.

    Args:
        out: folder of all products; a demo that was interrupted goes on.
        settings: size of the demo.
    """
    try:
        report = run_demo(out, settings)
    except (SplatkitError, OSError, ValueError, MemoryError) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("demo: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    print(f"\nReport:  {report.resolve()}\nMesh:    {out / 'export' / 'mesh.ply'}\nViewer:  {viewer_command(out)}")


if __name__ == "__main__":
    tyro.cli(main)
