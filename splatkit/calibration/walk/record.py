"""The calibration of a walk as a file: that of a board's, as far as both hold the same."""

from typing import Any

import numpy as np

import splatkit
from splatkit.calibration.calibration_file import DIRECTION, extrinsic_entry
from splatkit.calibration.walk.calibrate import WalkCalibration
from splatkit.geometry.camera import Camera
from splatkit.io.formats.calibration_json import FORMAT, PIXELS, camera_entry


def walk_record(
    found: WalkCalibration, lenses: tuple[Camera, ...], range_noise_m: float, inputs: dict[str, str], warnings: Any
) -> dict[str, Any]:
    """What calibration.json holds.

    Args:
        found: the result.
        lenses: of the cameras.
        range_noise_m: standard deviation of ranges, as stated.
        inputs: SHA-256 by path.
        warnings: sentences.
    """
    solved, names = found.solved, found.recording.names
    similarity = solved.estimate.similarity
    cameras = []
    for index, (name, lens) in enumerate(zip(names, lenses, strict=True)):
        covariance = solved.twist_covariance(index)
        entry = {
            "name": name,
            **camera_entry(lens),
            **extrinsic_entry(solved.estimate.T_camera_lidar[index], covariance),
        }
        cameras.append({**entry, "covariance_with_intrinsics": covariance.tolist()})
    return {
        "format": FORMAT,
        "version": splatkit.__version__,
        "direction": DIRECTION,
        "pixels": PIXELS,
        "cameras": cameras,
        "lidar": {"ring_bias_m": {}, "intensity_bias": {"knots": [], "values_m": []}},
        "board": None,
        "noise": {"range_m": range_noise_m},
        "walk": {
            "time_offset_s": solved.estimate.offset_s,
            "time_offset_sd_s": solved.offset_sd_s,
            "T_world_images": similarity.matrix().tolist(),
            "scale": similarity.scale,
            "photographs": len(solved.inside),
            "photographs_that_fit": int(solved.fitting.sum()),
            "points": len(found.recording.points),
            "points_near_planes": len(solved.surfaces.distances),
            "motion_deg": float(np.degrees(solved.sigma_rad)),
            "motion_m": solved.sigma_m,
            "had_prior": found.prior is not None,
        },
        "warnings": list(warnings),
        "inputs": inputs,
    }
