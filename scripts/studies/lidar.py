"""One case of the study of LiDARs: train on a dataset of the generated walk, judge depths, pictures and the mesh."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from quiet import train_quietly
from splatkit.errors import EmptyMeshError
from splatkit.evaluation.depth import depth_metrics
from splatkit.evaluation.geometry import compare_surfaces, visible_sample
from splatkit.export.surface.make_surface import SurfaceSettings, make_surface
from splatkit.io.atomic import atomic_file
from splatkit.io.images import read_image, write_image
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.io.transforms_json import read_transforms
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config
from splatkit.report.plots import colorize_depth
from splatkit.runs.trained_run import TrainedRun, evaluate, mean_scores
from splatkit.runs.views import RunView, view_centers
from splatkit.splatting.densification import DensificationSettings
from studies.store import group_by, mean_and_spread

_TAU_M = 0.05
_SHOWN_VIEW = 1  # of the held-out ones
_COLORS_M = (1.0, 15.0)  # of the depths from red to blue
_GAP = 4  # px between pictures
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


def measure_case(case: LidarCase, dataset: Path, truth: Truth, pictures: Path) -> dict[str, float]:
    """Train, then compare every held-out view and the mesh; the depth of one view becomes a picture."""
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(dataset, Path(folder), "lidar", case.steps, case.seed)
        config.pipeline.model.densification = DensificationSettings(max_splats=case.max_splats)
        trained = train_quietly(config)
        run = load_ges_run(trained.config_path)
    write_image(pictures / f"{case.name}.png", _shown(_median_depth(run, run.eval_views[_SHOWN_VIEW])))
    psnr, ssim = mean_scores(evaluate(run))
    scores = {"psnr": psnr, "ssim": ssim, "splats": len(run.splats), "cpu_seconds": trained.cpu_s}
    return scores | _depth_scores(run, truth) | _mesh_scores(run, truth)


def _depth_scores(run: TrainedRun, truth: Truth) -> dict[str, float]:
    """Medians over the held-out views of the errors of each, within `_FARTHEST_M`."""
    rows = []
    for view in run.eval_views:
        true = truth.depth(view.image_path)
        near = (true > 0) & (true < _FARTHEST_M)
        rows.append(tuple(depth_metrics(_median_depth(run, view)[near], true[near]).values()))
    medians = np.median(np.array(rows), axis=0)
    return dict(zip(("depth_median", "depth_mean", "depth_within"), map(float, medians), strict=True))


def _median_depth(run: TrainedRun, view: RunView) -> torch.Tensor:
    """Of a view, [H, W] m."""
    rendering = run.render(view.posed, ("median_depths",))
    assert rendering.median_depths is not None  # asked for
    return rendering.median_depths[0, ..., 0]


def _shown(depth: torch.Tensor) -> NDArray[np.uint8]:
    return colorize_depth(depth.numpy(), *_COLORS_M)


def write_comparison(out: Path, walk: Path, names: list[str]) -> None:
    """One picture: a held-out photograph, its depth in the runs of these names, and the true one."""
    truth = Truth(walk)
    frames = {frame.file_path: frame for frame in read_transforms(walk).frames}
    held_out = frames[sorted(read_transforms(walk).splits["test"])[_SHOWN_VIEW]].image_path
    parts = [read_image(held_out), *(read_image(out / f"pictures/{name}.png") for name in names)]
    parts.append(_shown(truth.depth(held_out)))
    gap = np.full((len(parts[0]), _GAP, 3), 255, np.uint8)
    row = [piece for part in parts for piece in (part, gap)][:-1]
    write_image(out / "lidar.jpg", np.concatenate(row, 1))


def _mesh_scores(run: TrainedRun, truth: Truth) -> dict[str, float]:
    """The exported mesh against what the training cameras see of the truth, in meters."""
    try:
        mesh = make_surface(run, SurfaceSettings()).mesh
    except EmptyMeshError:
        return {"f_score": 0.0, "accuracy_median": float("inf")}
    seen = visible_sample(truth.mesh, [view.posed for view in run.train_views], min_views=2)
    center = torch.from_numpy(view_centers(run.train_views).mean(0))
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
