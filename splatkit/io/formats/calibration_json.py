"""calibration.json as far as a dataset needs it: cameras, where the LiDAR sits on them, and what is known of both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import camera_from_opencv, opencv_K, opencv_model
from splatkit.io.json_files import read_json

FORMAT = "splatkit calibration 1"
PIXELS = "K has pixel centers at integers, as OpenCV and ROS; files of nerfstudio and COLMAP add 0.5 to its center"


@dataclass(frozen=True)
class StoredCalibration:
    """What a file holds.

    Attributes:
        names: of the cameras.
        cameras: intrinsics, to be used together with the extrinsics.
        T_camera_lidar: [C, 4, 4].
        joint_covariances: [6 + P, 6 + P] of each camera: of the twist, that is rotation (rad), then translation (m),
            camera frame, and of its intrinsics (fx, fy, cx, cy, distortion) where they were estimated too.
        noise: range_m, and of a calibration with a board corner_px and outline_m.
        ring_bias: m, by number of the laser.
        board: as the file has it, see `splatkit.calibration.calibration_file`; empty where there was none.
    """

    names: tuple[str, ...]
    cameras: tuple[Camera, ...]
    T_camera_lidar: NDArray[np.float64]
    joint_covariances: tuple[NDArray[np.float64], ...]
    noise: dict[str, float]
    ring_bias: dict[int, float]
    board: dict[str, Any]


def is_calibration(record: dict[str, Any]) -> bool:
    """Whether a JSON object is one that `splatkit calibrate` wrote."""
    return record.get("format") == FORMAT


def read_calibration(path: Path) -> StoredCalibration:
    """Read a calibration.json.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or of another kind; names the file.
    """
    record = read_json(path)
    if not is_calibration(record):
        raise DatasetError(f"{path}: is of format {record.get('format')!r}, expected {FORMAT!r}")
    try:
        cameras, board = record["cameras"], record["board"]
        if board is None and not isinstance(record.get("walk"), dict):  # only a walk needs none
            raise ValueError("board: expected an object")
        return StoredCalibration(
            names=tuple(str(item["name"]) for item in cameras),
            cameras=tuple(camera_from_entry(item) for item in cameras),
            T_camera_lidar=np.array([item["T_camera_lidar"] for item in cameras], float),
            joint_covariances=tuple(np.array(item["covariance_with_intrinsics"], float) for item in cameras),
            noise={name: float(record["noise"][name]) for name in _noises(board)},
            ring_bias={int(ring): float(value) for ring, value in record["lidar"]["ring_bias_m"].items()},
            board={} if board is None else _board(board),
        )
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{path}: not a splatkit calibration, or damaged ({error!r})") from None


def _noises(board: dict[str, Any] | None) -> tuple[str, ...]:
    return ("range_m",) if board is None else ("corner_px", "range_m", "outline_m")


def _board(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry; KeyError, TypeError or ValueError where it is no board's."""
    sizes = {name: float(entry[name]) for name in ("columns", "rows", "square", "width", "height")}
    if not np.isfinite(list(sizes.values())).all():
        raise ValueError(f"board: expected finite sizes, got {sizes}")
    return entry


def camera_entry(camera: Camera) -> dict[str, Any]:
    """A camera as calibration.json has it."""
    return {
        "model": opencv_model(camera),
        "width": camera.width,
        "height": camera.height,
        "K": opencv_K(camera).tolist(),
        "distortion": list(camera.distortion),
    }


def camera_from_entry(entry: dict[str, Any]) -> Camera:
    """The camera of an entry; `model` and `distortion` may be missing.

    Raises:
        KeyError, TypeError, ValueError: damaged.
    """
    distortion = np.array(entry.get("distortion", []), float).ravel().tolist()
    K, size = np.array(entry["K"], float).reshape(3, 3), (int(entry["width"]), int(entry["height"]))
    return camera_from_opencv(entry.get("model", "pinhole"), K, distortion, *size)
