"""Check splatkit on a machine with a GPU and nvcc: `scripts/gpu_check.py OUT [--limit-s 240]`.

Builds the native module in place, runs the tests of the ops and kernels on `cuda`, the measurements, and
compute-sanitizer on a small scene. OUT gets gpu_check.json and gpu_check.md, both written anew after every step, the
output of all steps as it comes (gpu_check.log), and records.json, which grows while the measurements run: who stops
the check early has what there was until then. Installs nothing: it needs torch with CUDA, nvcc, g++, cmake, nanobind
and pytest, but neither nerfstudio nor git. Exit code 0 only if nothing failed.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gpu_checks.report import Step, write_report

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 240.0  # for everything, by default: a second try is left of a machine lent for ten minutes
TESTS_SHARE, MEASURE_SHARE = 0.5, 0.7  # of what is left of it at their start, so that later steps get their turn
LOG, RECORDS = "gpu_check.log", "records.json"
TAIL_LINES = 25  # of a failed command's output that is printed

CARRY = "`pip download {name}` where there is a network, unzip the wheel into a folder, and put that on PYTHONPATH here"


class Check:
    """Runs the steps one after the other within the time limit, and writes what came of them after each."""

    def __init__(self, folder: Path, machine: dict[str, str], limit_s: float = LIMIT_S) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self._machine = machine
        self._deadline = time.monotonic() + limit_s
        for name in (LOG, RECORDS):  # of an earlier check
            (folder / name).unlink(missing_ok=True)
        self._write()

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(step.outcome == "failed" for step in self.steps)

    @property
    def left_s(self) -> float:
        """Seconds until the limit."""
        return self._deadline - time.monotonic()

    def keep(self, name: str, outcome: str, seconds: float, detail: str) -> None:
        """Note a step, say so, and write the report as far as it goes."""
        self.steps.append(Step(name, outcome, seconds, detail))
        print(f"[{outcome}] {name} ({seconds:.0f} s) {detail}", flush=True)
        self._write()

    def command(
        self, name: str, command: list[str], limit_s: float, judge: Callable[[int, str], tuple[str, str]] | None = None
    ) -> bool:
        """Run a command as a step. judge(exit code, output) -> outcome and detail; without it, code 0 is a pass."""
        start = time.monotonic()
        limit_s = min(limit_s, self.left_s)
        if limit_s <= 0:
            self.keep(name, "skipped", 0, "no time left")
            return False
        code, output = run_logged(command, self.folder / LOG, name, limit_s)
        outcome, detail = judge(code, output) if judge else ("passed" if code == 0 else "failed", last_line(output))
        if outcome == "failed":
            print("\n".join(output.splitlines()[-TAIL_LINES:]))
        self.keep(name, outcome, time.monotonic() - start, detail)
        return outcome == "passed"

    def _write(self) -> None:
        records = self.folder / RECORDS
        measured = json.loads(records.read_text()) if records.is_file() else []
        write_report(self.folder, self._machine, self.steps, measured)


def run_logged(command: list[str], log: Path, name: str, limit_s: float) -> tuple[int, str]:
    """Run a command whose output goes to the end of a file as it comes.

    Returns:
        Its exit code and output: 124 where it was stopped, with all that it had started; 127 where it cannot be run.
    """
    places = [str(ROOT), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
    with log.open("ab+") as file:
        file.write(f"== {name}: {' '.join(command)}\n".encode())
        file.flush()
        begin = file.tell()
        try:
            # In a process group, which can be stopped as a whole, but not in a session of its own, which would outlive
            # the session that this check runs in.
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, preexec_fn=os.setpgrp
            )
        except OSError as error:
            file.write(f"{error}\n".encode())
            return 127, str(error)
        try:
            code = process.wait(limit_s)
        except BaseException as reason:  # the limit, or this check itself is being stopped
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(reason, subprocess.TimeoutExpired):
                raise
            code = 124
            file.write(f"\nstopped after {limit_s:.0f} s\n".encode())
            file.flush()
        file.seek(begin)
        return code, file.read().decode(errors="replace")


def last_line(output: str) -> str:
    """The last line with anything on it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def missing_tools() -> list[str]:
    """What the check needs and does not find, each with its cure."""
    lines = []
    for program in ("nvcc", "g++", "cmake"):
        if shutil.which(program) is None:
            lines.append(f"{program} is not on the PATH")
    for module in ("nanobind", "pytest"):
        if importlib.util.find_spec(module) is None:
            lines.append(f"{module} cannot be imported: {CARRY.format(name=module)}")
    if importlib.util.find_spec("torch") is None:
        return [*lines, "torch cannot be imported"]
    import torch

    if not torch.cuda.is_available():
        lines.append(f"torch {torch.__version__} sees no CUDA device")
    return lines


def describe_machine() -> dict[str, str]:
    """What the figures are of."""
    import torch

    release = re.search(r"V(\d+\.\d+\.\d+)", printed_by("nvcc", "--version"))
    major, minor = torch.cuda.get_device_capability()
    return {
        "GPU": f"{torch.cuda.get_device_name()} (sm_{major}{minor})",
        "torch": torch.__version__,
        "nvcc": release.group(1) if release else "unknown",
        "Python": sys.version.split()[0],
        "commit": commit(),
    }


def commit() -> str:
    """Of this checkout; "unknown" in a copy without its history, or where there is no git."""
    return printed_by("git", "rev-parse", "--short", "HEAD").strip() or "unknown"


def printed_by(*command: str) -> str:
    """What a program prints; "" where it is missing or fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def judge_tests(code: int, output: str) -> tuple[str, str]:
    """Tests that all skip prove nothing."""
    detail = last_line(output)
    return ("passed" if code == 0 and re.search(r"\d+ passed", output) else "failed"), detail


def judge_sanitizer(code: int, output: str) -> tuple[str, str]:
    """compute-sanitizer cannot watch every machine, and is slow: neither is a fault of the kernels."""
    if code == 124:
        return "skipped", last_line(output)
    if "Device not supported" in output or "not supported on" in output:
        return "skipped", "compute-sanitizer does not support this device"
    summary = [line for line in output.splitlines() if "SUMMARY" in line]
    return ("passed" if code == 0 else "failed"), last_line("\n".join(summary) or output)


def build(check: Check) -> bool:
    """Configure and build the module into the package of this checkout."""
    folder = ROOT / "build" / "gpu_check"
    ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = ["-DSPLATKIT_CUDA=ON", f"-DPython_EXECUTABLE={sys.executable}"]
    options.append(f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={ROOT / 'splatkit'}")
    configure = ["cmake", "-S", str(ROOT / "cuda"), "-B", str(folder), *ninja, *options]
    return check.command("configure", configure, check.left_s) and check.command(
        "build", ["cmake", "--build", str(folder), "--parallel", str(min(8, os.cpu_count() or 1))], check.left_s
    )


def sanitize(check: Check) -> None:
    """compute-sanitizer's tools on every kernel, where it is installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        check.keep("compute-sanitizer", "skipped", 0, "not on the PATH")
        return
    case = [sys.executable, "-m", "gpu_checks.small_case"]
    tools = ("memcheck", "racecheck", "synccheck")
    for index, tool in enumerate(tools):
        limit_s = check.left_s / (len(tools) - index)
        check.command(tool, [program, "--tool", tool, "--error-exitcode", "9", *case], limit_s, judge_sanitizer)


def main() -> int:
    """Run all steps; 0 if none failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write to; it gets four files")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds for everything (default: %(default)g)")
    options = parser.parse_args()
    folder: Path = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if missing := missing_tools():
        print("gpu_check cannot run here:\n  " + "\n  ".join(missing), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what it runs is stopped with it
    check = Check(folder, describe_machine(), options.limit_s)
    if build(check):
        # Warnings of other versions of what is installed there must not keep tests from being collected.
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "default"]
        tests = ["tests/ops", "tests/native/test_cuda_device.py", "-k", "cuda"]
        check.command("tests", [*pytest, *tests], TESTS_SHARE * check.left_s, judge_tests)
        measure = [sys.executable, "-m", "gpu_checks.measure", "--json", str(folder / RECORDS)]
        check.command("measure", measure, MEASURE_SHARE * check.left_s)
        sanitize(check)
    print(f"wrote {folder / 'gpu_check.md'}")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
