"""Training on the fox photographs: quality on every 8th image, cost, and what quality costs in bytes.

Bytes are compared at equal quality: of the exact kernel with harmonics, which shows the kernel alone, and of both
kernels with lobes, over those of Gaussians with harmonics of degree 3, the settings of splatfacto.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.record import Record, record
from splatkit.export.files.splat_export import export_splats
from splatkit.export.settings import ExportSplatsSettings
from splatkit.memory import peak_memory_mb
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config, train_config
from splatkit.runs.trained_run import evaluate, mean_scores
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.kernels.table import ShapeSettings

_STEP_SPLATS = 10_000  # for the cost of one step: no splat is added or dropped
_CAPS = (2000, 5000, 10_000, 20_000, 40_000)
_REFERENCE_CAP = 10_000  # the Gaussian control's quality at this count is what all are compared at
_LOBES = 2


@dataclass(frozen=True)
class Variant:
    """What splats are made of."""

    kernel: Literal["gaussian", "exact"]
    appearance: Literal["harmonics", "lobes"]


_CONTROL = Variant("gaussian", "harmonics")
_VARIANTS = (_CONTROL, Variant("exact", "harmonics"), Variant("gaussian", "lobes"), Variant("exact", "lobes"))


@dataclass(frozen=True)
class SizedRun:
    """A run's files."""

    variant: Variant
    cap: int
    format: str
    size: int  # bytes
    psnr: float  # dB, of what the file holds


def measure_training(data: Path | None, quick: bool) -> list[Record]:
    """Train fox for 2 000 steps (fox_tiny for 100 if quick), at a fixed count, and each variant at five caps."""
    if data is None:
        raise ValueError("data: training needs the folder of the real scenes")
    scene, steps = ("fox_tiny", 100) if quick else ("fox", 2000)
    with tempfile.TemporaryDirectory() as folder:
        trained = train_config(make_config(data / scene, Path(folder), scene, steps))
        memory = peak_memory_mb()
        run = load_ges_run(trained.config_path)
        psnr, ssim = mean_scores(evaluate(run))
        params: dict[str, str | int] = {"scene": scene, "steps": steps, "kernel": "exact", "splats": len(run.splats)}
        records = [
            record("fox/psnr", params, "dB", [psnr]),
            record("fox/ssim", params, "1", [ssim]),
            record("fox/cpu_seconds", params, "s", [trained.cpu_s]),
            record("fox/wall_seconds", params, "s", [trained.wall_s]),
            record("fox/peak_memory_mb", params, "MB", [memory]),
        ]
        short, long = (20, 60) if quick else (100, 400)
        costs = [_fixed_count_cost(data / scene, Path(folder), count) for count in (short, long)]
        caps = (300, 600, 1200) if quick else _CAPS
        runs = [x for variant in _VARIANTS for x in _at_caps(data / scene, Path(folder), variant, caps, steps)]
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
    return train_config(config).cpu_s


def _at_caps(data: Path, folder: Path, variant: Variant, caps: tuple[int, ...], steps: int) -> list[SizedRun]:
    """Files of runs of one variant at several caps of the count, without what only other viewers need."""
    sized = []
    for cap in caps:
        config = make_config(data, folder, f"{variant.kernel}_{variant.appearance}_{cap}", steps)
        model = config.pipeline.model
        model.densification = DensificationSettings(max_splats=cap)
        model.shape = ShapeSettings(kernel=variant.kernel)
        model.lobes = _LOBES if variant.appearance == "lobes" else 0
        config_path = train_config(config).config_path
        for name in ("ply", "sog"):
            out = config_path.parent / f"splats.{name}"
            done = export_splats(ExportSplatsSettings(config_path, out, viewer_degree=0))
            sized.append(SizedRun(variant, cap, name, done.size, done.psnr_of_file))
    return sized


def _size_records(scene: str, steps: int, runs: list[SizedRun], reference: int) -> list[Record]:
    records = []
    for run in runs:
        params: dict[str, str | int] = {"scene": scene, "steps": steps, **vars(run.variant), "cap": run.cap}
        records.append(record(f"fox/psnr_{run.format}", params, "dB", [run.psnr]))
        records.append(record(f"fox/bytes_{run.format}", params, "B", [float(run.size)]))
    for name in ("ply", "sog"):
        control = next(r for r in runs if (r.variant, r.format, r.cap) == (_CONTROL, name, reference))
        for variant in _VARIANTS[1:]:
            size = size_at([r for r in runs if (r.variant, r.format) == (variant, name)], control.psnr)
            params = {"scene": scene, "steps": steps, "format": name, "gaussian_cap": reference, **vars(variant)}
            records.append(record("fox/bytes_ratio_at_equal_psnr", params, "1", [size / control.size]))
    return records


def size_at(runs: list[SizedRun], psnr: float) -> float:
    """Bytes at which runs reach a PSNR, linear in the logarithm of the bytes; NaN beyond the smallest and largest."""
    ordered = sorted(runs, key=lambda run: run.psnr)
    values = [run.psnr for run in ordered]
    if not values[0] <= psnr <= values[-1]:
        return math.nan
    return float(np.exp(np.interp(psnr, values, [math.log(run.size) for run in ordered])))
