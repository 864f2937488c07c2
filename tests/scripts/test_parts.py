"""Scripts of several parts name them, and one word chooses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
STUDIES = (
    "kernels",
    "encodings",
    "lidar",
    "meshes",
    "recordings",
    "surround",
    "walks",
    "blocks",
    "unordered",
    "flexicubes",
)


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("script", "parts"),
    [
        ("study.py", STUDIES),
        ("pictures.py", ("demo", "courtyard", "flexicubes")),
        ("fit.py", ("image", "sdf", "motion")),
    ],
)
def test_help_names_the_parts(script: str, parts: tuple[str, ...]):
    shown = run(script, "--help")
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ")] == list(parts)
    wrong = run(script, "nothing")
    assert wrong.returncode == 1
    assert wrong.stderr == f"{script}: expected one of {', '.join(parts)}, got 'nothing'\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "part"),
    [
        *(("study.py", part) for part in STUDIES),
        *(("pictures.py", part) for part in ("demo", "courtyard", "flexicubes")),
        *(("fit.py", part) for part in ("image", "sdf", "motion")),
    ],
)
def test_each_part_tells_its_options(script: str, part: str):
    shown = run(script, part, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"{script} {part}" in shown.stdout
    assert re.search(r"--out|\bOUT\b", shown.stdout)
