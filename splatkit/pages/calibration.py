"""The report of a calibration: how good it is, what it rests on, and what would make it better."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.calibrate import Calibration
from splatkit.calibration.inputs import FrameFiles
from splatkit.calibration.quality.observability import pixel_uncertainty, weakest_motion
from splatkit.calibration.stage import CalibratedRig
from splatkit.calibration.views import corners_seen
from splatkit.geometry.se3 import Array, invert, transform_points
from splatkit.io.formats.camera_files import opencv_parameters
from splatkit.io.images import read_image
from splatkit.report.color_scale import ColorScale
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.overlays import draw_outline, draw_points
from splatkit.report.plots import plot_points
from splatkit.report.turnable import turnable_points

_RANGES_M = (2.0, 5.0, 10.0, 20.0)
_OVERLAYS = 4
_CAMERA_COLOR, _LIDAR_COLOR = (48, 86, 211), (228, 87, 46)
_NEAREST_M = 0.1
_CLOSE_UP = 0.35  # of the board's extent, about it
_FAR_SIGMAS = 3.0  # of a range, at the far end of the scale of residuals
_ASIDE_DEG = 30.0  # of the viewer, who first looks from behind the first camera


def write_calibration_report(folder: Path, calibrated: CalibratedRig) -> None:
    """Write report.html into the folder of a calibration; photographs are read again for the overlays."""
    (folder / "report.html").write_text(_report(calibrated).render(), encoding="utf-8")


def _report(calibrated: CalibratedRig) -> HtmlReport:
    calibration, names = calibrated.calibration, calibrated.names
    report = HtmlReport("LiDAR-camera calibration", calibrated.verdict())
    _summary(report, calibrated)
    for index, name in enumerate(names):
        _extrinsic(report, calibration, index, name)
    _space(report, calibration)
    _overlays(report, calibration, names, calibrated.files)
    _frames(report, calibration)
    _residuals(report, calibration)
    _coverage(report, calibration, names)
    report.section("What to add")
    report.text(weakest_motion(calibration.covariance()).words + ".")
    report.table(
        ("next poses of the board", "rotation after, deg", "translation after, mm"),
        [(item.words, f"{item.rotation_deg:.3f}", f"{1e3 * item.translation_m:.1f}") for item in calibrated.advice],
    )
    return report


def _summary(report: HtmlReport, calibrated: CalibratedRig) -> None:
    calibration = calibrated.calibration
    covariance = calibration.covariance()
    judged = [item for view in calibration.leave_one_out.held_out for item in view]
    report.section("At a glance")
    numbers = [
        (f"{np.degrees(np.sqrt(np.trace(covariance[:3, :3]))):.3f} deg", "standard deviation of the rotation"),
        (f"{1e3 * np.sqrt(np.trace(covariance[3:, 3:])):.1f} mm", "standard deviation of the translation"),
    ]
    if judged:  # three views determine nothing without one of them
        numbers += [
            (f"{1e3 * np.mean([item.center_m for item in judged]):.1f} mm", "board centers, on views left out"),
            (f"{np.mean([item.center_px for item in judged]):.1f} px", "the same in the image"),
            (f"{1e3 * np.sqrt(np.mean([item.plane_m**2 for item in judged])):.1f} mm", "planes, on views left out"),
        ]
    report.numbers(numbers)
    for warning in calibrated.warnings:
        report.text(f"Warning: {warning}.")
    for reason in calibration.selection.reasons.values():
        report.text(reason[0].upper() + reason[1:] + ".")
    if len(calibration.halves):
        degrees, meters = np.median(calibration.halves, axis=0)
        report.text(
            f"Solutions of random halves of the views lie {degrees:.2f} degrees and {1e3 * meters:.0f} mm apart "
            f"(median); deviations are stated {calibration.over_noise():.1f} times as large as noise alone "
            "would have them."
        )


def _extrinsic(report: HtmlReport, calibration: Calibration, index: int, name: str) -> None:
    T = calibration.solution.guess.T_camera_lidar[index]
    covariance = calibration.covariance(index)
    camera = calibration.solution.guess.cameras[index]
    rotation = Rotation.from_matrix(T[:3, :3])
    x, y, z, w = rotation.as_quat()
    sd = np.sqrt(np.diag(covariance))
    origin = invert(T)[:3, 3]
    report.section(f"Extrinsic of {name}")
    report.text("T_camera_lidar takes the LiDAR's coordinates to the camera's: p_camera = R p_lidar + t, meters.")
    report.table(
        ("notation", "value"),
        [
            ("matrix", "; ".join(" ".join(f"{value:+.6f}" for value in row) for row in T[:3])),
            ("quaternion w x y z, translation", f"{w:.6f} {x:.6f} {y:.6f} {z:.6f}, {_three(T[:3, 3])}"),
            ("angles about x, y, z (deg), R = Rz Ry Rx", " ".join(f"{v:+.4f}" for v in rotation.as_euler("xyz", True))),
            ("camera in the LiDAR's frame, m", _three(origin)),
            ("standard deviation of the rotation about x, y, z, deg", _three(np.degrees(sd[:3]), 4)),
            ("standard deviation of the translation, mm", _three(1e3 * sd[3:], 2)),
            ("intrinsics to use with it", " ".join(f"{value:.4f}" for value in opencv_parameters(camera))),
        ],
    )
    rows = []
    for distance in _RANGES_M:
        pixels = pixel_uncertainty(calibration.joint_covariances[index], camera, distance)
        rows.append((f"{distance:g} m", f"{pixels[1, 1]:.2f}", f"{pixels.max():.2f}"))
    report.table(("distance", "px in the middle", "px in the worst corner"), rows)


def _three(values: Array, digits: int = 5) -> str:
    return " ".join(f"{value:+.{digits}f}" for value in values)


def _space(report: HtmlReport, calibration: Calibration) -> None:
    """Boards and cameras in the LiDAR's frame, to turn."""
    report.section("Boards and cameras")
    report.text(
        "What the LiDAR measured of the boards, in its frame, and the cameras as orange pyramids. Each return has the "
        "color of what is left of its range beside the board's plane: a board that is red all over does not fit the "
        "others. Drag to turn, scroll to zoom, drag with the right button to move."
    )
    scale = ColorScale(0.0, _FAR_SIGMAS * 1e3 * calibration.noise.range_m, "range residual, mm")
    points = np.concatenate([board.points for board in calibration.boards])
    colors = scale.colors(np.abs(np.concatenate(_range_residuals_mm(calibration))))
    T_lidar_camera = invert(calibration.solution.guess.T_camera_lidar)
    x, y = T_lidar_camera[0, :2, 2]  # the way the first camera looks
    behind = float(np.degrees(np.arctan2(-y, -x)))
    report.page(turnable_points(points, colors, T_lidar_camera, behind + _ASIDE_DEG))
    report.figures([Picture(scale.legend(), "scale")])


def _range_residuals_mm(calibration: Calibration) -> list[Array]:
    """Of each view [P], in the order of its board's points."""
    sigma = calibration.noise.range_m
    return [
        1e3 * sigma * next(block.values for block in view if block.kind == "plane")
        for view in calibration.solution.blocks
    ]


def _overlays(report: HtmlReport, calibration: Calibration, names: list[str], files: list[FrameFiles]) -> None:
    by_name = {frame.name: frame for frame in files}
    chosen = np.unique(np.linspace(0, len(calibration.frames) - 1, _OVERLAYS).astype(int))
    for index, name in enumerate(names):
        report.section(f"LiDAR on the photographs of {name}")
        report.text(
            "Dots: near is red, far is blue. Blue line: the plate as the pattern has it; orange: as the scan has it."
        )
        for number in chosen:
            frame = calibration.frames[number]
            image = read_image(by_name[frame.name].images[index])[..., :3]
            drawn = _overlay(calibration, index, int(number), image)
            report.figures(
                [Picture(drawn, frame.name), Picture(_close_up(calibration, index, number, drawn), "the board")]
            )


def _overlay(calibration: Calibration, index: int, number: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    solution = calibration.solution
    camera, T = solution.guess.cameras[index], solution.guess.T_camera_lidar[index]
    points = transform_points(T, calibration.frames[number].scan.points)
    pixels, seen = camera.project(points, _NEAREST_M)
    drawn = draw_points(image, pixels[seen], points[seen, 2], radius=max(1, camera.width // 900))
    outline = calibration.target.outline()
    by_scan = transform_points(T @ calibration.boards[number].T_lidar_board, outline)
    drawn = draw_outline(drawn, camera.image(by_scan), _LIDAR_COLOR)
    by_pattern = transform_points(T @ solution.guess.T_lidar_board[number], outline)
    return draw_outline(drawn, camera.image(by_pattern), _CAMERA_COLOR)


def _close_up(calibration: Calibration, index: int, number: int, drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    solution = calibration.solution
    board = solution.guess.T_camera_lidar[index] @ solution.guess.T_lidar_board[number]
    pixels = solution.guess.cameras[index].image(transform_points(board, calibration.target.outline()))
    low, high = pixels.min(0), pixels.max(0)
    margin = _CLOSE_UP * (high - low).max()
    height, width = drawn.shape[:2]
    left, top = np.clip(low - margin, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(high + margin, 1, [width, height]).astype(int)
    return np.ascontiguousarray(drawn[top:bottom, left:right])


def _frames(report: HtmlReport, calibration: Calibration) -> None:
    report.section("Frames")
    judged = {
        frame.name: view for frame, view in zip(calibration.frames, calibration.leave_one_out.held_out, strict=True)
    }
    boards = {frame.name: board for frame, board in zip(calibration.frames, calibration.boards, strict=True)}
    rows = []
    for item in calibration.verdicts:
        if item.name not in judged or item.left_out:
            rows.append((item.name, "left out: " + item.left_out, "", "", "", ""))
            continue
        board, held = boards[item.name], judged[item.name]
        center = plane = "the others do not determine it"
        if held:
            center = (
                f"{1e3 * np.mean([h.center_m for h in held]):.1f} mm, {np.mean([h.center_px for h in held]):.1f} px"
            )
            plane = f"{1e3 * np.mean([h.plane_m for h in held]):+.1f} mm"
        distance = np.linalg.norm(board.T_lidar_board[:3, 3])
        rows.append((item.name, "used", str(len(board.points)), f"{distance:.2f} m", center, plane))
    report.table(("frame", "", "returns", "distance", "center, left out", "plane, left out"), rows)


def _residuals(report: HtmlReport, calibration: Calibration) -> None:
    """Range residuals in millimeters against what may cause them."""
    ranges, cosines, rings, intensities = [], [], [], []
    for number, board in enumerate(calibration.solution.guess.T_lidar_board):
        candidate, scan = calibration.boards[number], calibration.frames[number].scan
        distance = np.linalg.norm(candidate.points, axis=1)
        ranges.append(distance)
        cosines.append(np.degrees(np.arccos(np.abs(candidate.points @ board[:3, 2]) / distance)))
        rings.append(None if scan.ring is None else scan.ring[candidate.indices])
        intensities.append(None if scan.intensity is None else scan.intensity[candidate.indices])
    report.section("What is left of the ranges")
    report.text("Means over returns that are alike; dots off the line are errors that the model does not know.")
    every = np.concatenate(_range_residuals_mm(calibration))
    panels = [("range, m", np.concatenate(ranges)), ("angle of incidence, deg", np.concatenate(cosines))]
    if all(ring is not None for ring in rings):
        panels.append(("laser", np.concatenate([ring for ring in rings if ring is not None]).astype(float)))
    if all(value is not None for value in intensities):
        panels.append(("intensity", np.concatenate([value for value in intensities if value is not None])))
    pictures = [Picture(plot_points({"": _binned(x, every)}, label, "residual, mm"), label) for label, x in panels]
    for start in range(0, len(pictures), 2):
        report.figures(pictures[start : start + 2])


def _binned(x: Array, y: Array, bins: int = 24) -> tuple[list[float], list[float]]:
    """Means of y over equally filled bins of x, or over each value of it where they are few."""
    levels = np.unique(x)
    edges = (
        np.unique(np.quantile(x, np.linspace(0, 1, bins + 1))) if len(levels) > 2 * bins else np.append(levels, np.inf)
    )
    which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    counts = np.maximum(np.bincount(which), 1)
    means = [np.bincount(which, values) / counts for values in (x, y)]
    filled = np.bincount(which) > 0
    return means[0][filled].tolist(), means[1][filled].tolist()


def _coverage(report: HtmlReport, calibration: Calibration, names: list[str]) -> None:
    report.section("Where the board was")
    pictures = []
    for index, name in enumerate(names):
        camera = calibration.solution.guess.cameras[index]
        picture = np.full((camera.height, camera.width, 3), 247, dtype=np.uint8)
        for frame in calibration.frames:
            corners = frame.corners[index]
            if corners is None:
                continue
            seen = corners[corners_seen(corners)].astype(np.float32)
            ring = cv2.convexHull(seen)[:, 0].astype(np.float64)
            picture = draw_outline(picture, ring, _CAMERA_COLOR, max(1, camera.width // 400))
        pictures.append(Picture(picture, f"patterns in the images of {name}"))
    depth = [float(np.linalg.norm(board.T_lidar_board[:3, 3])) for board in calibration.boards]
    tilt = [float(np.degrees(np.arccos(abs(T[2, 2])))) for T in calibration.solution.T_camera_board]
    pictures.append(
        Picture(plot_points({"": (depth, tilt)}, "distance, m", "tilt, deg", zero_line=False), "distances and tilts")
    )
    report.figures(pictures)
