"""The CUDA kernels compiled for the host, as a stand-in for the native module: built once a checkout."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent


def find_program(name: str) -> str | None:
    """On the PATH, or beside the Python that runs the tests, where `pip install cmake ninja` puts them."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def build_emulated(folder: Path) -> Path:
    """Build `_C_emulated` in the folder, or bring it up to date there; returns the module's file."""
    cmake, ninja = find_program("cmake"), find_program("ninja")
    if cmake is None:
        pytest.fail("the emulated CUDA kernels need cmake: `pip install cmake` or the system's package")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    options = ["-DSPLATKIT_EMULATED=ON", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (
        [cmake, "-S", str(ROOT / "cuda"), "-B", str(folder), *generator, *options],
        [cmake, "--build", str(folder), "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (module,) = folder.glob("_C_emulated*.so")
    return module


def run_sanitized(program: Path, *arguments: str, order: str) -> subprocess.CompletedProcess[str]:
    """Run a program of emulated kernels that was built with a sanitizer, in a thread order."""
    # What ASan would call leaks are the stacks that the emulator keeps for its threads.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "SPLATKIT_THREAD_ORDER": order}
    command = [str(program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if (
        "unexpected memory mapping" in done.stderr
    ):  # ThreadSanitizer of older compilers and a far-reaching address randomization
        command = ["setarch", "-R", *command]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done


def load_emulated() -> ModuleType:
    """The module, built under build/emulated of the checkout."""
    folder = ROOT / "build" / "emulated"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # tests run in several processes
        path = build_emulated(folder)
    spec = importlib.util.spec_from_file_location("_C_emulated", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
