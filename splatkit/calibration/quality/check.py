"""A stored calibration against frames that it has not seen."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.frames import Frame
from splatkit.calibration.quality.observability import pixel_uncertainty
from splatkit.calibration.solver.closed_form import board_poses
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import transform_points
from splatkit.io.formats.calibration_json import StoredCalibration

_SIGMAS = 4.0
_RECTANGLE_M = 0.012  # how well a plate's center is known from one scan
_NEAREST_M = 0.5  # a candidate further from the board is another thing


@dataclass(frozen=True)
class CheckedFrame:
    """Between the plate's center in the scan and the pattern's in the image."""

    name: str
    center_m: float
    center_px: float


@dataclass(frozen=True)
class Checked:
    """All frames.

    Attributes:
        frames: where both sensors see the board.
        left_out: names and reasons of the others.
        center_m: median over frames.
        center_px: the same in the image.
        allowed_m: what the stated covariance, and the noise of one frame, allow the median to be.
    """

    frames: list[CheckedFrame]
    left_out: list[tuple[str, str]]
    center_m: float
    center_px: float
    allowed_m: float

    @property
    def holds(self) -> bool:
        """Whether the frames agree with the calibration."""
        return self.center_m <= self.allowed_m


def check_frames(stored: StoredCalibration, target: BoardTarget, frames: list[Frame]) -> Checked:
    """Compare; each frame's candidate nearest to the pattern is taken as the board.

    Raises:
        CalibrationRefusedError: no frame shows the board to both sensors.
    """
    found, left_out, allowed = list[CheckedFrame](), list[tuple[str, str]](), list[float]()
    for frame in frames:
        if not frame.candidates or all(seen is None for seen in frame.corners):
            left_out.append((frame.name, "the board is not seen by both sensors"))
            continue
        for index, seen in enumerate(frame.corners):
            if seen is None:
                continue
            camera, T = stored.cameras[index], stored.T_camera_lidar[index]
            center = board_poses([seen], target, camera)[0, :3, 3]
            places = transform_points(T, np.stack([board.T_lidar_board[:3, 3] for board in frame.candidates]))
            distances = np.linalg.norm(places - center, axis=1)
            nearest = int(distances.argmin())
            if distances[nearest] > _NEAREST_M:
                left_out.append((frame.name, f"no board within {_NEAREST_M} m of where the image has it"))
                continue
            pixels = camera.image(np.stack([places[nearest], center]))
            found.append(
                CheckedFrame(frame.name, float(distances[nearest]), float(np.linalg.norm(pixels[0] - pixels[1])))
            )
            distance = float(np.linalg.norm(center))
            angle = pixel_uncertainty(stored.joint_covariances[index], camera, distance).max() / camera.fx
            allowed.append(float(np.hypot(angle * distance, _RECTANGLE_M)))
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out[:3])
        raise CalibrationRefusedError(f"no frame can be compared ({reasons})")
    return Checked(
        found,
        left_out,
        float(np.median([item.center_m for item in found])),
        float(np.median([item.center_px for item in found])),
        _SIGMAS * float(np.median(allowed)),
    )
