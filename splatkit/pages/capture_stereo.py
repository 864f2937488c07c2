"""The report of stereo on a dataset: what has depth, how well, and the cloud that came of it."""

from pathlib import Path

import numpy as np

from splatkit.capture.stereo.stage import CapturedStereo
from splatkit.pages.stereo_section import add_stereo
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.top_view import draw_top_view
from splatkit.report.turnable import turnable_points


def write_stereo_report(folder: Path, captured: CapturedStereo) -> None:
    """Write report.html into the folder of a dataset with depths of stereo."""
    report = HtmlReport("Stereo", captured.verdict())
    add_stereo(report, folder, captured.stereo)
    for warning in captured.warnings:
        report.text(f"Warning: {warning}.")
    _cloud(report, captured)
    (folder / "report.html").write_text(report.render(), encoding="utf-8")


def _cloud(report: HtmlReport, captured: CapturedStereo) -> None:
    report.section("The cloud")
    poses = np.stack([frame.T_world_camera for frame in captured.transforms.frames])
    points, colors = captured.seed.points.astype(np.float64), captured.seed.colors
    assert colors is not None
    caption = f"{len(points):,} points of points.ply and photographs from above"
    report.figures([Picture(draw_top_view(points, colors, poses, np.zeros((0, 3))), caption)])
    report.page(turnable_points(points, colors, poses))
