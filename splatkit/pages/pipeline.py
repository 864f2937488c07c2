"""One page about a whole pipeline: what came out, what each step took, and where to read more."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatkit.io.atomic import atomic_file
from splatkit.io.images import read_image, to_uint8
from splatkit.io.meshes import read_mesh
from splatkit.optimize.load_run import load_run
from splatkit.pipeline.blocks import PLAN_STEP
from splatkit.pipeline.config import TRAINING, Pipeline, Step
from splatkit.pipeline.state import Cost, State
from splatkit.pipeline.truth import SceneTruth
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.plots import colorize_depth, colorize_error, plot_curves
from splatkit.report.turntable import Turntable
from splatkit.runs.scalars import read_scalars
from splatkit.runs.trained_run import ImageScore, TrainedRun, evaluate, mean_scores, read_target
from splatkit.runs.views import Run

_SHOWN_VIEWS = 3
_SHOWN_SIDES = 4  # of the mesh
_ERROR_LIMIT = 0.2  # of the brightness range, at the bright end of the error pictures


def write_pipeline_report(pipeline: Pipeline, state: State) -> None:
    """Write report.html beside the products of a pipeline whose steps are done."""
    report = HtmlReport(pipeline.source.stem, f"{len(pipeline.steps)} steps, from {pipeline.source.name}")
    truth = SceneTruth.of(pipeline)
    trained = pipeline.find(TRAINING)
    run = None if trained is None else load_run(trained.product)
    scores = evaluate(run) if isinstance(run, TrainedRun) else []
    _add_glance(report, pipeline, run, scores, truth)
    _add_calibrations(report, pipeline, truth)
    planned = pipeline.find(PLAN_STEP)
    if trained is not None and planned is not None:
        _add_blocks(report, planned, trained.out)
    elif trained is not None:
        _add_training(report, trained.product)
    if isinstance(run, TrainedRun):
        _add_views(report, run, scores)
    _add_mesh(report, pipeline, run, truth)
    _add_costs(report, pipeline, state)
    with atomic_file(state.report) as temporary:
        temporary.write_text(report.render(), encoding="utf-8")
    state.keep_reported()


def _add_glance(
    report: HtmlReport,
    pipeline: Pipeline,
    run: Run | None,
    scores: Sequence[ImageScore],
    truth: SceneTruth | None,
) -> None:
    numbers = []
    if run is not None and scores:
        psnr, ssim = mean_scores(list(scores))
        numbers += [(f"{psnr:.2f} dB", "PSNR of held-out views"), (f"{ssim:.3f}", "SSIM of held-out views")]
    export = _export_record(pipeline)
    if export is not None:
        numbers.append((f"{export['mesh']['faces']:,}", f"triangles, in {export['units']}"))
    if truth is not None and run is not None and export is not None:
        distances = truth.compare(read_mesh(_mesh_path(pipeline)), run.train_views, _reach(export))
        numbers.append((f"{1000 * distances.accuracy_median:.0f} mm", "mesh to truth, median"))
    report.section("At a glance")
    if numbers:
        report.numbers(numbers)
    report.links([(_relative(pipeline, page), name) for name, page in _reports(pipeline)])


def _add_calibrations(report: HtmlReport, pipeline: Pipeline, truth: SceneTruth | None) -> None:
    rows = []
    for step in pipeline.steps:
        if not step.name.startswith("calibrate"):
            continue
        content = json.loads((step.out / "calibration.json").read_text(encoding="utf-8"))
        for camera in content["cameras"]:
            label = step.name.removeprefix("calibrate.") if len(content["cameras"]) == 1 else camera["name"]
            rotation = float(np.linalg.norm(camera["rotation_sd_deg"]))
            translation = 1000 * float(np.linalg.norm(camera["translation_sd_m"]))
            row = [label, f"{rotation:.3f}°", f"{translation:.1f} mm"]
            if truth is not None:
                error = truth.extrinsic_error(label, np.array(camera["T_camera_lidar"]))
                row += ["", ""] if error is None else [f"{error[0]:.3f}°", f"{1000 * error[1]:.1f} mm"]
            rows.append(row)
    if not rows:
        return
    report.section("Where the LiDAR is")
    report.text("Extrinsics of each camera, with one standard deviation as the calibration states it.")
    header = ["camera", "rotation", "translation"]
    report.table(header if truth is None else [*header, "true error, rotation", "translation"], rows)


def _add_training(report: HtmlReport, config_path: Path) -> None:
    report.section("Training")
    curves = []
    for tag, label in (("Train Loss", "loss"), ("Train Metrics Dict/psnr", "PSNR, dB")):
        steps, values = read_scalars(config_path, tag)
        if steps:
            curves.append(Picture(plot_curves({label: (steps, values)}, "step", label), f"{label} of training views"))
    if curves:
        report.figures(curves)


def _add_blocks(report: HtmlReport, planned: Step, merged: Path) -> None:
    """The plan of a training in blocks, and what came of them."""
    report.section("Training in blocks")
    content = json.loads((merged / "merge.json").read_text(encoding="utf-8"))
    report.table(["part", "splats"], [(name, f"{count:,}") for name, count in content["counts"].items()])
    report.figures([Picture(read_image(planned.out / "plan.png"), "cells from above, with cameras and splats")])


def _add_views(report: HtmlReport, run: TrainedRun, scores: Sequence[ImageScore]) -> None:
    report.section("Held-out views")
    report.text(
        f"Photographs that training never saw, their renderings, the difference (bright is {_ERROR_LIMIT:g} of the "
        "brightness range or more) and rendered depth (red is near)."
    )
    views = run.eval_views
    for index in np.linspace(0, len(views) - 1, min(_SHOWN_VIEWS, len(views))).round().astype(int).tolist():
        target, rendering = read_target(views[index].image_path), run.render(views[index].posed)
        rendered = rendering.colors[0].clamp(0, 1)
        depths = torch.where(rendering.alphas[0] > 0.5, rendering.depths[0], 0.0)[..., 0].numpy()
        near, far = np.quantile(depths[depths > 0], [0.01, 0.99]) if (depths > 0).any() else (0.0, 1.0)
        score = scores[index]
        report.figures(
            [
                Picture(to_uint8(target.numpy()), views[index].image_path.name),
                Picture(to_uint8(rendered.numpy()), f"{score.psnr:.2f} dB, SSIM {score.ssim:.3f}"),
                Picture(colorize_error(rendered.numpy(), target.numpy(), _ERROR_LIMIT), "difference"),
                Picture(colorize_depth(depths, float(near), float(far)), f"depth, {near:.2f} to {far:.2f}"),
            ]
        )


def _add_mesh(report: HtmlReport, pipeline: Pipeline, run: Run | None, truth: SceneTruth | None) -> None:
    export = _export_record(pipeline)
    if export is None:
        return
    mesh = read_mesh(_mesh_path(pipeline))
    report.section("Mesh")
    report.text(f"How good it is: {export['held_out']['verdict']}.")
    report.text(
        "Here with colors at its vertices; its own report shows the texture, views of it beside photographs, and turns "
        "with the mouse."
    )
    azimuths = np.linspace(0, 360, _SHOWN_SIDES, endpoint=False)
    turntable = Turntable(mesh, (480, 360))
    report.figures([Picture(turntable.picture(azimuth), f"from {azimuth:.0f}°") for azimuth in azimuths.tolist()])
    if truth is None or run is None:
        return
    reach = _reach(export)
    found = truth.compare(mesh, run.train_views, reach)
    report.table(
        [f"distance, up to {reach:g} m from the cameras", "mean", "median"],
        [
            ("mesh to truth", f"{1000 * found.accuracy_mean:.1f} mm", f"{1000 * found.accuracy_median:.1f} mm"),
            (
                "truth to mesh, what 3 cameras see",
                f"{1000 * found.completeness_mean:.1f} mm",
                f"{1000 * found.completeness_median:.1f} mm",
            ),
            (f"F-score at {1000 * found.tau:.0f} mm", f"{found.f_score:.3f}", ""),
        ],
    )


def _reach(export: Mapping[str, Any]) -> float:
    """As far from the cameras as the mesh was asked to go; what is farther cannot be judged by it."""
    return float(export["surface"]["settings"]["max_depth"] or 30.0)


def _add_costs(report: HtmlReport, pipeline: Pipeline, state: State) -> None:
    report.section("Costs")
    costs = {step.name: record.cost for step in pipeline.steps if (record := state.read(step.name)) is not None}
    total = Cost()
    for cost in costs.values():
        total = total.plus(cost)
    rows = [(name, *_cost_cells(cost)) for name, cost in [*costs.items(), ("all", total)]]
    report.table(["step", "wall", "CPU", "memory at most"], rows)


def _cost_cells(cost: Cost) -> tuple[str, str, str]:
    return f"{cost.wall_s:.0f} s", f"{cost.cpu_s:.0f} s", f"{cost.peak_mb:,.0f} MB"


def _reports(pipeline: Pipeline) -> list[tuple[str, Path]]:
    pages = [(step.name, step.out / "report.html") for step in pipeline.steps if not step.is_run]
    return [(name, page) for name, page in pages if page.is_file()]


def _export_record(pipeline: Pipeline) -> dict[str, Any] | None:
    step: Step | None = pipeline.find("export.mesh")
    return None if step is None else json.loads((step.out / "export.json").read_text(encoding="utf-8"))


def _mesh_path(pipeline: Pipeline) -> Path:
    step = pipeline.find("export.mesh")
    assert step is not None  # asked only where there is a record
    return step.out / "mesh.ply"


def _relative(pipeline: Pipeline, path: Path) -> str:
    return path.relative_to(pipeline.out).as_posix()
