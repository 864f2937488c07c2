"""Doing what is not done: each step is the command that a person could type, in a process of its own."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.errors import RefusedError, SettingsError, SplatkitError
from splatkit.io.atomic import remove_leftovers
from splatkit.memory import peak_memory_mb
from splatkit.messages import LOGGER, gather_warnings, shows_notes
from splatkit.pipeline.config import TRAINING, Pipeline, Step
from splatkit.pipeline.lock import alone_in
from splatkit.pipeline.state import Cost, State, StepRecord
from splatkit.pipeline.training import goes_on

_REFUSED = 3  # exit code of a command that found no result to trust
_INTERRUPTED = 130
_PATIENCE_S = 10.0  # for a step that was told to end
_PR_SET_PDEATHSIG = 1  # of Linux: which signal a process gets when its parent ends

Status = Literal["done", "resumes", "to do"]


class StepFailedError(SplatkitError):
    """A step ended without its product; the message names it and says how to resume."""


@dataclass(frozen=True)
class PlannedStep:
    """A step, and what is left of it."""

    step: Step
    status: Status


def plan(pipeline: Pipeline) -> list[PlannedStep]:
    """What a start would do now. A step behind one that is not done is not done either."""
    state, planned, fresh = State(pipeline), list[PlannedStep](), set[str]()
    for step in pipeline.steps:
        status: Status = "to do"
        if not fresh & set(step.needs):
            if state.is_done(step):
                status = "done"
            elif step.program == "ns-train" and _may_go_on(state, step):
                status = "resumes"
        if status != "done":
            fresh.add(step.name)
        planned.append(PlannedStep(step, status))
    return planned


def run_steps(pipeline: Pipeline, tell: Callable[[str], None]) -> State:
    """Do what is not done, in order; returns what is known of all steps then.

    Args:
        pipeline: what to do.
        tell: says one line to the person who waits.

    Raises:
        StepFailedError: a step failed; what was done before it stays, and the same call goes on.
        RefusedError: a step found no result that one could trust.
        KeyboardInterrupt: the person, or a step on their behalf, stopped it.
    """
    state = State(pipeline)
    with alone_in(pipeline.out, "splatkit run"):
        _check_training(pipeline, state, tell)
        count = len(pipeline.steps)
        for number, step in enumerate(pipeline.steps, 1):
            label = f"[{number}/{count}] {step.name}"
            if state.is_done(step):
                tell(f"{label}: done already")
                continue
            tell(f"{label}: {command_line(step)}")
            _do(state, step)
    return state


def command_line(step: Step) -> str:
    """What a person would type."""
    words = (step.program, *step.words)
    return " ".join(word if word and not set(word) & set(" '\"$*?&|<>()") else f"'{word}'" for word in words)


def _check_training(pipeline: Pipeline, state: State, tell: Callable[[str], None]) -> None:
    """Let nerfstudio judge its options before the steps that come first, which may take hours."""
    training = next((step for step in pipeline.steps if step.trains), None)
    if training is None or not training.needs or state.is_done(training):
        return
    if all(state.is_done(step) for step in pipeline.steps if step.name in training.needs):
        return  # it will say so itself, at once
    tell(f"checking the options of [{TRAINING}]")
    command = [sys.executable, "-W", "ignore", "-m", "splatkit.optimize.check_words", *training.trains]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        raise SettingsError(f"{pipeline.source}: [{TRAINING}]: {checked.stderr.strip()}")


def _may_go_on(state: State, step: Step) -> bool:
    record = state.read(step.name)
    known = record is not None and not record.done and all(path.exists() for path in step.inputs)
    return known and record is not None and record.made_from == state.made_from(step)


def _do(state: State, step: Step) -> None:
    made_from, spent, by_nerfstudio = state.made_from(step), Cost(), step.program == "ns-train"
    if by_nerfstudio and _may_go_on(state, step):
        record = state.read(step.name)
        spent = Cost() if record is None else record.cost
    elif step.is_run:
        _move_aside(step.out)
    remove_leftovers(step.out)
    state.write(step.name, StepRecord(made_from, False, spent, step.words))
    # Commands swap a new product in when it is complete: until then the old one stays.
    words = goes_on(step.words, step.out) if by_nerfstudio else (*step.words, *step.again)
    with gather_warnings(step.name) as environment:
        code, cost = _call("nerfstudio.scripts.train" if by_nerfstudio else "splatkit.cli", words, environment)
    LOGGER.info("%s: %.1f s, %.2f GB of memory at most", step.name, cost.wall_s, cost.peak_mb / 1000)
    done = code == 0 and step.product.exists()
    state.write(step.name, StepRecord(made_from, done, spent.plus(cost), step.words))
    if not done:
        _explain(step, code)


def _explain(step: Step, code: int) -> None:
    again = "fix it, then the same command resumes from there"
    if code in (_INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code == _REFUSED:
        raise RefusedError(f"{step.name}: found no result to trust, for the reason above; {again}")
    if code == -signal.SIGKILL:
        raise StepFailedError(f"{step.name}: was killed by the system, most likely because memory ran out")
    raise StepFailedError(f"{step.name}: failed (exit code {code}), for the reason above; {again}")


def _call(module: str, words: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, Cost]:
    """Run a module of Python; returns its exit code and cost."""
    started = time.perf_counter()
    command = [sys.executable, "-m", module, *words]
    shown = None if shows_notes() else subprocess.DEVNULL  # what a step makes is no result of the pipeline
    process = subprocess.Popen(command, env=environment, stdout=shown, preexec_fn=_die_with_parent)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except KeyboardInterrupt:
        _stop(process.pid)
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, peak_memory_mb(usage))
    return process.returncode, cost


def _stop(pid: int) -> None:
    """Wait for a process that should end; a terminal has told it already, others have not."""
    for told, patience in ((None, 3.0), (signal.SIGINT, _PATIENCE_S), (signal.SIGKILL, _PATIENCE_S)):
        if told is not None:
            os.kill(pid, told)
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            time.sleep(0.05)
    os.waitpid(pid, 0)


def _die_with_parent() -> None:
    """Let the kernel end a step whose `splatkit run` was killed: nobody would keep what it makes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _move_aside(run: Path) -> None:
    """Keep the run that other options or data made, in the place of the one before it: it may have taken days."""
    if run.exists():
        before = run.with_name(f"{run.name}-before")
        shutil.rmtree(before, ignore_errors=True)
        run.rename(before)
