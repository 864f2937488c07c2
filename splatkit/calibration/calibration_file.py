"""The calibration as a file: written for people and programs, read by the capture stage."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

import splatkit
from splatkit.calibration.calibrate import Calibration
from splatkit.calibration.camera import Camera
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import Array

_FORMAT = "splatkit calibration 1"
_PIXELS = "K has pixel centers at integers, as OpenCV and ROS; files of nerfstudio and COLMAP add 0.5 to its center"
_DIRECTION = "p_camera = R p_lidar + t, meters; the camera looks along z, x is right, y is down"


@dataclass(frozen=True)
class StoredCalibration:
    """What a file holds.

    Attributes:
        cameras: intrinsics, to be used together with the extrinsics.
        T_camera_lidar: [C, 4, 4].
        joint_covariances: [6 + P, 6 + P] of each camera: of the twist, that is rotation (rad), then translation (m),
            camera frame, and of its intrinsics (fx, fy, cx, cy, distortion) where they were estimated too.
        target: the board.
        noise: corner_px, range_m, outline_m.
        ring_bias: m, by number of the laser.
        intensity_bias: knots and m at each.
    """

    cameras: tuple[Camera, ...]
    T_camera_lidar: Array
    joint_covariances: tuple[Array, ...]
    target: BoardTarget
    noise: dict[str, float]
    ring_bias: dict[int, float]
    intensity_bias: tuple[list[float], list[float]]


def calibration_record(calibration: Calibration, names: list[str], inputs: dict[str, str]) -> dict[str, Any]:
    """What calibration.json holds.

    Args:
        calibration: the result.
        names: of the cameras.
        inputs: SHA-256 by path.
    """
    solution = calibration.solution
    rings, knots = solution.basis.rings, solution.basis.knots
    bias = solution.guess.range_bias
    judged = [[item.__dict__ for item in view] for view in calibration.leave_one_out.held_out]
    by_name = dict(zip([frame.name for frame in calibration.frames], judged, strict=True))
    return {
        "format": _FORMAT,
        "version": splatkit.__version__,
        "direction": _DIRECTION,
        "pixels": _PIXELS,
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
        "warnings": calibration.warnings,
        "inputs": inputs,
    }


def _camera_record(calibration: Calibration, index: int, name: str) -> dict[str, Any]:
    camera = calibration.solution.guess.cameras[index]
    T, covariance = calibration.solution.guess.T_camera_lidar[index], calibration.covariance(index)
    x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat()
    deviations = np.sqrt(np.diag(covariance))
    return {
        "name": name,
        "model": camera.model,
        "width": camera.width,
        "height": camera.height,
        "K": camera.K.tolist(),
        "distortion": camera.distortion.tolist(),
        "T_camera_lidar": T.tolist(),
        "quaternion_wxyz": [w, x, y, z],
        "translation_m": T[:3, 3].tolist(),
        "covariance": covariance.tolist(),
        "covariance_with_intrinsics": calibration.joint_covariances[index].tolist(),
        "rotation_sd_deg": np.degrees(deviations[:3]).tolist(),
        "translation_sd_m": deviations[3:].tolist(),
        "deviations_over_noise_alone": calibration.over_noise(index),
    }


def is_calibration(record: dict[str, Any]) -> bool:
    """Whether a JSON object is one that `splatkit calibrate` wrote."""
    return record.get("format") == _FORMAT


def read_calibration(path: Path) -> StoredCalibration:
    """Read a calibration.json.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or of another kind; names the file.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != _FORMAT:
            raise DatasetError(f"{path}: is of format {record['format']!r}, expected {_FORMAT!r}")
        cameras = tuple(
            Camera(
                np.array(item["K"], float),
                np.array(item["distortion"], float),
                int(item["width"]),
                int(item["height"]),
                item["model"],
            )
            for item in record["cameras"]
        )
        bias = record["lidar"]["intensity_bias"]
        return StoredCalibration(
            cameras=cameras,
            T_camera_lidar=np.array([item["T_camera_lidar"] for item in record["cameras"]], float),
            joint_covariances=tuple(np.array(item["covariance_with_intrinsics"], float) for item in record["cameras"]),
            target=BoardTarget(**record["board"]),
            noise={name: float(record["noise"][name]) for name in ("corner_px", "range_m", "outline_m")},
            ring_bias={int(ring): float(value) for ring, value in record["lidar"]["ring_bias_m"].items()},
            intensity_bias=(list(bias["knots"]), list(bias["values_m"])),
        )
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{path}: is no calibration of splatkit, or damaged ({error!r})") from None
