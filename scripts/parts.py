"""Programs of several parts: `scripts/study.py NAME ...` runs one of them and imports no other."""

import importlib
import sys
from collections.abc import Mapping

import tyro


def run_part(program: str, about: str, parts: Mapping[str, tuple[str, str]]) -> None:
    """Run the part that the first word of the command line names; each has a function `main` for the others.

    Args:
        program: name of the script.
        about: what it is for, in a line.
        parts: by name, the module of each and what it does in a line.
    """
    name, words = (sys.argv[1] if len(sys.argv) > 1 else "--help"), sys.argv[2:]
    if name in ("-h", "--help"):
        width = max(map(len, parts))
        print(f"usage: {program} NAME ...\n\n{about}\n")
        print("\n".join(f"  {part:{width}}  {line}" for part, (_, line) in parts.items()))
        print(f"\n`{program} NAME --help` tells the options of each.")
        return
    if name not in parts:
        sys.exit(f"{program}: expected one of {', '.join(parts)}, got {name!r}")
    module = importlib.import_module(parts[name][0])
    tyro.cli(module.main, prog=f"{program} {name}", args=words)
