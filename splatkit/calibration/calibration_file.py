"""The calibration as a file, written for people and programs; `io.formats.calibration_json` reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

import splatkit
from splatkit.calibration.calibrate import Calibration
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import Array
from splatkit.io.formats.calibration_json import FORMAT, PIXELS, StoredCalibration, camera_entry

DIRECTION = "p_camera = R p_lidar + t, meters; the camera looks along z, x is right, y is down"


def calibration_record(
    calibration: Calibration, names: list[str], inputs: dict[str, str], left_out: Mapping[Path, str]
) -> dict[str, Any]:
    """What calibration.json holds.

    Args:
        calibration: the result.
        names: of the cameras.
        inputs: SHA-256 by path.
        left_out: files of the folders that were not used, and why.
    """
    solution = calibration.solution
    rings, knots = solution.basis.rings, solution.basis.knots
    bias = solution.guess.range_bias
    judged = [[item.__dict__ for item in view] for view in calibration.leave_one_out.held_out]
    by_name = dict(zip([frame.name for frame in calibration.frames], judged, strict=True))
    return {
        "format": FORMAT,
        "version": splatkit.__version__,
        "direction": DIRECTION,
        "pixels": PIXELS,
        "cameras": [_camera_record(calibration, index, name) for index, name in enumerate(names)],
        "lidar": {
            "ring_bias_m": {str(ring): float(value) for ring, value in zip(rings, bias, strict=False)},
            "intensity_bias": {"knots": knots.tolist(), "values_m": bias[len(rings) :].tolist()},
        },
        "board": calibration.target.__dict__,
        "noise": calibration.noise.__dict__,
        "estimated": calibration.selection.reasons,
        "chi": solution.chi,
        "frames": [
            {"name": verdict.name, "left_out": verdict.left_out, "held_out": by_name.get(verdict.name)}
            for verdict in calibration.verdicts
        ],
        "halves_deg_m": calibration.halves.tolist(),
        "left_out_files": {str(path): reason for path, reason in left_out.items()},
        "warnings": calibration.warnings,
        "inputs": inputs,
    }


def _camera_record(calibration: Calibration, index: int, name: str) -> dict[str, Any]:
    camera = calibration.solution.guess.cameras[index]
    T, covariance = calibration.solution.guess.T_camera_lidar[index], calibration.covariance(index)
    return {
        "name": name,
        **camera_entry(camera),
        **extrinsic_entry(T, covariance),
        "covariance_with_intrinsics": calibration.joint_covariances[index].tolist(),
        "deviations_over_noise_alone": calibration.over_noise(index),
    }


def extrinsic_entry(T_camera_lidar: Array, covariance: Array) -> dict[str, Any]:
    """An extrinsic [4, 4] and the covariance [6, 6] of its twist, as calibration.json has them."""
    x, y, z, w = Rotation.from_matrix(T_camera_lidar[:3, :3]).as_quat()
    deviations = np.sqrt(np.diag(covariance))
    return {
        "T_camera_lidar": T_camera_lidar.tolist(),
        "quaternion_wxyz": [w, x, y, z],
        "translation_m": T_camera_lidar[:3, 3].tolist(),
        "covariance": covariance.tolist(),
        "rotation_sd_deg": np.degrees(deviations[:3]).tolist(),
        "translation_sd_m": deviations[3:].tolist(),
    }


def board_of(stored: StoredCalibration, path: Path) -> BoardTarget:
    """The board that a calibration was made with.

    Raises:
        DatasetError: it is damaged, or was made without a board; names the file.
    """
    if not stored.board:
        raise DatasetError(f"{path}: was made without a board, which `calibrate check` and `calibrate advise` need")
    try:
        return BoardTarget(**stored.board)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: not a splatkit calibration, or damaged ({error!r})") from None
