"""The report of a capture from photographs: what found its place, how well, and what to photograph again."""

from pathlib import Path

import cv2
import numpy as np

from splatkit.capture.images.dataset import UprightScene
from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.findings import finite_blur
from splatkit.capture.images.gps import GpsAlignment
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.solved_scene import SolvedScene, SolvedView
from splatkit.capture.images.stage import CapturedImages
from splatkit.io.formats.transforms_lenses import model_name
from splatkit.io.images import read_image
from splatkit.pages.stereo_section import add_stereo
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.overlays import draw_points
from splatkit.report.plots import plot_histogram, plot_points
from splatkit.report.top_view import draw_top_view
from splatkit.report.turnable import turnable_points

_OVERLAYS, _ROW = 6, 2
_OVERLAY_WIDTH = 960  # px
_MOST_DOTS = 4000
_HISTOGRAM_PX = 3.0  # errors beyond it are drawn there
_MANY_VIEWS = 12  # of the histogram of views


def write_images_report(folder: Path, captured: CapturedImages) -> None:
    """Write report.html into the folder of a capture; photographs are read again for the overlays."""
    (folder / "report.html").write_text(_report(folder, captured).render(), encoding="utf-8")


def _report(folder: Path, captured: CapturedImages) -> HtmlReport:
    gathered, solution, upright = captured.gathered, captured.solution, captured.upright
    report = HtmlReport("Capture from photographs", captured.verdict())
    scene = upright.scene
    report.section("Is it good?")
    report.numbers(_numbers(scene, len(gathered.files)))
    for warning in captured.warnings:
        report.text(f"Warning: {warning}.")
    report.text(f"Frame: {upright.frame}.")
    if solution.pairs:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in solution.pairs.items())
        report.text(f"{sum(solution.pairs.values())} pairs of photographs were matched: {reasons}.")
    _gps(report, upright)
    if len(scene.errors):
        _errors(report, scene)
    _coverage(report, scene, gathered.is_video)
    _overlays(report, scene, {file.name: file for file in gathered.files})
    if captured.stereo is not None:
        add_stereo(report, folder, captured.stereo)
    _sharpness(report, gathered, {view.name for view in scene.views})
    if solution.lost:
        report.section("Left out")
        report.text(
            "These share too few features with the others: about 30 verified matches with a placed photograph are "
            "needed. Photographs between them and their neighbors help most."
        )
        report.table(("photograph", "most matches"), [(name, str(count)) for name, count in solution.lost.items()])
    _lenses(report, scene)
    return report


def _gps(report: HtmlReport, upright: UprightScene) -> None:
    gps = upright.gps
    if not isinstance(gps, GpsAlignment):
        return
    report.text(
        f"GPS of {len(gps.residuals_m)} photographs gives scale, heading and place: the scale is known to "
        f"{100 * gps.scale_uncertainty:.2g} %, the heading to {np.degrees(gps.heading_uncertainty):.1f} deg (standard "
        f"deviations). Positions lie {np.median(gps.residuals_m):.1f} m from their cameras (median); "
        f"{len(gps.disagreeing)} contradict the others. Place and altitude are off by meters, all together."
    )


def _numbers(scene: SolvedScene, total: int) -> list[tuple[str, str]]:
    numbers = [(f"{len(scene.views)} of {total}", "photographs placed"), (f"{len(scene.points)}", "points")]
    if len(scene.errors):
        numbers += [
            (f"{scene.errors.mean():.2f} px", "mean reprojection error"),
            (f"{scene.view_counts.mean():.1f}", "photographs see a point, on average"),
        ]
    return numbers


def _errors(report: HtmlReport, scene: SolvedScene) -> None:
    report.section("Reprojection")
    report.text("How far points lie from where they are seen. Photographs that stand out are blurred or misplaced.")
    means = [float(view.errors.mean()) if len(view.errors) else 0.0 for view in scene.views]
    edges = np.linspace(0, _HISTOGRAM_PX, 61)
    report.figures(
        [
            Picture(
                plot_histogram(np.minimum(scene.errors, _HISTOGRAM_PX), edges, "error, px", "observations"),
                f"all {len(scene.errors)} observations",
            ),
            Picture(
                plot_points({"": (list(range(len(means))), means)}, "photograph", "mean error, px"),
                "each photograph, in the order of names",
            ),
        ]
    )


def _coverage(report: HtmlReport, scene: SolvedScene, in_order: bool) -> None:
    report.section("Coverage")
    poses = np.stack([view.posed.T_world_camera for view in scene.views])
    places = scene.points if len(scene.points) else poses[:, :3, 3]
    colors = scene.colors if len(scene.points) else np.full((len(places), 3), 200, np.uint8)
    path = poses[:, :3, 3] if in_order else np.zeros((0, 3))
    pictures = [Picture(draw_top_view(places, colors, poses, path), "points and photographs from above")]
    if len(scene.errors):
        counts = np.minimum(scene.view_counts, _MANY_VIEWS)
        edges = np.arange(1.5, _MANY_VIEWS + 1)
        caption = f"in how many photographs a point is seen ({_MANY_VIEWS}: or more)"
        pictures.append(Picture(plot_histogram(counts, edges, "photographs", "points"), caption))
    report.figures(pictures)
    report.page(turnable_points(places, colors, poses))


def _overlays(report: HtmlReport, scene: SolvedScene, files: dict[str, ImageFile]) -> None:
    seen = [view for view in scene.views if len(view.points)]
    if not seen:
        return
    report.section("Points on photographs")
    report.text("Red is near, blue far. Points must sit on what they belong to, and near ones before far ones.")
    chosen = [seen[int(index)] for index in np.unique(np.linspace(0, len(seen) - 1, _OVERLAYS).round())]
    pictures = [_overlay(view, scene, files[view.name]) for view in chosen]
    for start in range(0, len(pictures), _ROW):
        report.figures(pictures[start : start + _ROW])


def _overlay(view: SolvedView, scene: SolvedScene, file: ImageFile) -> Picture:
    image = read_image(file.path)[..., :3]
    scale = min(_OVERLAY_WIDTH / image.shape[1], 1.0)
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    step = max(len(view.points) // _MOST_DOTS, 1)
    depths = view.posed.local(scene.points[view.points[::step]])[:, 2]
    drawn = draw_points(image, view.pixels[::step] * scale, depths)
    return Picture(drawn, f"{view.name}: {len(view.points)} points, {view.errors.mean():.2f} px")


def _sharpness(report: HtmlReport, gathered: GatheredImages, placed: set[str]) -> None:
    report.section("Sharpness")
    report.text(
        "Standard deviation of the blur of edges, in pixels of the photograph reduced to 1280 px. Those far above the "
        "others teach splats to be soft: take them out, or photograph again."
    )
    groups: dict[str, tuple[list[float], list[float]]] = {"in place": ([], []), "left out": ([], [])}
    for index, file in enumerate(gathered.files):
        group = groups["in place" if file.name in placed else "left out"]
        group[0].append(index)
        group[1].append(finite_blur(file.blur_px))
    shown = {name: group for name, group in groups.items() if group[0]}
    report.figures([Picture(plot_points(shown, "photograph", "blur, px"), "each photograph, in order")])


def _lenses(report: HtmlReport, scene: SolvedScene) -> None:
    report.section("Lenses")
    lenses = list(dict.fromkeys(view.posed.camera for view in scene.views))
    counts = [sum(view.posed.camera == lens for view in scene.views) for lens in lenses]
    rows = [
        (
            str(count),
            f"{lens.width}x{lens.height}",
            model_name(lens),
            f"{lens.fx:.1f}, {lens.fy:.1f}",
            f"{lens.cx:.1f}, {lens.cy:.1f}",
            ", ".join(f"{name} {value:.3g}" for name, value in zip(lens.coefficients, lens.distortion, strict=False)),
        )
        for lens, count in zip(lenses[:20], counts[:20], strict=True)
    ]
    report.table(("photographs", "px", "model", "focal lengths, px", "center, px", "distortion"), rows)
