"""The choice of a thread's device, through the CUDA runtime: on a machine without a GPU every choice fails."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
#include <cstdio>
#include <stdexcept>

#include "include/splatkit_native.h"

struct Scope {
  ~Scope() { splatkit::restore_cuda_device(9999); }
};

int main() {
  try {
    const Scope scope;
    splatkit::use_cuda_device(9999);
  } catch (const std::runtime_error& error) {
    std::puts(error.what());
  }
}
"""


@pytest.mark.slow
def test_a_device_that_cannot_be_restored_does_not_hide_the_error_before(tmp_path: Path):
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc on the PATH")
    (tmp_path / "program.cpp").write_text(PROGRAM)
    sources = [str(ROOT / "cuda/common/device.cu"), "program.cpp"]
    build = ["nvcc", "-std=c++17", f"-I{ROOT / 'cuda'}", *sources, "-o", "program"]
    subprocess.run(build, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CUDA, ")
