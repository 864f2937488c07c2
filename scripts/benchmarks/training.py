"""Training on the fox photographs: quality on every 8th image, and cost."""

import tempfile
from pathlib import Path

from benchmarks.record import Record, record
from splatkit.optimize.load_run import load_run
from splatkit.optimize.train_run import evaluate, make_config, mean_scores, train


def measure_training(data: Path | None, quick: bool) -> list[Record]:
    """Train fox for 2 000 steps (fox_tiny for 100 if quick)."""
    if data is None:
        raise ValueError("data: training needs the folder of the real scenes")
    scene, steps = ("fox_tiny", 100) if quick else ("fox", 2000)
    with tempfile.TemporaryDirectory() as folder:
        config_path, cost = train(make_config(data / scene, Path(folder), scene, steps))
        psnr, ssim = mean_scores(evaluate(config_path))
        splats = len(load_run(config_path).splats)
    params: dict[str, str | int] = {"scene": scene, "steps": steps, "splats": splats}
    return [
        record("fox/psnr", params, "dB", [psnr]),
        record("fox/ssim", params, "1", [ssim]),
        record("fox/cpu_seconds", params, "s", [cost.cpu_s]),
        record("fox/wall_seconds", params, "s", [cost.wall_s]),
    ]
