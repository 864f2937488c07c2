"""The report of a calibration from a walk: LiDAR points on photographs before and after, and what it rests on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.quality.observability import pixel_uncertainty
from splatkit.calibration.walk.judge import Observed, observe, weakness
from splatkit.calibration.walk.stage import CalibratedWalk
from splatkit.capture.lidar.motion import PlacedScan, place_scans
from splatkit.geometry.se3 import Array, invert, transform_points
from splatkit.io.images import read_image
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.overlays import draw_points
from splatkit.report.plots import plot_points

_SHOWN = 2  # photographs of each camera
_RANGES_M = (2.0, 5.0, 10.0, 20.0)
_NEAREST_M = 0.1


def write_walk_report(folder: Path, calibrated: CalibratedWalk) -> None:
    """Write report.html into the folder of a calibration; photographs and scans are read again for the overlays."""
    found = calibrated.found
    observed = observe(found)
    report = HtmlReport("LiDAR-camera calibration from a walk", calibrated.verdict())
    _summary(report, calibrated)
    for camera, name in enumerate(found.recording.names):
        _extrinsic(report, calibrated, camera, name)
    _overlays(report, calibrated)
    _walk(report, calibrated, observed)
    _residuals(report, calibrated)
    (folder / "report.html").write_text(report.render(), encoding="utf-8")


def _summary(report: HtmlReport, calibrated: CalibratedWalk) -> None:
    solved = calibrated.found.solved
    covariances = [solved.twist_covariance(camera) for camera in range(len(calibrated.found.recording.names))]
    turn = max(float(np.sqrt(np.trace(covariance[:3, :3]))) for covariance in covariances)
    shift = max(float(np.sqrt(np.trace(covariance[3:, 3:]))) for covariance in covariances)
    report.section("At a glance")
    report.numbers(
        [
            (f"{np.degrees(turn):.3f} deg", "standard deviation of the rotation"),
            (f"{1e3 * shift:.1f} mm", "standard deviation of the translation"),
            (
                f"{1e3 * solved.estimate.offset_s:+.1f} ms",
                f"LiDAR's clock ahead (to {1e3 * solved.offset_sd_s:.1f} ms)",
            ),
            (f"{solved.estimate.similarity.scale:.4f}", "meters per unit of the photographs' world"),
        ]
    )
    for warning in calibrated.warnings:
        report.text(f"Warning: {warning}.")


def _extrinsic(report: HtmlReport, calibrated: CalibratedWalk, camera: int, name: str) -> None:
    found = calibrated.found
    T, covariance = found.solved.estimate.T_camera_lidar[camera], found.solved.twist_covariance(camera)
    sd, weak = np.sqrt(np.diag(covariance)), weakness(found, camera)
    report.section(f"Extrinsic of {name}")
    report.text("T_camera_lidar takes the LiDAR's coordinates to the camera's: p_camera = R p_lidar + t, meters.")
    report.table(
        ("notation", "value"),
        [
            ("matrix", "; ".join(" ".join(f"{value:+.6f}" for value in row) for row in T[:3])),
            ("camera in the LiDAR's frame, m", _three(invert(T)[:3, 3], 4)),
            ("standard deviation of the rotation about x, y, z, deg", _three(np.degrees(sd[:3]), 4)),
            ("standard deviation of the translation, mm", _three(1e3 * sd[3:], 2)),
            (
                "known least",
                f"{weak.about}: {weak.rotation_deg:.3f} deg; {weak.along}: {1e3 * weak.translation_m:.1f} mm",
            ),
        ],
    )
    rows = []
    for distance in _RANGES_M:
        pixels = pixel_uncertainty(covariance, calibrated.inputs.lenses[camera], distance)
        rows.append((f"{distance:g} m", f"{pixels[1, 1]:.2f}", f"{pixels.max():.2f}"))
    report.table(("distance", "px in the middle", "px in the worst corner"), rows)


def _three(values: Array, digits: int) -> str:
    return " ".join(f"{value:+.{digits}f}" for value in values)


@dataclass(frozen=True)
class _Shown:
    """A photograph to draw on."""

    number: int  # in the recording
    moment: float  # s, by the LiDAR's clock


def _overlays(report: HtmlReport, calibrated: CalibratedWalk) -> None:
    shown = _chosen(calibrated)
    scans = _nearest_scans(calibrated, shown)
    report.section("LiDAR points on photographs")
    report.text("The scan nearest in time to each photograph; near returns are red, far ones blue.")
    figures = []
    for photograph, scan in zip(shown, scans, strict=True):
        if scan is None:
            continue
        name = calibrated.inputs.photographs[photograph.number].name
        if calibrated.found.prior is not None:
            stated = calibrated.found.prior.T_camera_lidar
            figures.append(Picture(_drawn(calibrated, photograph, scan, stated), f"{name}: as stated before"))
        after = calibrated.found.solved.estimate.T_camera_lidar
        figures.append(Picture(_drawn(calibrated, photograph, scan, after), f"{name}: calibrated"))
    report.figures(figures)


def _chosen(calibrated: CalibratedWalk) -> list[_Shown]:
    solved, recording = calibrated.found.solved, calibrated.found.recording
    out = []
    for camera in range(len(recording.names)):
        own = np.flatnonzero(solved.fitting & (recording.which == camera))
        for place in (np.arange(_SHOWN) + 0.5) / _SHOWN * len(own):
            number = int(own[int(place)])
            out.append(_Shown(number, float(recording.times[number] + solved.estimate.offset_s)))
    return out


def _nearest_scans(calibrated: CalibratedWalk, shown: list[_Shown]) -> list[PlacedScan | None]:
    found: list[PlacedScan | None] = [None] * len(shown)
    apart = np.full(len(shown), np.inf)
    for scan in place_scans(calibrated.inputs.scans.read(), calibrated.found.recording.trajectory):
        middle = float(np.median(scan.times))
        for index, photograph in enumerate(shown):
            if abs(middle - photograph.moment) < apart[index]:
                found[index], apart[index] = scan, abs(middle - photograph.moment)
    return found


def _drawn(
    calibrated: CalibratedWalk, photograph: _Shown, scan: PlacedScan, T_camera_lidar: Array
) -> NDArray[np.uint8]:
    recording, number = calibrated.found.recording, photograph.number
    T_world_lidar = recording.lidar_poses(calibrated.found.solved.estimate.offset_s)[number]
    mount = recording.which[number]
    local = transform_points(T_camera_lidar[mount] @ invert(T_world_lidar), scan.cloud.points.astype(np.float64))
    pixels, seen = calibrated.inputs.lenses[mount].project(local, _NEAREST_M)
    image = read_image(calibrated.inputs.photographs[number].path)[..., :3]
    return draw_points(image, pixels[seen], local[seen, 2], radius=max(1, image.shape[1] // 900))


def _walk(report: HtmlReport, calibrated: CalibratedWalk, observed: Observed) -> None:
    solved, recording = calibrated.found.solved, calibrated.found.recording
    turns = " ".join(f"{degrees:.1f}" for degrees in observed.turns_deg)
    facing = " ".join(f"{100 * share:.0f}" for share in observed.facing)
    near, total = len(solved.surfaces.distances), len(recording.points)
    report.section("What it rests on")
    report.table(
        ("what", "how much"),
        [
            ("photographs that move as the trajectory does", f"{int(solved.fitting.sum())} of {len(solved.fitting)}"),
            ("typically apart, a photograph and the trajectory", _apart(np.degrees(solved.sigma_rad), solved.sigma_m)),
            ("turns about three axes, root mean square, deg", turns),
            ("triangulated points near planes of the map", f"{near} of {total}"),
            ("surfaces that face three main directions, %", facing),
            ("photographs, points that count as one", " and ".join(f"{design:.1f}" for design in solved.designs)),
        ],
    )


def _apart(degrees: float, meters: float) -> str:
    return f"{degrees:.3f} deg, {1e3 * meters:.1f} mm"


def _residuals(report: HtmlReport, calibrated: CalibratedWalk) -> None:
    solved, recording = calibrated.found.solved, calibrated.found.recording
    placed, predicted = solved.estimate.placed(recording), solved.estimate.predicted(recording)
    shifts = 1e3 * np.linalg.norm(placed[:, :3, 3] - predicted[:, :3, 3], axis=1)
    series = {
        name: (recording.times[own].tolist(), shifts[own].tolist())
        for camera, name in enumerate(recording.names)
        if (own := solved.inside & (recording.which == camera)).any()
    }
    report.section("Along the walk")
    report.figures([Picture(plot_points(series, "time, s", "photograph from trajectory, mm"), "places of cameras")])
