"""Check splatkit on a machine with a GPU and nvcc: `scripts/gpu_check.py OUT`, at most ten minutes.

Builds the native module in place, runs the tests of the ops and kernels on `cuda`, compute-sanitizer on a small scene,
and the measurements; writes OUT/gpu_check.json and OUT/gpu_check.md. Installs nothing: it needs torch with CUDA, nvcc,
g++, cmake, nanobind and pytest, but not nerfstudio. Exit code 0 only if nothing failed.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gpu_checks.report import Record, Step, write_report

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 570.0  # for everything, of the ten minutes
TAIL_LINES = 25  # of a failed command's output that is printed

CARRY = "`pip download {name}` where there is a network, unzip the wheel into a folder, and put that on PYTHONPATH here"


class Check:
    """Runs the steps one after the other within the time limit and keeps what came of them."""

    def __init__(self, folder: Path, limit_s: float = LIMIT_S) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self._deadline = time.monotonic() + limit_s

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(step.outcome == "failed" for step in self.steps)

    def keep(self, name: str, outcome: str, seconds: float, detail: str) -> None:
        """Note a step, and say so."""
        self.steps.append(Step(name, outcome, seconds, detail))
        print(f"[{outcome}] {name} ({seconds:.0f} s) {detail}", flush=True)

    def command(
        self, name: str, command: list[str], limit_s: float, judge: Callable[[int, str], tuple[str, str]] | None = None
    ) -> bool:
        """Run a command as a step. judge(exit code, output) -> outcome and detail; without it, code 0 is a pass."""
        start = time.monotonic()
        limit_s = min(limit_s, self._deadline - start)
        if limit_s <= 0:
            self.keep(name, "skipped", 0, "no time left")
            return False
        places = [str(ROOT), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=limit_s,
                check=False,
            )
            code, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as error:
            printed = error.stdout or b""
            text = printed.decode() if isinstance(printed, bytes) else printed
            code, output = 124, f"{text}\nstopped after {limit_s:.0f} s"
        except OSError as error:
            code, output = 127, str(error)
        log = self.folder / f"{name.replace(' ', '_')}.log"
        log.write_text(output)
        outcome, detail = judge(code, output) if judge else ("passed" if code == 0 else "failed", last_line(output))
        if outcome == "failed":
            print("\n".join(output.splitlines()[-TAIL_LINES:]))
        self.keep(name, outcome, time.monotonic() - start, detail)
        return outcome == "passed"


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

    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    nvcc = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=False).stdout
    release = re.search(r"V(\d+\.\d+\.\d+)", nvcc)
    major, minor = torch.cuda.get_device_capability()
    return {
        "GPU": f"{torch.cuda.get_device_name()} (sm_{major}{minor})",
        "torch": torch.__version__,
        "nvcc": release.group(1) if release else "unknown",
        "Python": sys.version.split()[0],
        "commit": done.stdout.strip() or "unknown",
    }


def judge_tests(code: int, output: str) -> tuple[str, str]:
    """Tests that all skip prove nothing."""
    detail = last_line(output)
    return ("passed" if code == 0 and re.search(r"\d+ passed", output) else "failed"), detail


def judge_sanitizer(code: int, output: str) -> tuple[str, str]:
    """compute-sanitizer cannot watch every machine: that is no fault of the kernels."""
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
    return check.command("configure", configure, 120) and check.command(
        "build", ["cmake", "--build", str(folder), "--parallel", str(min(8, os.cpu_count() or 1))], 300
    )


def sanitize(check: Check) -> None:
    """compute-sanitizer's tools on every kernel, where it is installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        check.keep("compute-sanitizer", "skipped", 0, "not on the PATH")
        return
    case = [sys.executable, "-m", "gpu_checks.small_case"]
    for tool in ("memcheck", "racecheck", "synccheck"):
        check.command(tool, [program, "--tool", tool, "--error-exitcode", "9", *case], 90, judge_sanitizer)


def main() -> int:
    """Run all steps; 0 if none failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write to")
    folder: Path = parser.parse_args().out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if missing := missing_tools():
        print("gpu_check cannot run here:\n  " + "\n  ".join(missing), file=sys.stderr)
        return 2
    check, machine = Check(folder), describe_machine()
    records: list[Record] = []
    if build(check):
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        tests = ["tests/ops", "tests/native/test_cuda_device.py", "-k", "cuda"]
        check.command("tests", [*pytest, *tests], 240, judge_tests)
        measured = folder / "records.json"
        measured.unlink(missing_ok=True)
        check.command("measure", [sys.executable, "-m", "gpu_checks.measure", "--json", str(measured)], 240)
        records = json.loads(measured.read_text()) if measured.is_file() else []
        sanitize(check)
    write_report(folder, machine, check.steps, records)
    print(f"wrote {folder / 'gpu_check.md'}")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
