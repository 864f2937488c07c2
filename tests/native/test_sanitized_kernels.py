"""The CUDA kernels on the host under AddressSanitizer, UndefinedBehaviorSanitizer and, for races, ThreadSanitizer."""

import subprocess
from pathlib import Path

import pytest

from tests.emulated import run_sanitized

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ["projection", "spherical_harmonics", "intersection", "rasterization"]
KERNEL_FILES = [
    *(f"splatting/{name}.cu" for name in KERNELS),
    "image/photometric.cu",
    "encodings/encodings.cu",
    "isosurface/isosurface.cu",
    "optimizer/adam.cu",
    "photo/consistency.cu",
    "stereo/stereo.cu",
]


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_kernels_please_the_sanitizers_in_several_thread_orders(tmp_path: Path, sanitizer: str):
    # -g1 names lines; where each variable lives takes the compiler minutes to follow.
    flags = ["-std=c++17", "-g1", "-O1", f"-I{ROOT / 'cuda'}", "-pthread"]
    emulator = [f"{ROOT}/cuda/emulator/{name}.cpp" for name in ("fiber", "scheduler", "device")]
    subprocess.run(["g++", *flags, "-c", *emulator], cwd=tmp_path, check=True)  # never instrumented
    instrumented = [*flags, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    on_host = ["-x", "c++", "-include", "emulator/cuda_on_host.h", "-Wno-unknown-pragmas"]
    sources = [str(ROOT / "cuda" / name) for name in KERNEL_FILES]
    subprocess.run(["g++", *instrumented, *on_host, "-c", *sources], cwd=tmp_path, check=True)
    objects = sorted(path.name for path in tmp_path.glob("*.o"))
    program = str(ROOT / "tests/native/kernels_program.cpp")
    subprocess.run(["g++", *instrumented, program, *objects, "-o", "program"], cwd=tmp_path, check=True)
    outputs = set()
    for order in ("forward", "1"):
        done = run_sanitized(tmp_path / "program", order=order)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "nan" not in outputs.pop()
