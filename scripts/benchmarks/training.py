"""Training on the fox photographs: quality on every 8th image, cost, and what quality costs in bytes."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.record import Record, record
from splatkit.export.splat_export import export_splats
from splatkit.optimize.load_run import evaluate, load_run, mean_scores
from splatkit.optimize.process_memory import peak_memory_mb
from splatkit.optimize.train_run import make_config, train
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.kernel import ShapeSettings

_STEP_SPLATS = 10_000  # for the cost of one step: no splat is added or dropped
_CAPS = (2000, 5000, 10_000, 20_000, 40_000)
_REFERENCE_CAP = 10_000  # the Gaussian control's quality at this count is what both are compared at


@dataclass(frozen=True)
class SizedRun:
    """A run's files."""

    kernel: str
    cap: int
    format: str
    size: int  # bytes
    psnr: float  # dB, of what the file holds


def measure_training(data: Path | None, quick: bool) -> list[Record]:
    """Train fox for 2 000 steps (fox_tiny for 100 if quick), at a fixed count, and with both kernels at five caps."""
    if data is None:
        raise ValueError("data: training needs the folder of the real scenes")
    scene, steps = ("fox_tiny", 100) if quick else ("fox", 2000)
    with tempfile.TemporaryDirectory() as folder:
        config_path, cost = train(make_config(data / scene, Path(folder), scene, steps))
        memory = peak_memory_mb()
        run = load_run(config_path)
        psnr, ssim = mean_scores(evaluate(run))
        params: dict[str, str | int] = {"scene": scene, "steps": steps, "kernel": "exact", "splats": len(run.splats)}
        records = [
            record("fox/psnr", params, "dB", [psnr]),
            record("fox/ssim", params, "1", [ssim]),
            record("fox/cpu_seconds", params, "s", [cost.cpu_s]),
            record("fox/wall_seconds", params, "s", [cost.wall_s]),
            record("fox/peak_memory_mb", params, "MB", [memory]),
        ]
        short, long = (20, 60) if quick else (100, 400)
        costs = [_fixed_count_cost(data / scene, Path(folder), count) for count in (short, long)]
        caps = (300, 600, 1200) if quick else _CAPS
        runs = [
            x for kernel in ("gaussian", "exact") for x in _at_caps(data / scene, Path(folder), kernel, caps, steps)
        ]
    step_params: dict[str, str | int] = {
        "scene": scene,
        "splats": min(_STEP_SPLATS, 3000) if quick else _STEP_SPLATS,
        "steps": long - short,
    }
    # The difference of two runs leaves out what they share: imports, images, set-up.
    records.append(record("fox/step_cpu_seconds", step_params, "s", [(costs[1] - costs[0]) / (long - short)]))
    return [*records, *_size_records(scene, steps, runs, caps[1] if quick else _REFERENCE_CAP)]


def _fixed_count_cost(data: Path, folder: Path, steps: int) -> float:
    """CPU-seconds of a run that never changes the count of splats."""
    config = make_config(data, folder, f"fixed_{steps}", steps)
    config.pipeline.model.densification = DensificationSettings(max_splats=_STEP_SPLATS, stop_share=0.0)
    return train(config)[1].cpu_s


def _at_caps(data: Path, folder: Path, kernel: str, caps: tuple[int, ...], steps: int) -> list[SizedRun]:
    """Files of runs of one kernel at several caps of the count."""
    out = []
    for cap in caps:
        config = make_config(data, folder, f"{kernel}_{cap}", steps)
        config.pipeline.model.densification = DensificationSettings(max_splats=cap)
        if kernel == "gaussian":
            config.pipeline.model.shape = ShapeSettings(kernel="gaussian")
        config_path, _ = train(config)
        for name in ("ply", "sog"):
            done = export_splats(config_path, config_path.parent / f"splats.{name}")
            out.append(SizedRun(kernel, cap, name, done.size, done.psnr_of_file))
    return out


def _size_records(scene: str, steps: int, runs: list[SizedRun], reference: int) -> list[Record]:
    records = []
    for run in runs:
        params: dict[str, str | int] = {"scene": scene, "steps": steps, "kernel": run.kernel, "cap": run.cap}
        records.append(record(f"fox/psnr_{run.format}", params, "dB", [run.psnr]))
        records.append(record(f"fox/bytes_{run.format}", params, "B", [float(run.size)]))
    for name in ("ply", "sog"):
        exact, gaussian = ([r for r in runs if (r.kernel, r.format) == (k, name)] for k in ("exact", "gaussian"))
        control = next(r for r in gaussian if r.cap == reference)
        size = size_at(exact, control.psnr)
        params = {"scene": scene, "steps": steps, "format": name, "gaussian_cap": reference}
        records.append(record("fox/bytes_ratio_at_equal_psnr", params, "1", [size / control.size]))
    return records


def size_at(runs: list[SizedRun], psnr: float) -> float:
    """Bytes at which runs reach a PSNR, linear in the logarithm of the bytes; NaN beyond the smallest and largest."""
    ordered = sorted(runs, key=lambda run: run.psnr)
    values = [run.psnr for run in ordered]
    if not values[0] <= psnr <= values[-1]:
        return math.nan
    return float(np.exp(np.interp(psnr, values, [math.log(run.size) for run in ordered])))
