"""`splatkit run`: the whole way from raw capture to mesh, from one file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from splatkit.commands.terminal import note, say

if TYPE_CHECKING:  # the command's other parts should start without these
    from splatkit.pipeline.config import Pipeline


@dataclass(frozen=True)
class RunPipeline:
    """Run all the steps that a TOML file asks for: capture, optimize, export. Steps that are up to date are skipped.

    Each table of the file is a command, and its keys are the command's options. If interrupted, the same command
    resumes. A step runs again when its options, its input files or a step before it have changed.
    """

    config: tyro.conf.Positional[Path]
    """The TOML file."""
    out: Path | None = None
    """Output folder; by default `out` of the file."""
    dry_run: bool = False
    """Only print what would run, with estimates of time and memory."""


def run_pipeline(settings: RunPipeline) -> None:
    """Check all of the file, then do the steps, then write the report."""
    from splatkit.pipeline.config import read_pipeline
    from splatkit.pipeline.runner import run_steps

    pipeline = read_pipeline(settings.config, settings.out)
    if settings.dry_run:
        _tell_plan(pipeline)
        return
    if sys.stdout.isatty():
        note(f"{pipeline.out}: interrupt at any time; the same command resumes")
    state = run_steps(pipeline, note)
    if not state.is_reported():
        from splatkit.pages.pipeline import write_pipeline_report  # takes seconds to import

        write_pipeline_report(pipeline, state)
    say(f"Report: {state.report}")
    for step in pipeline.steps:
        if step.name.startswith("export"):
            say(f"{step.name.removeprefix('export.').capitalize() + ':':7} {step.out}")
        elif step.is_run:
            say(f"Viewer: ns-viewer --load-config {step.product} --viewer.websocket-host 127.0.0.1")


def _tell_plan(pipeline: Pipeline) -> None:
    from splatkit.pipeline.estimates import estimate_steps
    from splatkit.pipeline.runner import command_line, plan

    estimates, left = estimate_steps(pipeline), []
    for planned in plan(pipeline):
        estimate = estimates[planned.step.name]
        if planned.status == "done":
            say(f"{planned.step.name}: done, took {_duration(estimate.cpu_s)} of CPU time")
            continue
        left.append(estimate)
        needed = f"about {_duration(estimate.cpu_s)} of CPU time, {estimate.peak_mb / 1000:.1f} GB of memory"
        say(f"{planned.step.name}: {planned.status}, {needed}")
        say(f"    {command_line(planned.step)}")
    if left:
        seconds, peak = sum(item.cpu_s for item in left), max(item.peak_mb for item in left)
        say(f"left: {_duration(seconds)} of CPU time, at most {peak / 1000:.1f} GB of memory at a time")
    else:
        say("left: nothing")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
