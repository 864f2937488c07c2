"""Whole scenes at a fixed count of splats: held-out PSNR of each kernel after the same number of steps."""

import json
import shutil
import tempfile
from pathlib import Path

import cv2

from quiet import train_quietly
from splatkit.io.atomic import atomic_directory
from splatkit.io.images import read_image, write_image
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config
from splatkit.runs.trained_run import evaluate, mean_scores
from splatkit.splatting.densification import DensificationSettings
from studies.images import SHAPES
from studies.store import Case


def measure_scene(case: Case, dataset: Path) -> dict[str, float]:
    """Train `case.steps` steps with at most `case.count` splats; score every held-out view."""
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(dataset, Path(folder), case.subject, case.steps, case.seed)
        config.pipeline.model.shape = SHAPES[case.kernel]
        config.pipeline.model.densification = DensificationSettings(max_splats=case.count)
        trained = train_quietly(config)
        run = load_ges_run(trained.config_path)
        psnr, ssim = mean_scores(evaluate(run))
    return {"psnr": psnr, "ssim": ssim, "splats": len(run.splats), "cpu_seconds": trained.cpu_s}


def shrink_dataset(source: Path, target: Path, factor: int) -> Path:
    """A copy of a dataset of one camera whose images are smaller by an integer factor; made once."""
    if target.is_dir():
        return target
    with atomic_directory(target) as folder:
        meta = json.loads((source / "transforms.json").read_text())
        for frame in meta["frames"]:
            image = read_image(source / frame["file_path"])
            size = (image.shape[1] // factor, image.shape[0] // factor)
            frame["file_path"] = _as_png(frame["file_path"])
            (folder / frame["file_path"]).parent.mkdir(parents=True, exist_ok=True)
            write_image(folder / frame["file_path"], cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        for split in ("train_filenames", "val_filenames", "test_filenames"):
            if split in meta:
                meta[split] = [_as_png(name) for name in meta[split]]
        meta["w"], meta["h"] = size
        for name in ("fl_x", "fl_y", "cx", "cy"):
            meta[name] /= factor
        (folder / "transforms.json").write_text(json.dumps(meta))
        shutil.copy(source / meta["ply_file_path"], folder / meta["ply_file_path"])
    return target


def _as_png(name: str) -> str:
    return str(Path(name).with_suffix(".png"))
