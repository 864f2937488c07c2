"""The report of a capture with LiDAR: how both worlds fit, and what photographs see of the scans."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.capture.lidar.dataset import WrittenDepths
from splatkit.capture.lidar.moving import LidarScene
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.lidar.registration.alignment import Alignment
from splatkit.capture.lidar.stage import CapturedLidar, CapturedStatic
from splatkit.capture.rig import Rig
from splatkit.io.images import read_image
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.point_cloud import PointCloud
from splatkit.pages.stereo_section import add_stereo
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.overlays import draw_points
from splatkit.report.top_view import draw_top_view
from splatkit.report.turnable import turnable_points

_OVERLAYS, _ROW = 8, 2
_OVERLAY_WIDTH = 960  # px
_MOST_DOTS = 6000


def write_lidar_report(folder: Path, captured: CapturedLidar) -> None:
    """Write report.html into the folder of a capture with a LiDAR that moved."""
    (folder / "report.html").write_text(_lidar_report(folder, captured).render(), encoding="utf-8")


def write_static_report(folder: Path, captured: CapturedStatic) -> None:
    """Write report.html into the folder of a capture around one scan."""
    (folder / "report.html").write_text(_static_report(folder, captured).render(), encoding="utf-8")


def _lidar_report(folder: Path, captured: CapturedLidar) -> HtmlReport:
    scene = captured.scene
    report = HtmlReport("Capture with LiDAR", captured.verdict())
    report.section("Do photographs and scans fit?")
    if scene.alignment is None:
        report.text(
            "The photographs came without poses; they have those of the LiDAR's trajectory, moved by the extrinsics. "
            "Whether these are right shows in the overlays below."
        )
    else:
        _alignment_table(report, [item for item in (scene.alignment, *_parts(scene)) if item is not None])
    offset = f"{1e3 * scene.offset_s:+.1f} ms"
    if scene.poses is not None and scene.poses.offset_sd_s is not None:
        offset += f" (standard deviation {1e3 * scene.poses.offset_sd_s:.1f} ms, from the motion)"
    report.text(f"The LiDAR's clock is ahead of the cameras' by {offset}.")
    _warnings(report, captured.warnings)
    _cloud(report, scene.seed, scene.counts, scene.T_world_camera, scene.trajectory.poses[:, :3, 3])
    _depths(report, folder, scene.photographs, captured.written)
    if captured.written.stereo is not None:
        add_stereo(report, folder, captured.written.stereo)
    _rig_table(report, captured.rig)
    return report


def _static_report(folder: Path, captured: CapturedStatic) -> HtmlReport:
    scene = captured.scene
    report = HtmlReport("Capture around one scan", captured.verdict())
    _warnings(report, captured.warnings)
    if scene.alignment is not None:
        report.section("Do photographs and scan fit?")
        _alignment_table(report, [scene.alignment])
    _cloud(report, scene.seed, scene.counts, scene.T_world_camera, scene.lidar_centers)
    _depths(report, folder, scene.photographs, captured.written)
    _rig_table(report, captured.rig)
    return report


def _warnings(report: HtmlReport, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        report.text(f"Warning: {warning}.")


def _parts(scene: LidarScene) -> list[Alignment | None]:
    return [scene.poses.alignment if scene.poses is not None else None, scene.surfaces]


def _alignment_table(report: HtmlReport, alignments: list[Alignment]) -> None:
    rows = []
    for item in alignments:
        deviations = np.sqrt(np.diag(item.covariance))
        rows.append(
            (
                item.method,
                f"{item.similarity.scale:.6g}",
                f"{100 * deviations[6]:.3g} %",
                f"{np.degrees(np.linalg.norm(deviations[:3])):.3g}",
                f"{1e3 * np.linalg.norm(deviations[3:6]):.3g}",
                f"{1e3 * item.rms:.3g}",
                f"{100 * item.share:.0f} %",
            )
        )
    header = ("from", "meters per unit", "its deviation", "rotation sd, deg", "position sd, mm", "residual, mm", "fits")
    report.table(header, rows)


def _cloud(
    report: HtmlReport,
    seed: PointCloud,
    counts: dict[str, int],
    T_world_camera: NDArray[np.float64],
    path: NDArray[np.float64],
) -> None:
    report.section("What was scanned")
    report.numbers(
        [
            (f"{counts['measured']:,}", "measured points"),
            (f"{counts['map']:,}", "points after thinning"),
            (f"{100 * counts['seen'] / counts['map']:.0f} %", "of them seen by a photograph"),
            (f"{counts['triangulated']:,}", "triangulated points added where the LiDAR saw nothing"),
        ]
    )
    assert seed.colors is not None
    view = draw_top_view(seed.points.astype(np.float64), seed.colors, T_world_camera, path)
    report.figures([Picture(view, "from above: the colored cloud, the LiDAR's path and where photographs were taken")])
    report.page(turnable_points(seed.points, seed.colors, T_world_camera))


def _depths(report: HtmlReport, folder: Path, photographs: list[Photograph], written: WrittenDepths) -> None:
    report.section("LiDAR points on photographs")
    report.text("Edges of what is near must lie on edges in the photograph; red is near, blue is far.")
    by_name = {photo.name: photo for photo in photographs}
    measured = [item for item in written.summaries if item.measured > 0]
    numbers = np.unique(np.linspace(0, len(measured) - 1, _OVERLAYS).astype(int)) if measured else []
    chosen = [measured[index] for index in numbers]
    for start in range(0, len(chosen), _ROW):
        report.figures([_overlay(folder, by_name[item.name]) for item in chosen[start : start + _ROW]])
    report.table(
        ("photograph", "measured pixels", "median depth, m", "median standard deviation, mm"),
        [
            (item.name, str(item.measured), f"{item.median_m:.2f}", f"{1e3 * item.median_sigma_m:.0f}")
            for item in written.summaries
        ],
    )


def _overlay(folder: Path, photo: Photograph) -> Picture:
    image = read_image(photo.path)[..., :3]
    depths = read_depth_map(folder / "depth" / f"{photo.name}.png").depths
    rows, columns = np.nonzero(depths)
    if len(rows) > _MOST_DOTS:
        rows, columns = (part[:: len(part) // _MOST_DOTS] for part in (rows, columns))
    scale = min(1.0, _OVERLAY_WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    pixels = (np.column_stack([columns, rows]) + 0.5) * scale
    return Picture(draw_points(small, pixels, depths[rows, columns], radius=1), photo.name)


def _rig_table(report: HtmlReport, rig: Rig) -> None:
    report.section("The rig")
    rows = []
    for camera in rig.cameras:
        deviations = np.sqrt(np.diag(camera.covariance))
        rows.append(
            (
                camera.name,
                " ".join(f"{value:.3f}" for value in camera.T_camera_lidar[:3, 3]),
                f"{np.degrees(np.linalg.norm(deviations[:3])):.3g}",
                f"{1e3 * np.linalg.norm(deviations[3:]):.3g}",
                "measured" if camera.is_covariance_stated else "assumed, for its file says nothing",
            )
        )
    header = ("camera", "translation of T_camera_lidar, m", "rotation sd, deg", "translation sd, mm", "deviations are")
    report.table(header, rows)
    report.text(f"Ranges of the LiDAR have a standard deviation of {1e3 * rig.range_noise_m:.0f} mm.")
