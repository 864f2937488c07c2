"""Which backends a build gets: by SPLATKIT_CUDA and by what the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulated import find_program

ROOT = Path(__file__).resolve().parents[2]


def configure(folder: Path, mode: str) -> subprocess.CompletedProcess[str]:
    """Configure with an nvcc that fails whatever it is asked."""
    broken = folder / "nvcc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    environment.pop("CUDACXX", None)
    cmake = find_program("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    options = [f"-DSPLATKIT_CUDA={mode}", f"-DPython_EXECUTABLE={sys.executable}"]
    command = [cmake, "-S", str(ROOT / "cuda"), "-B", str(folder / "build"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "says"), [("AUTO", "no working nvcc found"), ("OFF", "CUDA switched off")])
def test_without_a_working_compiler_the_build_is_for_the_cpu_and_says_so(tmp_path: Path, mode: str, says: str):
    done = configure(tmp_path, mode)
    assert done.returncode == 0, done.stderr
    assert f"splatkit: CPU backend ({says})" in done.stdout


@pytest.mark.slow
def test_cuda_that_was_insisted_on_is_an_error_without_a_compiler(tmp_path: Path):
    done = configure(tmp_path, "ON")
    assert done.returncode != 0
    assert "no working nvcc was found" in done.stderr
