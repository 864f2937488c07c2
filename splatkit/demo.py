"""`make demo`: a generated scene through the whole toolkit, judged against its exact truth in one HTML page.

Each stage leaves its product in the output folder; a stage whose product is there is not run again, so an interrupted
demo goes on where it stopped.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from splatkit.evaluation.geometry import SurfaceDistances, compare_surfaces, visible_sample
from splatkit.export.run_export import export_run
from splatkit.export.surface import SurfaceSettings
from splatkit.io.atomic import atomic_directory, atomic_file
from splatkit.io.images import to_uint8
from splatkit.io.meshes import read_mesh
from splatkit.optimize.load_run import (
    ImageScore,
    TrainedRun,
    evaluate,
    load_run,
    mean_scores,
    read_target,
    render_view,
)
from splatkit.optimize.train_run import make_config, read_scalars, train
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.mesh_views import render_mesh_views
from splatkit.report.plots import colorize_depth, colorize_error, plot_curves
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

SCENE = "studio"
_VOXELS_PER_DIAGONAL = 300  # a mesh of some 200 000 faces: fine enough for millimeters, small enough to look at
_SHOWN_VIEWS = 3
_ERROR_LIMIT = 0.2  # of the brightness range, at the bright end of the error pictures


@dataclass(frozen=True)
class DemoSettings:
    """Size of the demo; the defaults take some minutes on two cores."""

    width: int = 320
    height: int = 240
    views: int = 48
    steps: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Cost:
    """What a stage took."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class _Paths:
    root: Path

    @property
    def scene(self) -> Path:
        return self.root / "scene"

    @property
    def config(self) -> Path:
        return self.root / "runs" / SCENE / "ges" / "run" / "config.yml"

    @property
    def export(self) -> Path:
        return self.root / "export"

    @property
    def costs(self) -> Path:
        return self.root / "costs.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"


def run_demo(out: Path, settings: DemoSettings) -> Path:
    """Generate, train, evaluate, export, report. Returns the path of the report.

    Args:
        out: folder of all products; finished stages in it are kept.
        settings: size of the demo.
    """
    paths = _Paths(out)
    out.mkdir(parents=True, exist_ok=True)
    _check_settings(out / "settings.json", settings)
    _stage(paths, "generate scene", paths.scene.exists(), lambda: _generate(paths, settings))
    _stage(paths, "train", _is_trained(paths, settings), lambda: _train(paths, settings))
    truth = json.loads((paths.scene / "truth/scene.json").read_text())
    voxel_size = truth["diagonal"] / _VOXELS_PER_DIAGONAL
    _stage(
        paths,
        "export",
        paths.export.exists(),
        lambda: export_run(paths.config, paths.export, SurfaceSettings(voxel_size=voxel_size)),
    )
    started = time.perf_counter(), time.process_time()
    run = load_run(paths.config)
    scores = evaluate(run)
    surface = _compare_mesh(paths, run, truth["diagonal"])
    _note_cost(paths, "evaluate", started)
    with atomic_file(paths.report) as temporary:
        temporary.write_text(_report(paths, run, scores, surface, truth["diagonal"]).render(), encoding="utf-8")
    return paths.report


def _check_settings(path: Path, settings: DemoSettings) -> None:
    """Products of other settings must not be mixed into this demo."""
    if path.is_file() and json.loads(path.read_text()) != asdict(settings):
        raise FileExistsError(f"{path.parent} holds a demo with other settings; choose another folder or delete it")
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(asdict(settings)) + "\n")


def _stage(paths: _Paths, name: str, done: bool, work: Callable[[], object]) -> None:
    if done:
        print(f"demo: {name}: already done")
        return
    print(f"demo: {name} ...", flush=True)
    started = time.perf_counter(), time.process_time()
    work()
    _note_cost(paths, name, started)


def _note_cost(paths: _Paths, name: str, started: tuple[float, float]) -> None:
    costs = json.loads(paths.costs.read_text()) if paths.costs.is_file() else {}
    costs[name] = asdict(Cost(time.perf_counter() - started[0], time.process_time() - started[1]))
    with atomic_file(paths.costs) as temporary:
        temporary.write_text(json.dumps(costs, indent=1) + "\n")


def _generate(paths: _Paths, settings: DemoSettings) -> None:
    with atomic_directory(paths.scene) as folder:
        description = read_scene(find_scene(SCENE))
        generate_scene(description, folder, settings.width, settings.height, settings.views, settings.seed)


def _is_trained(paths: _Paths, settings: DemoSettings) -> bool:
    return (paths.config.parent / "nerfstudio_models" / f"step-{settings.steps - 1:09d}.ckpt").is_file()


def _train(paths: _Paths, settings: DemoSettings) -> None:
    config = make_config(paths.scene, paths.root / "runs", SCENE, settings.steps, settings.seed)
    checkpoints = paths.config.parent / "nerfstudio_models"
    if any(checkpoints.glob("step-*.ckpt")):
        config.load_dir = checkpoints  # an interrupted run goes on
    train(config)


def _compare_mesh(paths: _Paths, run: TrainedRun, diagonal: float) -> SurfaceDistances:
    truth = read_mesh(paths.scene / "truth/mesh.ply")
    cameras = run.train_cameras
    width, height = cameras.sizes[0].tolist()
    seen = visible_sample(truth, cameras.viewmats, cameras.Ks, (width, height))
    return compare_surfaces(read_mesh(paths.export / "mesh.ply"), truth, diagonal / 200, truth_points=seen)


def _report(
    paths: _Paths, run: TrainedRun, scores: Sequence[ImageScore], surface: SurfaceDistances, diagonal: float
) -> HtmlReport:
    psnr, ssim = mean_scores(list(scores))
    report = HtmlReport("splatkit demo", f"The generated scene {SCENE}, trained, exported and compared with its truth.")
    report.section("At a glance")
    report.numbers(
        [
            (f"{psnr:.2f} dB", "PSNR of held-out views"),
            (f"{ssim:.3f}", "SSIM of held-out views (valid windows)"),
            (f"{100 * surface.accuracy_mean / diagonal:.2f} %", "mesh to truth, mean, of the diagonal"),
            (f"{100 * surface.completeness_mean / diagonal:.2f} %", "truth to mesh, mean, of the diagonal"),
            (f"{len(run.splats):,}", f"splats after {run.step + 1:,} steps"),
        ]
    )
    _add_views(report, paths, run, scores)
    report.section("Training")
    steps, values = read_scalars(paths.config, "Train Metrics Dict/psnr")
    loss_steps, losses = read_scalars(paths.config, "Train Loss")
    report.figures(
        [
            Picture(plot_curves({"loss": (loss_steps, losses)}, "step", "loss"), "Loss of the training views"),
            Picture(plot_curves({"PSNR": (steps, values)}, "step", "PSNR, dB"), "PSNR of the training views"),
        ]
    )
    _add_mesh(report, paths, surface, diagonal)
    _add_costs(report, paths)
    return report


def _add_views(report: HtmlReport, paths: _Paths, run: TrainedRun, scores: Sequence[ImageScore]) -> None:
    report.section("Held-out views")
    report.text(
        f"Truth, rendering, their difference (bright is {_ERROR_LIMIT:g} of the brightness range or more) and rendered "
        "depth (red is near). Training never saw these views."
    )
    cameras = run.eval_cameras
    for index in np.linspace(0, len(cameras) - 1, _SHOWN_VIEWS).round().astype(int).tolist():
        target = read_target(cameras.image_paths[index])
        width, height = cameras.sizes[index].tolist()
        rendered = render_view(run, cameras, index)
        rendering = run.render(cameras.viewmats[index], cameras.Ks[index], width, height)
        depths = torch.where(rendering.alphas[0] > 0.5, rendering.depths[0], 0.0)[..., 0].numpy()
        near, far = np.quantile(depths[depths > 0], [0.01, 0.99])
        score = scores[index]
        report.figures(
            [
                Picture(to_uint8(target.numpy()), cameras.image_paths[index].name),
                Picture(to_uint8(rendered.numpy()), f"{score.psnr:.2f} dB, SSIM {score.ssim:.3f}"),
                Picture(colorize_error(rendered.numpy(), target.numpy(), _ERROR_LIMIT), "difference"),
                Picture(colorize_depth(depths, float(near), float(far)), f"depth, {near:.2f} to {far:.2f} m"),
            ]
        )


def _add_mesh(report: HtmlReport, paths: _Paths, surface: SurfaceDistances, diagonal: float) -> None:
    report.section("Mesh")
    report.text("Above the reconstruction from several sides, below the exact mesh that was rendered.")
    for name, path in (("reconstruction", paths.export / "mesh.ply"), ("truth", paths.scene / "truth/mesh.ply")):
        mesh = read_mesh(path)
        views = render_mesh_views(mesh, mesh.vertex_colors)
        report.figures([Picture(view, f"{name}, {len(mesh.faces):,} faces") for view in views])
    rows = [
        ("mesh to truth, mean", surface.accuracy_mean),
        ("mesh to truth, median", surface.accuracy_median),
        ("truth to mesh, mean (what 3 cameras see)", surface.completeness_mean),
        ("truth to mesh, median", surface.completeness_median),
        ("Chamfer distance (mean of the two means)", surface.chamfer),
    ]
    table = [(name, f"{1000 * value:.1f} mm", f"{100 * value / diagonal:.3f} %") for name, value in rows]
    table.append((f"F-score at {1000 * surface.tau:.1f} mm", f"{surface.f_score:.3f}", ""))
    report.table(["distance", "value", "of the diagonal"], table)


def _add_costs(report: HtmlReport, paths: _Paths) -> None:
    report.section("Costs")
    costs = json.loads(paths.costs.read_text())
    report.table(
        ["stage", "wall", "CPU"],
        [(name, f"{cost['wall_s']:.1f} s", f"{cost['cpu_s']:.1f} s") for name, cost in costs.items()],
    )
    files = sorted(path for path in paths.export.iterdir() if path.is_file())
    report.table(["file", "size"], [(path.name, f"{path.stat().st_size / 1e6:.2f} MB") for path in files])


def viewer_command(out: Path) -> str:
    """What to type to look at the trained scene."""
    return f"ns-viewer --load-config {_Paths(out).config} --viewer.websocket-host 127.0.0.1"
