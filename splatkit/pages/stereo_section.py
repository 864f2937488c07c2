"""The section on stereo, in the reports of all captures that do it."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.capture.stereo.findings import StereoFindings
from splatkit.io.images import read_image
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.maps.normal_maps import read_normal_map
from splatkit.io.transforms_json import Frame, Transforms, read_transforms
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.plots import colorize_depth, colorize_share, plot_points

_SHOWN = 6  # photographs
_WIDTH = 400  # px
_PERCENTILES = (2, 98)
_TOWARD_US = np.array([1.0, -1.0, -1.0])  # OpenCV's axes lead down and away, normal maps are mostly drawn the other way
_BRIGHT = 5.0  # times the median standard deviation of all photographs, at the bright end


def add_stereo(report: HtmlReport, folder: Path, stereo: StereoFindings) -> None:
    """Add what stereo found.

    Args:
        report: gets a section more.
        folder: with the dataset as it is written.
        stereo: what was found.
    """
    report.section("Depths by stereo")
    report.text(f"{stereo.verdict()}.")
    report.numbers(_numbers(stereo))
    if not stereo.with_depth:
        return
    report.text(
        f"Done was {stereo.effort}; it took {stereo.cpu_s:.0f} CPU-seconds, beside what a run that was interrupted did "
        f"before. Depths are stored in units of {stereo.depth_unit:.3g}."
    )
    _pictures(report, folder, stereo)
    _completeness(report, stereo)


def _numbers(stereo: StereoFindings) -> list[tuple[str, str]]:
    have, held_out = stereo.with_depth, sum(view.without == "held out" for view in stereo.views)
    unmatched = len(stereo.views) - len(have) - held_out
    return [
        (str(len(have)), "photographs with depth"),
        (str(unmatched), "could not be matched"),
        (str(held_out), "held out, not looked at"),
        (f"{stereo.dense_points:,}", "points that two photographs agree on"),
    ]


def _pictures(report: HtmlReport, folder: Path, stereo: StereoFindings) -> None:
    limit = _BRIGHT * float(np.median([view.relative_sigma for view in stereo.with_depth]))
    report.text(
        "Depth: red is near, blue far. Normals: more red to the right, more green upward, more blue toward us. "
        f"Deviation: bright is {100 * limit:.2g} % of the depth or more. Background: white where nothing is. "
        "Edges of depth must lie on edges in the photograph, and what shows no texture must be gray."
    )
    transforms = read_transforms(folder)
    by_name = {frame.file_path.removeprefix("images/"): frame for frame in transforms.frames}
    # with --undistort a photograph may have another suffix than its original
    names = [view.name for view in stereo.with_depth if view.name in by_name]
    for index in np.unique(np.linspace(0, len(names) - 1, min(_SHOWN, len(names))).round().astype(int)):
        report.figures(_row(by_name[names[index]], names[index], transforms, limit))


def _row(frame: Frame, name: str, transforms: Transforms, limit: float) -> list[Picture]:
    """Photograph, depth, normals, deviation (up to `limit` of the depth) and background side by side."""
    assert frame.depth_path is not None
    depth = read_depth_map(frame.depth_path, frame.depth_sigma_path, transforms.depth_unit)
    there = depth.depths > 0
    near, far = np.percentile(depth.depths[there], _PERCENTILES) if there.any() else (0.0, 1.0)
    share = np.where(there, depth.sigmas / np.where(there, depth.depths, 1) / limit, np.nan)
    out = [
        Picture(_reduced(read_image(frame.image_path)[..., :3], cv2.INTER_AREA), name),
        Picture(
            colorize_depth(_reduced(depth.depths), float(near), float(max(far, near * (1 + 1e-6)))),
            f"depth, {near:.3g} to {far:.3g}",
        ),
    ]
    if frame.normal_path is not None:
        normals = _reduced(read_normal_map(frame.normal_path)) * _TOWARD_US
        out.append(Picture(np.round((normals + 1) * 127.5).astype(np.uint8), "normals"))
    out.append(Picture(colorize_share(_reduced(share)), "deviation"))
    if frame.background_path is not None:
        gray = np.round(_reduced(read_background_map(frame.background_path)) * 255).astype(np.uint8)
        out.append(Picture(np.repeat(gray[..., None], 3, -1), "background"))
    return out


def _reduced(image: NDArray, interpolation: int = cv2.INTER_NEAREST) -> NDArray:
    """At most so wide; of maps single values, for a mean of two depths is none."""
    scale = min(_WIDTH / image.shape[1], 1.0)
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation))


def _completeness(report: HtmlReport, stereo: StereoFindings) -> None:
    shown = {"with a depth": [view.share for view in stereo.views]}
    if any(view.background for view in stereo.views):
        shown["background"] = [view.background for view in stereo.views]
    numbers = [float(index) for index in range(len(stereo.views))]
    groups = {name: (numbers, [100 * share for share in shares]) for name, shares in shown.items()}
    report.figures([Picture(plot_points(groups, "photograph", "pixels, %"), "each photograph, in the order of names")])
    report.table(
        ("photograph", "pixels with depth", "median depth", "median standard deviation"),
        [
            (view.name, "none", view.without, "")
            if view.without
            else (view.name, f"{100 * view.share:.0f} %", f"{view.depth:.3g}", f"{100 * view.relative_sigma:.2g} %")
            for view in stereo.views
        ],
    )
