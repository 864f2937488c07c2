"""A built wheel works from another folder, with the scenes inside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

IN_THE_WHEEL = """
import splatkit, torch
from pathlib import Path
from splatkit import ops
from splatkit.synthetic.description import find_scene
assert Path(splatkit.__file__).is_relative_to({target!r}), splatkit.__file__
assert find_scene("studio").is_relative_to({target!r}), find_scene("studio")
for name in ("py.typed", "_C.pyi"):  # what type checkers look for
    assert Path(splatkit.__file__).with_name(name).is_file(), name
print(ops.build_info()["instruction_set"])
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment or None, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_built_wheel_works_from_another_folder(tmp_path: Path):
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "wheel"), cwd=tmp_path)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    target = tmp_path / "installed"
    run(*pip, "install", "--no-deps", "--target", str(target), str(wheel), cwd=tmp_path)
    # -S -E would hide the dependencies too; the target comes first on the path instead, before an editable install.
    script = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__.lower()]\n"
    script += IN_THE_WHEEL.format(target=str(target))
    environment = {**os.environ, "PYTHONPATH": str(target)}
    assert run(sys.executable, "-c", script, cwd=tmp_path, **environment).strip() in {"baseline", "avx2", "avx512"}
