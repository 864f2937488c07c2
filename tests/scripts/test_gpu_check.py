"""The parts of `scripts/gpu_check.py` that need no GPU: judging, reporting, and the measured programs on the CPU."""

import fcntl
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

from tests.helpers import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = ROOT / "scripts"
MOST_FILES = 8  # that come back from a machine that is lent
DOUBTS = ["the commit is unknown", "whether the GPU was idle: unknown", "no smoke run passed: results may be wrong"]


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import gpu_check

    return gpu_check


def run_program(name: str, *arguments: str) -> str:
    path = os.pathsep.join([str(ROOT), str(SCRIPTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", f"gpu_checks.{name}", "--device", "cpu", *arguments]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_missing_is_listed_with_its_cure(gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    find_spec = gpu_check.importlib.util.find_spec
    monkeypatch.setattr(
        gpu_check.importlib.util, "find_spec", lambda name: find_spec(name) if name == "torch" else None
    )
    text = "\n".join(gpu_check.missing_tools())
    assert "nvcc is not on the PATH" in text
    assert "nanobind cannot be imported: `pip download nanobind`" in text


def test_a_failing_command_fails_the_check_and_shows_its_end(
    gpu_check: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    check = gpu_check.Check(tmp_path, {})
    assert check.command("good", [sys.executable, "-c", "print('fine')"], 60)
    assert not check.failed
    assert not check.command("bad thing", [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], 60)
    assert check.failed
    assert "the reason" in capsys.readouterr().out
    assert not check.command("absent", ["/no/such/program"], 60)
    good, bad, absent = (tmp_path / "gpu_check.log").read_text().split("== ")[1:]
    assert good.endswith("\nfine\n")
    assert bad.startswith("bad thing: ")
    assert bad.endswith("\nthe reason\n")
    assert "/no/such/program" in absent.splitlines()[-1]


def test_a_command_is_stopped_at_its_limit_and_none_starts_after_the_last_minute(gpu_check: ModuleType, tmp_path: Path):
    check = gpu_check.Check(tmp_path, {})
    assert not check.command("slow", [sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    assert check.steps[-1].outcome == "failed"
    late = gpu_check.Check(tmp_path, {}, limit_s=0)
    assert not late.command("late", [sys.executable, "-c", ""], 60)
    assert late.steps[-1].detail == "no time left"


def test_what_a_stopped_command_has_started_is_stopped_too(gpu_check: ModuleType, tmp_path: Path):
    alive = tmp_path / "alive"
    alive.touch()
    take = f"file = open({str(alive)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX); print('begun', file=file, flush=True)"
    child = f"import fcntl, time; {take}; time.sleep(600)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    for limit_s in (1, 4, 16, 64):  # until the child has begun, however busy the machine is
        assert not gpu_check.Check(tmp_path, {}).command("parent", [sys.executable, "-c", parent], limit_s)
        if alive.read_text():
            break
    assert alive.read_text() == "begun\n"
    with alive.open() as file:  # the lock of a process ends with it
        wait_until(lambda: is_free(file), 60)


def is_free(file: IO[str]) -> bool:
    """Whether no process holds a lock on the file; takes it then."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_the_report_is_complete_after_every_step_and_there_are_few_files(gpu_check: ModuleType, tmp_path: Path):
    def report() -> dict[str, Any]:
        content: dict[str, Any] = json.loads((tmp_path / "gpu_check.json").read_text())
        return content

    (tmp_path / "gpu_check.json").write_text('{"steps": ["of an earlier check"]}')
    (tmp_path / "records.json").write_text("[]")
    check = gpu_check.Check(tmp_path, {"GPU": "none"})
    assert report() == {"machine": {"GPU": "none"}, "steps": [], "doubts": DOUBTS, "records": []}
    for index, name in enumerate(["configure", "build", "tests", "measure", "memcheck", "racecheck", "synccheck"]):
        write = f"open({str(tmp_path / 'records.json')!r}, 'w').write('[]')"
        assert check.command(name, [sys.executable, "-c", write if name == "measure" else ""], 60)
        assert [step["name"] for step in report()["steps"]][index] == name
        assert f"| {name} | passed |" in (tmp_path / "gpu_check.md").read_text()
    assert len(list(tmp_path.iterdir())) <= MOST_FILES


def test_a_copy_without_git_or_history_is_of_an_unknown_commit(
    gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    assert gpu_check.commit() == "unknown"  # no checkout
    monkeypatch.setenv("PATH", "")
    assert gpu_check.commit() == "unknown"  # no git


def test_the_limit_is_an_option(gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    limits = []

    def build(check: Any) -> bool:
        limits.append(check.left_s)
        return False

    monkeypatch.setattr(gpu_check, "missing_tools", list)
    monkeypatch.setattr(gpu_check, "describe_machine", dict)
    monkeypatch.setitem(gpu_check.STEPS, "build", build)
    monkeypatch.setattr(gpu_check.signal, "signal", lambda *_: None)
    for words in ([], ["--limit-s", "30"]):
        monkeypatch.setattr(sys, "argv", ["gpu_check.py", str(tmp_path), *words])
        assert gpu_check.main() == 0
    assert 200 < limits[0] <= 240
    assert 0 < limits[1] <= 30


def test_tests_that_all_skip_do_not_pass(gpu_check: ModuleType):
    assert gpu_check.judge_tests(0, "3 passed, 2 skipped in 1 s")[0] == "passed"
    assert gpu_check.judge_tests(0, "5 skipped in 1 s")[0] == "failed"
    assert gpu_check.judge_tests(1, "1 failed, 3 passed in 1 s")[0] == "failed"


def test_a_device_that_the_sanitizer_cannot_watch_or_a_limit_is_no_failure(gpu_check: ModuleType):
    judge = gpu_check.sanitizer.judge
    assert judge(124, "stopped after 9 s\n") == ("skipped", "stopped after 9 s")
    assert judge(1, "Error: Device not supported\n")[0] == "skipped"
    assert judge(9, "ERROR SUMMARY: 2 errors\n") == ("failed", "ERROR SUMMARY: 2 errors")


UNWRITTEN = """========= Uninitialized __global__ memory read of size 4 bytes
=========     at {kernel}+0x70
=========     by thread (0,0,0) in block (0,0,0)
========= ERROR SUMMARY: 1 error
"""


def test_initcheck_blames_our_kernels_alone(gpu_check: ModuleType):
    judge = gpu_check.sanitizer.judge_initcheck
    ours = UNWRITTEN.format(kernel="void splatkit::(anonymous namespace)::rasterize_kernel<(int)3, (bool)0>(float*)")
    theirs = UNWRITTEN.format(kernel="void at::native::vectorized_elementwise_kernel<(int)4>(int)")
    assert judge(9, ours + theirs) == ("failed", "1 reads of unwritten memory are ours, 1 are not")
    assert judge(9, theirs) == ("passed", "0 reads of unwritten memory are ours, 1 are not")
    assert judge(9, "========= ERROR SUMMARY: 1 error\n")[0] == "failed"
    assert judge(0, "========= ERROR SUMMARY: 0 errors\n")[0] == "passed"


def test_the_sanitizer_sees_the_ends_of_tensors_and_leaves_others_kernels_out(gpu_check: ModuleType):
    tools = {tool.name: tool for tool in gpu_check.sanitizer.TOOLS}
    assert list(tools) == ["memcheck", "initcheck", "racecheck", "synccheck"]
    for name in ("memcheck", "initcheck"):
        assert tools[name].environment == {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    assert tools["memcheck"].arguments("--kernel-name")[-2:] == ["--kernel-name", "kns=splatkit"]
    assert "kns=splatkit" not in tools["initcheck"].arguments("--kernel-name")  # what torch wrote is written
    assert gpu_check.sanitizer.filter_option("  --kernel-name arg  ...") == "--kernel-name"
    assert gpu_check.sanitizer.filter_option("  --kernel-regex arg  ...") == "--kernel-regex"


def test_a_command_gets_the_environment_of_its_step(gpu_check: ModuleType, tmp_path: Path):
    check = gpu_check.Check(tmp_path, {})
    program = "import os; print(os.environ['OF_THE_STEP'])"
    assert check.command("step", [sys.executable, "-c", program], 60, environment={"OF_THE_STEP": "here"})
    assert check.steps[-1].detail == "here"


def test_steps_are_chosen_by_name_and_run_in_the_order_given(
    gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ran: list[str] = []
    monkeypatch.setattr(gpu_check, "missing_tools", list)
    monkeypatch.setattr(gpu_check, "describe_machine", dict)
    monkeypatch.setattr(gpu_check.signal, "signal", lambda *_: None)
    assert list(gpu_check.STEPS) == ["build", "smoke", "train", "tests", "measure", "sanitize"]

    def step(name: str, check: Any) -> bool:
        ran.append(name)
        return name != "build"

    for name in gpu_check.STEPS:
        monkeypatch.setitem(gpu_check.STEPS, name, partial(step, name))
    for words, expected in (["measure,smoke", ["measure", "smoke"]], ["build,smoke", ["build"]]):
        ran.clear()
        monkeypatch.setattr(sys, "argv", ["gpu_check.py", str(tmp_path), "--steps", str(words)])
        assert gpu_check.main() == 0
        assert ran == expected
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", str(tmp_path), "--steps", "smoke,paint"])
    with pytest.raises(SystemExit):
        gpu_check.main()
    assert "'paint' is no step; there are build, smoke" in capsys.readouterr().err


def test_figures_of_a_busy_gpu_an_unknown_commit_or_few_repeats_are_not_to_be_quoted(gpu_check: ModuleType):
    from gpu_checks import report

    steps = [gpu_check.Step("smoke", "passed", 1.0, "")]
    machine = {"commit": "abc1234", "also on the GPU": "nobody"}
    assert report.doubts(machine, steps) == []
    assert report.doubts({**machine, "commit": "unknown"}, steps) == ["the commit is unknown"]
    assert report.doubts({**machine, "commit": "abc1234, changed"}, steps) == ["files differ from the commit"]
    assert "1 other programs" in report.doubts({**machine, "also on the GPU": "1 other programs"}, steps)[0]
    assert report.doubts(machine, []) == ["no smoke run passed: results may be wrong"]
    assert report.doubt(report.make_record("a", {}, "ms", [1.0] * 20)) == ""
    assert report.doubt(report.make_record("a", {}, "ms", [1.0] * 5)) == "5 repeats"
    assert report.doubt(report.make_record("a", {}, "ms", [1.0] * 10 + [3.0] * 10)) == "spread 100 %"
    assert report.doubt(report.make_record("a", {}, "dB", [30.0])) == ""


@pytest.mark.parametrize(
    ("used", "programs", "expected"),
    [("0\n", "", "nobody"), ("97\n", "1\n", "1 other programs, 97 % of the time busy"), ("[N/A]\n", "", "unknown")],
)
def test_who_else_is_on_the_gpu_is_asked_of_nvidia_smi(
    gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, used: str, programs: str, expected: str
):
    monkeypatch.setattr(
        gpu_check, "printed_by", lambda *words: used if "--query-gpu=utilization.gpu" in words else programs
    )
    assert gpu_check.others_on_gpu() == expected


def test_report_is_one_json_and_one_table_with_peers(gpu_check: ModuleType, tmp_path: Path):
    record = {
        "name": "frame/forward",
        "params": {"splats": 10, "width": 4},
        "unit": "ms",
        "median": 1.25,
        "min": 1.0,
        "max": 2.0,
        "spread": 0.1,
        "repeats": 3,
        "peers": {"gsplat": 2.5},
    }
    steps = [gpu_check.Step("build", "passed", 12.3, "a | b")]
    gpu_check.write_report(tmp_path, {"GPU": "none"}, steps, [record, {**record, "name": "copy", "peers": {}}])
    assert json.loads((tmp_path / "gpu_check.json").read_text())["records"][0] == record
    page = (tmp_path / "gpu_check.md").read_text()
    assert "| build | passed | 12 s | a \\| b |" in page
    assert "| frame/forward | splats 10, width 4 | 1.25 ms | 1 to 2 | no: 3 repeats | 2.5 |" in page
    assert "| copy | splats 10, width 4 | 1.25 ms | 1 to 2 | no: 3 repeats |  |" in page


def test_measurements_run_on_the_cpu(tmp_path: Path):
    run_program("measure", "--quick", "--json", str(tmp_path / "records.json"))
    records = json.loads((tmp_path / "records.json").read_text())
    names = {record["name"] for record in records}
    assert {"copy", "frame/forward", "frame/backward", "phase/rasterize", "intersections"} <= names
    assert {"stereo/match", "stereo/agreement", "stereo/texture"} <= names
    assert all(record["median"] > 0 for record in records)


def test_trainings_run_on_the_cpu(tmp_path: Path):
    run_program("train", "--quick", "--json", str(tmp_path / "train.json"))
    records = json.loads((tmp_path / "train.json").read_text())
    for strategy in ("default", "mcmc"):
        found = {record["name"]: record["median"] for record in records if record["params"]["strategy"] == strategy}
        assert found["train/psnr_after"] > found["train/psnr_before"] + 1
        assert found["train/splats"] == 240  # grown from 120
        assert found["train/step"] > 0
