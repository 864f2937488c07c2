"""One case of the study of LiDARs: train on a dataset of the generated walk, judge depths, pictures and the mesh."""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from splatkit.errors import EmptyMeshError
from splatkit.evaluation.depth import depth_metrics
from splatkit.evaluation.geometry import compare_surfaces, visible_sample
from splatkit.export.fusion import FusionSettings
from splatkit.export.run_export import mesh_of_run
from splatkit.io.atomic import atomic_file
from splatkit.io.meshes import Mesh, read_mesh
from splatkit.optimize.load_run import TrainedRun, evaluate, load_run, mean_scores
from splatkit.optimize.train_run import make_config, train
from splatkit.splatting.densification import DensificationSettings
from studies.store import group_by, mean_and_spread

_TAU_M = 0.05
_FARTHEST_M = 30.0  # of what is judged: hills farther away are scenery
_COLUMNS = {
    "psnr": "PSNR, dB",
    "depth_median": "median depth error, m",
    "depth_mean": "mean, m",
    "depth_within": "within 5 %",
    "f_score": "mesh F-score at 5 cm",
    "accuracy_median": "mesh, median distance, m",
    "cpu_seconds": "CPU-s",
}


@dataclass(frozen=True)
class LidarCase:
    """One cell of the study."""

    subject: str  # dataset
    steps: int
    max_splats: int
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.subject.replace(', ', '-').replace(' ', '-')}-{self.steps}-{self.max_splats}-{self.seed}"


class Truth:
    """What is exactly known of a walk."""

    def __init__(self, walk: Path) -> None:
        self._walk = walk

    def depth(self, image: Path) -> torch.Tensor:
        """z-depth [H, W] of an image, m; 0 where the sky is."""
        return torch.from_numpy(np.load(self._walk / f"truth/depth/{image.stem}.npy"))

    @cached_property
    def mesh(self) -> Mesh:
        """The very triangles that were seen."""
        return read_mesh(self._walk / "truth/mesh.ply")


def measure_case(case: LidarCase, dataset: Path, truth: Truth) -> dict[str, float]:
    """Train, then compare every held-out view and the mesh."""
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(dataset, Path(folder), "lidar", case.steps, case.seed)
        config.pipeline.model.densification = DensificationSettings(max_splats=case.max_splats)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123 - no file
            config_path, cost = train(config)
        run = load_run(config_path)
    psnr, ssim = mean_scores(evaluate(run))
    scores = {"psnr": psnr, "ssim": ssim, "splats": len(run.splats), "cpu_seconds": cost.cpu_s}
    return scores | _depth_scores(run, truth) | _mesh_scores(run, truth)


def _depth_scores(run: TrainedRun, truth: Truth) -> dict[str, float]:
    """Medians over the held-out views of the errors of each, within `_FARTHEST_M`."""
    cameras = run.eval_cameras
    rows = []
    for index, path in enumerate(cameras.image_paths):
        width, height = cameras.sizes[index].tolist()
        rendering = run.render(cameras.viewmats[index], cameras.Ks[index], width, height, ("median_depths",))
        assert rendering.median_depths is not None  # asked for
        true = truth.depth(path)
        near = (true > 0) & (true < _FARTHEST_M)
        rows.append(tuple(depth_metrics(rendering.median_depths[0, ..., 0][near], true[near]).values()))
    medians = np.median(np.array(rows), axis=0)
    return dict(zip(("depth_median", "depth_mean", "depth_within"), map(float, medians), strict=True))


def _mesh_scores(run: TrainedRun, truth: Truth) -> dict[str, float]:
    """The exported mesh against what the training cameras see of the truth, in meters."""
    cameras = run.train_cameras
    try:
        mesh = mesh_of_run(run, FusionSettings())
    except EmptyMeshError:
        return {"f_score": 0.0, "accuracy_median": float("inf")}
    width, height = cameras.sizes[0].tolist()
    seen = visible_sample(truth.mesh, cameras.viewmats, cameras.Ks, (width, height), min_views=2)
    center = torch.linalg.inv(cameras.viewmats.double())[:, :3, 3].mean(0)
    near = seen[(seen - center).norm(dim=1) < _FARTHEST_M]
    found = compare_surfaces(_near(mesh, center), truth.mesh, _TAU_M, truth_points=near)
    return {"f_score": found.f_score, "accuracy_median": found.accuracy_median}


def _near(mesh: Mesh, center: torch.Tensor) -> Mesh:
    middles = mesh.vertices[mesh.faces].mean(1)
    return Mesh(mesh.vertices, mesh.faces[np.linalg.norm(middles - center.numpy(), axis=1) < _FARTHEST_M])


def write_lidar_summary(out: Path, results: list[tuple[LidarCase, dict[str, float]]]) -> None:
    """Write summary.md into `out`."""
    text = ["# What a LiDAR brings", ""]
    if results:
        case = results[0][0]
        text += [f"{case.steps} steps, at most {case.max_splats} splats; mean and spread over the seeds.", ""]
    text += ["| dataset | " + " | ".join(_COLUMNS.values()) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for subject, rows in group_by(results, lambda case: case.subject).items():
        figures = [mean_and_spread([result[name] for _, result in rows]) for name in _COLUMNS]
        cells = [f"{mean:.3g} ± {spread:.2g}" for mean, spread in figures]
        text.append(f"| {subject} | " + " | ".join(cells) + " |")
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")
