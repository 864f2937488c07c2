"""The smoke run of the GPU check: right on the CPU, and every kernel launched by the case that names it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from splatkit.ops._library import native
from tests.emulated import build_emulated

ROOT = Path(__file__).resolve().parents[2]
KERNELS = frozenset(json.loads((ROOT / "tests/native/ptxas.json").read_text())["kernels"])

# Each case in a process of its own, so that its counts are its own; the parent starts no kernel.
RUN_CASES = """
import importlib.util, os, sys
import torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("_C_emulated", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.modules["splatkit._C"] = module
from gpu_checks.smoke import CASES, passes
failed = 0
for number, case in enumerate(CASES):
    if os.fork() == 0:
        os.environ["GCOV_PREFIX"] = os.path.join(sys.argv[2], str(number))
        sys.exit(0 if passes(case, "cpu") else 1)
    failed += os.wait()[1] != 0
sys.exit(failed)
"""


@pytest.fixture
def smoke(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from gpu_checks import smoke

    return smoke


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}


def test_the_cases_name_every_kernel(smoke: ModuleType):
    named = frozenset().union(*(case.kernels for case in smoke.CASES))
    assert named == KERNELS
    names = [case.name for case in smoke.CASES]
    assert len(names) == len(set(names))


def test_a_wrong_result_and_an_error_fail_their_case_alone(smoke: ModuleType, capsys: pytest.CaptureFixture[str]):
    from gpu_checks.comparison import Case, Finding

    def broken(device: str) -> list[Finding]:
        raise RuntimeError("misaligned address")

    assert not smoke.passes(Case("a", frozenset(), lambda device: [Finding("image", 0.5, 1e-3)]), "cpu")
    assert not smoke.passes(Case("b", frozenset(), lambda device: [Finding("image", float("nan"), 1e-3)]), "cpu")
    assert not smoke.passes(Case("c", frozenset(), broken), "cpu")
    assert smoke.passes(Case("d", frozenset(), lambda device: [Finding("image", 1e-4, 1e-3)]), "cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[failed] a: image is off by 0.5, at most 0.001"
    assert lines[2] == "[failed] c: RuntimeError: misaligned address"
    assert lines[3].startswith("[passed] d")


def test_every_case_is_right_on_the_cpu(smoke: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """And native code is given no tensor that requires gradients, which torch 2.6 refuses to hand over."""
    monkeypatch.setitem(sys.modules, "splatkit._C", OutsideTheGraph(native()))
    assert [case.name for case in smoke.CASES if not smoke.passes(case, "cpu")] == []


class OutsideTheGraph(ModuleType):
    """The native module, whose functions look at what they are given."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if not callable(found):
            return found

        def checked(*arguments: Any) -> Any:
            for tensor in tensors_in(arguments):
                assert not tensor.requires_grad, f"{name} is given a tensor that requires gradients"
            return found(*arguments)

        return checked


def tensors_in(arguments: Iterable[Any]) -> Iterator[torch.Tensor]:
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            yield argument
        elif isinstance(argument, tuple | list):
            yield from tensors_in(argument)


def test_the_command_says_how_many_kernels_its_cases_have():
    command = [sys.executable, "-m", "gpu_checks.smoke", "--device", "cpu", "--only", "colors"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 cases, ")
    assert done.stdout.splitlines()[-1].endswith("kernels; all right")


@pytest.mark.slow
def test_each_case_launches_the_kernels_that_it_names(
    smoke: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The emulated kernels, built to count how often each function ran."""
    if shutil.which("gcov") is None:
        pytest.skip("no gcov on the PATH")
    monkeypatch.setenv("CXXFLAGS", "--coverage")
    module = build_emulated(tmp_path / "build")
    command = [sys.executable, "-c", RUN_CASES, str(module), str(tmp_path / "counts")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    notes = tmp_path / "build/CMakeFiles/splatkit_emulated.dir"
    for number, case in enumerate(smoke.CASES):
        assert launched(tmp_path / "counts" / str(number), notes) == case.kernels, case.name


def launched(counts: Path, notes: Path) -> set[str]:
    """Kernels that ran, by gcov's counts under a folder and the compiler's notes in another."""
    kernels = set()
    for data in counts.rglob(f"{notes.name}/*/*.gcda"):
        shutil.copy(notes / data.parent.name / f"{data.stem}.gcno", data.with_suffix(".gcno"))
        command = ["gcov", "--json-format", "--stdout", data.name]
        text = subprocess.run(command, cwd=data.parent, capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            for function in (f for file in json.loads(line)["files"] for f in file["functions"]):
                found = re.search(r"\b(\w+_kernel)(<[^>]*>)?\(", function["demangled_name"])
                if found and function["execution_count"]:
                    arguments = (found[2] or "").replace("true", "1").replace("false", "0")
                    kernels.add(found[1] + arguments)
    return kernels
