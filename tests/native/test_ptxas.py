"""What the CUDA compiler makes of each kernel: registers, spills, stack and shared memory against a record.

`python tests/native/test_ptxas.py` writes the record anew, for the nvcc on the PATH.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("ptxas.json")
ARCHS = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")  # of the record
CHECKED_ARCHS = ("sm_90",)  # compiled by the test: all of them take minutes
FLAGS = {"stereo": ["--fmad=false"]}  # of a folder, as in cuda/CMakeLists.txt
REGISTER_GROWTH = 1.05  # compilers shuffle a few registers when a line moves

Resources = dict[str, dict[str, dict[str, int]]]  # kernel -> architecture -> what it takes

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def compiler_version() -> str | None:
    """Of the nvcc on the PATH, such as 13.0.88; None without one."""
    if shutil.which("nvcc") is None:
        return None
    text = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"V(\d+\.\d+\.\d+)", text)
    return found.group(1) if found else None


def kernel_name(mangled: str) -> str:
    """`rasterize_kernel<3, 0>` from a mangled name: its last identifier, and a template's numbers and truth values."""
    found = re.findall(r"([a-z][a-z_]*_kernel)(?:I((?:L[bi]\d+E)+))?", mangled)  # its length stands before it, a digit
    assert found, mangled
    name, arguments = found[-1]
    numbers = ", ".join(re.findall(r"\d+", arguments))
    return f"{name}<{numbers}>" if numbers else name


def parse_ptxas(text: str) -> Resources:
    """The report of `nvcc -Xptxas -v`."""
    resources: Resources = {}
    current: dict[str, int] = {}
    for line in text.splitlines():
        if entry := _ENTRY.search(line):
            current = resources.setdefault(kernel_name(entry.group(1)), {}).setdefault(entry.group(2), {})
        elif frame := _FRAME.search(line):
            current["stack"] = int(frame.group(1))
            current["spills"] = int(frame.group(2)) + int(frame.group(3))
        elif used := _USED.search(line):
            current["registers"] = int(used.group(1))
            shared = _SHARED.search(line)
            current["shared"] = int(shared.group(1)) if shared else 0
    return resources


def measure(folder: Path, archs: Sequence[str]) -> Resources:
    """Compile all kernel files, CUB's aside."""
    resources: Resources = {}
    targets = [f"-gencode=arch=compute_{arch[3:]},code={arch}" for arch in archs]
    for path in sorted((ROOT / "cuda").rglob("*.cu")):
        if path.parent.name == "common":
            continue
        flags = ["-std=c++17", "-O3", f"-I{ROOT / 'cuda'}", *FLAGS.get(path.parent.name, [])]
        command = ["nvcc", *flags, *targets, "-Xptxas", "-v", "-c", str(path)]
        done = subprocess.run([*command, "-o", str(folder / "kernel.o")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for kernel, by_arch in parse_ptxas(done.stderr).items():
            resources.setdefault(kernel, {}).update(by_arch)
    return resources


def complaints(actual: Resources, recorded: Resources) -> list[str]:
    """What is worse than the record says, a line each."""
    lines = [f"{kernel}: not in the record" for kernel in sorted(actual.keys() - recorded.keys())]
    lines += [f"{kernel}: in the record but gone" for kernel in sorted(recorded.keys() - actual.keys())]
    for kernel in sorted(actual.keys() & recorded.keys()):
        for arch, now in actual[kernel].items():
            before = recorded[kernel][arch]
            limits = {**before, "registers": int(before["registers"] * REGISTER_GROWTH)}
            lines += [
                f"{kernel} on {arch}: {now[what]} {what}, recorded {before[what]}"
                for what in ("registers", "spills", "stack", "shared")
                if now[what] > limits[what]
            ]
    return lines


@pytest.mark.slow
def test_no_kernel_spills_or_grows_beyond_the_record(tmp_path: Path):
    record: dict[str, Any] = json.loads(RECORD.read_text())
    version = compiler_version()
    if version is None:
        pytest.skip("no nvcc on the PATH")
    if version != record["compiler"]:
        pytest.skip(f"the record is of nvcc {record['compiler']}, here is {version}")
    assert complaints(measure(tmp_path, CHECKED_ARCHS), record["kernels"]) == []


def test_the_record_is_of_all_architectures_of_the_build_and_has_no_spill():
    build = (ROOT / "cuda/common/cuda_archs.cmake").read_text()
    tested = re.search(r"set\(SPLATKIT_TESTED_ARCHS ([\d ]+)\)", build)
    assert tested is not None
    assert [f"sm_{arch}" for arch in tested.group(1).split()] == list(ARCHS)
    kernels: Resources = json.loads(RECORD.read_text())["kernels"]
    assert {kernel for kernel, by_arch in kernels.items() if by_arch.keys() != set(ARCHS)} == set()
    spilling = [
        (kernel, arch) for kernel, by_arch in kernels.items() for arch in by_arch if by_arch[arch]["spills"] > 0
    ]
    assert spilling == []


def test_a_new_spill_and_a_grown_stack_are_complaints():
    recorded = {"a_kernel<3>": {"sm_90": {"registers": 40, "spills": 0, "stack": 0, "shared": 1024}}}
    text = """
ptxas info    : Compiling entry function '_ZN8splatkit12_GLOBAL__N_18a_kernelILi3EEEvPf' for 'sm_90'
ptxas info    : Function properties for _ZN8splatkit12_GLOBAL__N_18a_kernelILi3EEEvPf
    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 42 registers, used 1 barriers, 16 bytes cumulative stack size, 1024 bytes smem, 400 bytes cmem[0]
"""
    assert complaints(parse_ptxas(text), recorded) == [
        "a_kernel<3> on sm_90: 12 spills, recorded 0",
        "a_kernel<3> on sm_90: 16 stack, recorded 0",
    ]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        record = {"compiler": compiler_version(), "kernels": measure(Path(scratch), ARCHS)}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
