"""The emulator finds planted faults, and leaves right kernels alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulated import run_sanitized

ROOT = Path(__file__).resolve().parents[2]
SANITIZERS = {
    "plain": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
ORDERS = ["forward", "reverse", "1", "2", "3"]

Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow  # three small programs are compiled


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a case of emulator_program.cu: run(build, case, order)."""
    folder = tmp_path_factory.mktemp("emulator")
    flags = ["-std=c++17", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{ROOT / 'cuda'}"]
    scheduler = [str(ROOT / "cuda" / "emulator" / name) for name in ("scheduler.cpp", "fiber.cpp")]
    subprocess.run(["g++", *flags, "-c", *scheduler], cwd=folder, check=True)  # never instrumented
    kernels = ["-x", "c++", "-include", "emulator/cuda_on_host.h", str(ROOT / "tests/native/emulator_program.cu")]
    for name, sanitizer in SANITIZERS.items():
        objects = ["-x", "none", "scheduler.o", "fiber.o", "-o", name]
        subprocess.run(["g++", *flags, *sanitizer, *kernels, *objects], cwd=folder, check=True)

    def run_case(build: str, case: str, order: str = "forward") -> subprocess.CompletedProcess[str]:
        return run_sanitized(folder / build, case, order=order)

    return run_case


def output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("build", SANITIZERS)
@pytest.mark.parametrize("case", ["mirror", "two_masks", "votes"])
def test_right_kernels_give_the_same_in_every_order_and_please_every_sanitizer(run: Run, build: str, case: str):
    assert len({output(run(build, case, order)) for order in ORDERS}) == 1


def test_several_masks_of_a_warp_work_at_the_same_time(run: Run):
    assert output(run("plain", "two_masks")).split()[:32] == ["28"] * 8 + ["8"] * 24


def test_votes_matches_and_atomics_count_as_on_the_device(run: Run):
    # 4 lanes match, 32 odd threads, one true in "or", not all in "and", 5 below 5.
    assert set(output(run("plain", "votes")).split()) == {"432105"}


def test_a_missing_barrier_changes_the_result_with_the_order(run: Run):
    assert len({output(run("plain", "mirror_without_barrier", order)) for order in ORDERS}) > 1


def test_thread_sanitizer_names_the_line_of_a_missing_barrier(run: Run):
    done = run("thread", "mirror_without_barrier")
    assert done.returncode != 0
    assert "data race" in done.stderr
    assert "emulator_program.cu:" in done.stderr


@pytest.mark.parametrize("case", ["beyond_global", "beyond_shared"])
def test_sanitizers_name_the_line_of_an_access_out_of_bounds(run: Run, case: str):
    done = run("address", case)
    assert done.returncode != 0
    # ASan's words for the heap, UBSan's for shared memory.
    assert "buffer-overflow" in done.stderr or "insufficient space" in done.stderr or "out of bounds" in done.stderr
    assert "emulator_program.cu:" in done.stderr


def test_shared_memory_starts_as_not_a_number(run: Run):
    assert "nan" in output(run("plain", "uninitialized"))


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_for_half_of_a_block_is_reported_with_threads_and_line(run: Run, order: str):
    done = run("plain", "barrier_for_half", order)
    assert done.returncode != 0
    assert "threads returned without reaching a barrier" in done.stderr
    assert "(0,0,0) to (31,0,0) waits at the block barrier" in done.stderr
    assert "emulator_program.cu:" in done.stderr
    assert "(32,0,0) to (63,0,0) has returned" in done.stderr


@pytest.mark.parametrize("order", ORDERS)
def test_threads_at_different_barriers_are_reported(run: Run, order: str):
    done = run("plain", "two_barriers", order)
    assert done.returncode != 0
    assert "threads of one block wait at different barriers" in done.stderr


def test_a_deadlock_of_warp_operations_is_reported_with_lanes(run: Run):
    done = run("plain", "warp_deadlock")
    assert done.returncode != 0
    assert "deadlock" in done.stderr
    assert "(0,0,0) to (2,0,0) waits at the warp operation" in done.stderr
