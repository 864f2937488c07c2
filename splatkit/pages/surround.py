"""The report of cameras around a vehicle: the ground from above before and after, and how far each camera is known."""

from pathlib import Path

import numpy as np

from splatkit.calibration.surround.birds_eye import birds_eye
from splatkit.calibration.surround.judge import DISTANCES_M, expected_gaps, neighbors
from splatkit.calibration.surround.rig import departures
from splatkit.calibration.surround.stage import CalibratedSurround, deviations
from splatkit.geometry.se3 import Array
from splatkit.io.images import read_image, write_image
from splatkit.report.html import HtmlReport, Picture

_BEFORE, _AFTER = "ground_before.jpg", "ground_after.jpg"


def write_surround_report(folder: Path, calibrated: CalibratedSurround) -> None:
    """Write report.html and the ground from above into the folder of a calibration; photographs are read again."""
    found = calibrated.found
    middle = len(calibrated.files) // 2
    photographs = [read_image(path)[..., :3] for path in calibrated.files[middle].images]
    before = birds_eye(found.nominal, photographs, np.eye(4), found.nominal)
    after = birds_eye(found.rig, photographs, found.estimate.T_ground_vehicle[middle], found.nominal)
    for name, picture in ((_BEFORE, before), (_AFTER, after)):
        write_image(folder / name, picture)
    report = HtmlReport("Cameras around a vehicle", calibrated.verdict())
    _summary(report, calibrated)
    report.section("The ground from above")
    report.text(
        "Each part is from the camera that shows it most finely; ahead is up. Lines should run on across seams."
    )
    report.figures([Picture(before, "as stated"), Picture(after, "calibrated")])
    _cameras(report, calibrated)
    _pairs(report, calibrated)
    _moments(report, calibrated)
    (folder / "report.html").write_text(report.render(), encoding="utf-8")


def _summary(report: HtmlReport, calibrated: CalibratedSurround) -> None:
    rotation, translation = deviations(calibrated.found)
    places = sum(pair.places for pair in calibrated.pairs)
    report.section("At a glance")
    report.numbers(
        [
            (f"{np.degrees(rotation.max()):.3f} deg", "standard deviation of the least certain rotation"),
            (f"{1e3 * translation.max():.0f} mm", "standard deviation of the least certain position"),
            (f"{max(pair.gap_px for pair in neighbors(calibrated.pairs)):.2f} px", "between neighbors, worst pair"),
            (f"{places}", "places on the ground"),
        ]
    )
    for warning in calibrated.warnings:
        report.text(f"Warning: {warning}.")


def _cameras(report: HtmlReport, calibrated: CalibratedSurround) -> None:
    found = calibrated.found
    scales = np.array([np.degrees(1.0)] * 3 + [1e3] * 3)  # to degrees and millimeters
    moves = scales * departures(found.rig, found.nominal)
    sigmas = scales * np.sqrt(np.diag(found.covariance)).reshape(-1, 6)
    report.section("Cameras")
    report.text("How far each is from where it was stated to be, and one standard deviation; axes of the vehicle.")
    report.table(
        ("camera", "turned about x, y, z, deg", "deviation, deg", "moved along x, y, z, mm", "deviation, mm"),
        [
            (
                name,
                _three(moves[c, :3], "+.3f"),
                _three(sigmas[c, :3], ".3f"),
                _three(moves[c, 3:], "+.1f"),
                _three(sigmas[c, 3:], ".1f"),
            )
            for c, name in enumerate(found.rig.names)
        ],
    )
    rows = [(f"{distance:g} m", _centimeters(expected_gaps(found, distance))) for distance in DISTANCES_M]
    report.text("How far apart two cameras are expected to put one place on the ground, by distance from their middle.")
    report.table(("distance", "expected gap, cm"), rows)


def _three(values: Array, form: str) -> str:
    return " ".join(f"{value:{form}}" for value in values)


def _centimeters(meters: float) -> str:
    return f"{100 * meters:.1f}" if np.isfinite(meters) else "no common ground"


def _pairs(report: HtmlReport, calibrated: CalibratedSurround) -> None:
    report.section("Neighbors")
    report.text("Places that both show; each fifth one was kept to judge by, and says how far apart the two put it.")
    report.table(
        ("first", "second", "places that fit", "of those found", "apart, cm (median)", "apart, px (median)"),
        [
            (
                pair.first,
                pair.second,
                f"{pair.places}",
                f"{100 * pair.share:.0f} %",
                f"{100 * pair.gap_m:.2f}",
                f"{pair.gap_px:.2f}",
            )
            for pair in calibrated.pairs
        ],
    )


def _moments(report: HtmlReport, calibrated: CalibratedSurround) -> None:
    report.section("The vehicle on its suspension")
    report.table(
        ("timestamp", "about x, deg", "about y, deg", "lift, mm"),
        [
            (files.name, f"{np.degrees(lean[0]):+.3f}", f"{np.degrees(lean[1]):+.3f}", f"{1e3 * lean[2]:+.1f}")
            for files, lean in zip(calibrated.files, calibrated.found.leans, strict=True)
        ],
    )
