"""What a capture with LiDAR came to, in words and numbers: for people, for capture.json and for the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from splatkit.capture.lidar.dataset import WrittenDepths
from splatkit.capture.lidar.moving import LidarScene
from splatkit.capture.lidar.registration.alignment import Alignment
from splatkit.capture.lidar.static import StaticScene
from splatkit.io.point_cloud import PointCloud
from splatkit.io.scans.reader import LeftOut

_NAMED = 5  # files and topics in a warning


def lidar_verdict(scene: LidarScene, written: WrittenDepths) -> str:
    """One sentence."""
    photographs = f"{len(scene.photographs)} photographs, {_points(scene.seed)}"
    stereo = "" if written.stereo is None else f"; with stereo {written.stereo.verdict()}"
    if scene.odometry is not None:
        stereo = f"; {scene.odometry.verdict()}{stereo}"
    if scene.alignment is None:
        return f"{photographs}; poses are the LiDAR's, by the extrinsics{stereo}"
    fit = f"scale known to {100 * scene.alignment.scale_sd:.2g} %"
    return f"{photographs}; {fit}, {100 * _covered(written):.0f} % of photographs with LiDAR depth{stereo}"


def static_verdict(scene: StaticScene, written: WrittenDepths) -> str:
    """One sentence."""
    covered = f"{100 * _covered(written):.0f} % of photographs with LiDAR depth"
    return f"{len(scene.photographs)} photographs, {_points(scene.seed)}; {covered}"


def lidar_figures(scene: LidarScene, written: WrittenDepths) -> dict[str, Any]:
    """What capture.json says of the result."""
    record = _depth_figures(written) | {"points": scene.counts, "left_out": list(scene.left_out)}
    record["left_out_scans"] = _reasons(scene.left_out_scans)
    if written.stereo is not None:
        record["stereo"] = written.stereo.figures()
    record["time_offset_s"] = scene.offset_s
    if scene.odometry is not None:
        record["odometry"] = scene.odometry.figures()
    if scene.poses is not None:
        record["time_offset_sd_s"] = scene.poses.offset_sd_s
        record["pose_rms_deg_m"] = [scene.poses.rotation_rms_deg, scene.poses.alignment.rms]
    if scene.alignment is not None:
        record["alignment"] = _alignment_figures(scene.alignment)
    return record


def static_figures(scene: StaticScene, written: WrittenDepths, left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """What capture.json says of the result; `left_out` are the file's scans that hold no point."""
    record = _depth_figures(written) | {"points": scene.counts, "left_out_scans": _reasons(left_out)}
    if scene.alignment is not None:
        record["alignment"] = _alignment_figures(scene.alignment)
    return record


def beside_warnings(passed_over: Sequence[LeftOut]) -> list[str]:
    """A sentence on what lies beside the scans or photographs and is not read, if there is anything."""
    if not passed_over:
        return []
    named = ", ".join(f"{item.name} ({item.reason})" for item in passed_over[:_NAMED])
    more = f" and {len(passed_over) - _NAMED} more" if len(passed_over) > _NAMED else ""
    return [f"{len(passed_over)} inputs beside are not used: {named}{more}"]


def _reasons(left_out: Sequence[LeftOut]) -> dict[str, str]:
    return {item.name: item.reason for item in left_out}


def _points(seed: PointCloud) -> str:
    return f"{len(seed.points)} points"


def _covered(written: WrittenDepths) -> float:
    return float(np.mean([item.measured > 0 for item in written.summaries]))


def _depth_figures(written: WrittenDepths) -> dict[str, Any]:
    return {
        "depth_maps": {item.name: [item.measured, item.median_m, item.median_sigma_m] for item in written.summaries},
        "depth_maps_are": "measured pixels, median depth (m), median standard deviation (m)",
        "depths_beyond_the_format": written.left_out,
    }


def _alignment_figures(alignment: Alignment) -> dict[str, Any]:
    return {
        "method": alignment.method,
        "scale": alignment.similarity.scale,
        "scale_sd_share": alignment.scale_sd,
        "T_world_images": alignment.similarity.matrix().tolist(),
        "covariance": alignment.covariance.tolist(),
        "covariance_is": "rotation (rad), translation (m), log of scale, about `center`",
        "center": alignment.center.tolist(),
        "rms_m": alignment.rms,
        "share_that_fits": alignment.share,
    }
