"""Training on the fox photographs: quality on every 8th image, and cost."""

import tempfile
from pathlib import Path

from benchmarks.record import Record, record
from splatkit.optimize.load_run import evaluate, load_run, mean_scores
from splatkit.optimize.train_run import make_config, train
from splatkit.splatting.densification import DensificationSettings

_STEP_SPLATS = 10_000  # for the cost of one step: no splat is added or dropped


def measure_training(data: Path | None, quick: bool) -> list[Record]:
    """Train fox for 2 000 steps (fox_tiny for 100 if quick), then measure one step at a fixed count."""
    if data is None:
        raise ValueError("data: training needs the folder of the real scenes")
    scene, steps = ("fox_tiny", 100) if quick else ("fox", 2000)
    with tempfile.TemporaryDirectory() as folder:
        config_path, cost = train(make_config(data / scene, Path(folder), scene, steps))
        run = load_run(config_path)
        psnr, ssim = mean_scores(evaluate(run))
        splats = len(run.splats)
        params: dict[str, str | int] = {"scene": scene, "steps": steps, "splats": splats}
        records = [
            record("fox/psnr", params, "dB", [psnr]),
            record("fox/ssim", params, "1", [ssim]),
            record("fox/cpu_seconds", params, "s", [cost.cpu_s]),
            record("fox/wall_seconds", params, "s", [cost.wall_s]),
        ]
        short, long = (20, 60) if quick else (100, 400)
        costs = [_fixed_count_cost(data / scene, Path(folder), count) for count in (short, long)]
    params = {"scene": scene, "splats": min(_STEP_SPLATS, 3000) if quick else _STEP_SPLATS, "steps": long - short}
    # The difference of two runs leaves out what they share: imports, images, set-up.
    per_step = (costs[1] - costs[0]) / (long - short)
    return [*records, record("fox/step_cpu_seconds", params, "s", [per_step])]


def _fixed_count_cost(data: Path, folder: Path, steps: int) -> float:
    """CPU-seconds of a run that never changes the count of splats."""
    config = make_config(data, folder, f"fixed_{steps}", steps)
    config.pipeline.model.densification = DensificationSettings(max_splats=_STEP_SPLATS, stop_share=0.0)
    return train(config)[1].cpu_s
