"""What each step of `make demo` takes: wall and CPU time, and memory."""

import tempfile
from pathlib import Path

from benchmarks.record import Record, record
from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.runner import run_steps

_DEMO = Path(__file__).resolve().parent.parent / "demo.toml"
_QUICK = """
[scene]
name = "studio"
width = 48
height = 36
views = 12
[optimize]
steps = 20
[export.splats]
"""


def measure_pipeline(data: Path | None, quick: bool) -> list[Record]:
    """Every step in a process of its own, once. Quick: a small scene without capture."""
    with tempfile.TemporaryDirectory() as folder:
        config = _DEMO
        if quick:
            config = Path(folder) / "quick.toml"
            config.write_text(_QUICK, encoding="utf-8")
        pipeline = read_pipeline(config, Path(folder) / "out")
        state = run_steps(pipeline, print)
        records = []
        for step in pipeline.steps:
            done = state.read(step.name)
            assert done is not None  # all steps are done
            params: dict[str, str | int] = {"step": step.name}
            records += [
                record("step/time", {**params, "clock": "wall"}, "s", [done.cost.wall_s]),
                record("step/time", {**params, "clock": "cpu"}, "s", [done.cost.cpu_s]),
                record("step/peak_memory_mb", params, "MB", [done.cost.peak_mb]),
            ]
    total = [entry.median for entry in records if entry.params.get("clock") == "wall"]
    return [*records, record("step/time", {"step": "all", "clock": "wall"}, "s", [sum(total)])]
