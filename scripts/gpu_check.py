"""Check splatkit on a machine with a GPU and nvcc: `scripts/gpu_check.py OUT [--steps build,smoke] [--limit-s 240]`.

| step | what it does |
|---|---|
| build | configures and builds the native module in place |
| smoke | every kernel once on a small case, against the float64 definitions |
| train | short trainings by both strategies, with PSNR before and after |
| tests | the tests of the ops and kernels on `cuda` |
| measure | times of kernels, of gsplat's too where it is importable |
| sanitize | compute-sanitizer's four tools on the smoke run |

They run in this order, or in that of `--steps`. OUT gets gpu_check.json and gpu_check.md, both written anew after every
step, the output of all steps as it comes (gpu_check.log), and train.json and records.json, which grow while trainings
and measurements run: who stops the check early has what there was until then. The page says which figures may be
quoted. Installs nothing: it needs torch with CUDA, nvcc, g++, cmake, nanobind and pytest, but neither nerfstudio nor
git. Exit code 0 only if nothing failed.
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
from collections.abc import Callable, Mapping
from pathlib import Path

from gpu_checks import sanitizer
from gpu_checks.report import NOBODY, Step, write_report

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 240.0  # for everything, by default: a second try is left of a machine lent for ten minutes
TRAIN_SHARE, TESTS_SHARE, MEASURE_SHARE = 0.3, 0.5, 0.6  # of what is left at their start: later steps get their turn
LOG, RECORDS, TRAININGS = "gpu_check.log", "records.json", "train.json"
IDLE_PERCENT = 5  # of the time that an idle GPU may seem busy
TAIL_LINES = 25  # of a failed command's output that is printed

CARRY = "`pip download {name}` where there is a network, unzip the wheel into a folder, and put that on PYTHONPATH here"


class Check:
    """Runs the steps one after the other within the time limit, and writes what came of them after each."""

    def __init__(self, folder: Path, machine: dict[str, str], limit_s: float = LIMIT_S) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self._machine = machine
        self._deadline = time.monotonic() + limit_s
        for name in (LOG, RECORDS, TRAININGS):  # of an earlier check
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
        self,
        name: str,
        command: list[str],
        limit_s: float,
        judge: sanitizer.Judge | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bool:
        """Run a command as a step. judge(exit code, output) -> outcome and detail; without it, code 0 is a pass."""
        start = time.monotonic()
        limit_s = min(limit_s, self.left_s)
        if limit_s <= 0:
            self.keep(name, "skipped", 0, "no time left")
            return False
        code, output = run_logged(command, self.folder / LOG, name, limit_s, environment or {})
        outcome, detail = judge(code, output) if judge else ("passed" if code == 0 else "failed", last_line(output))
        if outcome == "failed":
            print("\n".join(output.splitlines()[-TAIL_LINES:]))
        self.keep(name, outcome, time.monotonic() - start, detail)
        return outcome == "passed"

    def _write(self) -> None:
        files = [self.folder / name for name in (TRAININGS, RECORDS)]
        measured = [record for file in files if file.is_file() for record in json.loads(file.read_text())]
        write_report(self.folder, self._machine, self.steps, measured)


def run_logged(command: list[str], log: Path, name: str, limit_s: float, more: Mapping[str, str]) -> tuple[int, str]:
    """Run a command whose output goes to the end of a file as it comes.

    Returns:
        Its exit code and output: 124 where it was stopped, with all that it had started; 127 where it cannot be run.
    """
    places = [str(ROOT), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
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

    others = others_on_gpu()  # before this process is there itself, perhaps by a number of its container's own
    release = re.search(r"V(\d+\.\d+\.\d+)", printed_by("nvcc", "--version"))
    major, minor = torch.cuda.get_device_capability()
    return {
        "GPU": f"{torch.cuda.get_device_name()} (sm_{major}{minor})",
        "torch": torch.__version__,
        "nvcc": release.group(1) if release else "unknown",
        "Python": sys.version.split()[0],
        "commit": commit(),
        "also on the GPU": others,
    }


def commit() -> str:
    """Of this checkout, "changed" where files differ; "unknown" in a copy without its history, or without git."""
    name = printed_by("git", "rev-parse", "--short", "HEAD").strip()
    changed = printed_by("git", "status", "--porcelain", "--untracked-files=no").strip()
    return f"{name}, changed" if name and changed else name or "unknown"


def others_on_gpu() -> str:
    """Whether anyone else computes there, asked before the check itself does: "nobody", or what nvidia-smi shows."""
    query = ("--format=csv,noheader,nounits", "--id=0")
    used = printed_by("nvidia-smi", "--query-gpu=utilization.gpu", *query).strip()
    if not used.isdigit():
        return "unknown"
    programs = printed_by("nvidia-smi", "--query-compute-apps=pid", *query).split()
    others = [pid for pid in programs if pid != str(os.getpid())]
    if not others and int(used) <= IDLE_PERCENT:
        return NOBODY
    return f"{len(others)} other programs, {used} % of the time busy"


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


def smoke(check: Check) -> bool:
    """Every kernel against its definition."""
    return check.command("smoke", [sys.executable, "-m", "gpu_checks.smoke"], check.left_s)


def train(check: Check) -> bool:
    """Short trainings."""
    command = [sys.executable, "-m", "gpu_checks.train", "--json", str(check.folder / TRAININGS)]
    return check.command("train", command, TRAIN_SHARE * check.left_s)


def tests(check: Check) -> bool:
    """Those of the ops and kernels."""
    # Warnings of other versions of what is installed there must not keep tests from being collected.
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "default"]
    names = ["tests/ops", "tests/native/test_cuda_device.py", "-k", "cuda"]
    return check.command("tests", [*pytest, *names], TESTS_SHARE * check.left_s, judge_tests)


def measure(check: Check) -> bool:
    """Times of kernels."""
    command = [sys.executable, "-m", "gpu_checks.measure", "--json", str(check.folder / RECORDS)]
    return check.command("measure", command, MEASURE_SHARE * check.left_s)


def sanitize(check: Check) -> bool:
    """compute-sanitizer's tools on every kernel, where it is installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        check.keep("compute-sanitizer", "skipped", 0, "not on the PATH")
        return True
    option = sanitizer.filter_option(printed_by(program, "--help"))
    case = [sys.executable, "-m", "gpu_checks.smoke"]
    for index, tool in enumerate(sanitizer.TOOLS):
        limit_s = check.left_s / (len(sanitizer.TOOLS) - index)
        command = [program, *tool.arguments(option), *case]
        check.command(tool.name, command, limit_s, tool.judge, tool.environment)
    return not check.failed


STEPS: dict[str, Callable[[Check], bool]] = {
    "build": build,
    "smoke": smoke,
    "train": train,
    "tests": tests,
    "measure": measure,
    "sanitize": sanitize,
}


def step_names(words: str) -> list[str]:
    """Of `--steps`."""
    names = words.split(",")
    if unknown := [name for name in names if name not in STEPS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no step; there are {', '.join(STEPS)}")
    return names


def main() -> int:
    """Run the steps; 0 if none failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write to; it gets five files")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds for everything (default: %(default)g)")
    parser.add_argument(
        "--steps", type=step_names, default=",".join(STEPS), help="in their order, with commas (default: %(default)s)"
    )
    options = parser.parse_args()
    folder: Path = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if missing := missing_tools():
        print("gpu_check cannot run here:\n  " + "\n  ".join(missing), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what it runs is stopped with it
    check = Check(folder, describe_machine(), options.limit_s)
    for name in options.steps:
        if not STEPS[name](check) and name == "build":
            break  # the others would judge an older build
    print(f"wrote {folder / 'gpu_check.md'}")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
