"""Which backends a build gets: by SPLATKIT_CUDA, and by the nvcc and the GPUs that the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulated import find_program

ROOT = Path(__file__).resolve().parents[2]

# Prints what the build would choose, without building anything.
CHOICE = f"""
cmake_minimum_required(VERSION 3.24)
include({ROOT}/cuda/common/cuda_archs.cmake)
splatkit_find_nvcc(nvcc)
splatkit_known_archs("${{nvcc}}" known)
splatkit_archs_for("${{REQUEST}}" "${{known}}" archs dropped)
message("nvcc ${{nvcc}}, archs ${{archs}}, dropped ${{dropped}}")
"""
OLD_NVCC, NEW_NVCC = (61, 70, 75, 80, 86, 87, 89, 90), (75, 80, 90, 100, 110, 103, 120, 121)
NO_NVIDIA_SMI = "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."


def cmake() -> str:
    found = find_program("cmake")
    if found is None:
        pytest.skip("cmake is not installed")
    return found


def write_program(path: Path, prints: str, code: int = 0) -> None:
    """A program that prints the same whatever it is asked."""
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{prints}\nEND\nexit {code}\n")
    path.chmod(0o755)


def write_nvcc(folder: Path, archs: tuple[int, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_program(folder / "nvcc", "\n".join(f"compute_{arch}" for arch in archs))


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run cmake with the programs of a folder first on the PATH."""
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}
    for name in {"CUDACXX", "CUDA_HOME", "CUDA_PATH"} - variables.keys():
        environment.pop(name, None)
    return subprocess.run([cmake(), *arguments], env=environment, capture_output=True, text=True, check=False)


def choice(folder: Path, request: str = "", **variables: str) -> str:
    (folder / "choice.cmake").write_text(CHOICE)
    done = run(folder, f"-DREQUEST={request}", "-P", str(folder / "choice.cmake"), **variables)
    assert done.returncode == 0, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("gpus", "known", "archs", "dropped"),
    [
        ("9.0", NEW_NVCC, "90", ""),  # with PTX, for the next machine
        ("8.0\n9.0\n8.0", NEW_NVCC, "80-real;90", ""),
        ("12.1", NEW_NVCC, "121", ""),
        ("12.1", OLD_NVCC, "90-virtual", ""),  # newer than nvcc knows: the driver compiles
        ("13.0", NEW_NVCC, "121-virtual", ""),
        ("8.6\n13.0", OLD_NVCC, "86-real;90-virtual", ""),
        ("8.9", NEW_NVCC, "80-virtual", ""),  # between two that it knows
        ("7.0", OLD_NVCC, "70", ""),
        ("7.0", NEW_NVCC, "", "70"),
        ("6.1", OLD_NVCC, "", "61"),  # the kernels need more, although nvcc does not
        ("9.0\n6.1", NEW_NVCC, "90", "61"),
        (NO_NVIDIA_SMI, NEW_NVCC, "75", ""),
        (NO_NVIDIA_SMI, (80, 90, 140), "80", ""),
        ("[N/A]", NEW_NVCC, "75", ""),
    ],
)
def test_the_machines_gpus_are_compiled_for_as_far_as_nvcc_knows_them(
    tmp_path: Path, gpus: str, known: tuple[int, ...], archs: str, dropped: str
):
    write_nvcc(tmp_path, known)
    write_program(tmp_path / "nvidia-smi", gpus)
    assert choice(tmp_path) == f"nvcc {tmp_path}/nvcc, archs {archs}, dropped {dropped}".strip()


def test_all_means_the_tested_ones_that_nvcc_knows_and_a_list_is_taken_as_it_is(tmp_path: Path):
    write_nvcc(tmp_path, OLD_NVCC)
    assert "archs 75-real;80-real;86-real;89-real;90, dropped" in choice(tmp_path, "all")
    assert "archs 80-real;61, dropped" in choice(tmp_path, "80-real;61")


def test_nvcc_is_found_by_its_name_on_the_path_and_in_the_toolkits_folder(tmp_path: Path):
    for name in ("named", "path", "toolkit/bin"):
        write_nvcc(tmp_path / name, NEW_NVCC)
    toolkit = {"CUDA_HOME": str(tmp_path / "toolkit")}
    on_path, nowhere = str(tmp_path / "path"), str(tmp_path / "empty")
    named = {"CUDACXX": f"{tmp_path}/named/nvcc -ccbin g++"}
    assert f"nvcc {tmp_path}/named/nvcc," in choice(tmp_path, PATH=on_path, **toolkit, **named)
    assert f"nvcc {tmp_path}/path/nvcc," in choice(tmp_path, PATH=on_path, **toolkit)
    assert f"nvcc {tmp_path}/toolkit/bin/nvcc," in choice(tmp_path, PATH=nowhere, **toolkit)


def configure(folder: Path, mode: str) -> subprocess.CompletedProcess[str]:
    options = [f"-DSPLATKIT_CUDA={mode}", f"-DPython_EXECUTABLE={sys.executable}"]
    return run(folder, "-S", str(ROOT / "cuda"), "-B", str(folder / "build"), *options)


def write_broken_nvcc(folder: Path) -> str:
    write_program(folder / "nvcc", "nvcc: command failed", code=1)
    return f"{folder}/nvcc does not work"


def write_pretended_nvcc(folder: Path) -> str:
    write_nvcc(folder, NEW_NVCC)
    write_program(folder / "nvidia-smi", "9.0")
    return f"{folder}/nvcc compiles no test program"


def write_old_gpu(folder: Path) -> str:
    write_nvcc(folder, NEW_NVCC)
    write_program(folder / "nvidia-smi", "6.1\n7.0")
    return f"this machine's GPU is of sm 61 and 70, but {folder}/nvcc compiles for sm 75 and newer"


MACHINES = [write_broken_nvcc, write_pretended_nvcc, write_old_gpu]


@pytest.mark.slow
@pytest.mark.parametrize("write_machine", MACHINES)
def test_where_nothing_can_be_compiled_the_build_is_for_the_cpu_and_says_why(tmp_path: Path, write_machine):
    why = write_machine(tmp_path)
    done = configure(tmp_path, "AUTO")
    assert done.returncode == 0, done.stderr
    assert f"splatkit: CPU backend ({why}" in done.stdout
    insisted = configure(tmp_path, "ON")
    assert insisted.returncode != 0
    assert f"SPLATKIT_CUDA=ON, but {why}" in " ".join(insisted.stderr.split())


@pytest.mark.slow
def test_cuda_can_be_switched_off(tmp_path: Path):
    done = configure(tmp_path, "OFF")
    assert done.returncode == 0, done.stderr
    assert "splatkit: CPU backend (CUDA switched off)" in done.stdout
