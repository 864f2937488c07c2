"""Cameras around a vehicle: their lenses, and where they sit.

The vehicle's frame has x ahead, y to the left and z up; the ground is z = 0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, is_rigid
from splatkit.io.formats.calibration_json import PIXELS, camera_entry, camera_from_entry
from splatkit.io.json_files import read_json

FRAME = "vehicle: x ahead, y left, z up, meters; the ground is z = 0; p_vehicle = R p_camera + t"
_HIGHEST_M = 10.0  # a camera above it is not in meters, or not on a vehicle


@dataclass(frozen=True, eq=False)
class SurroundRig:
    """C cameras on a vehicle."""

    names: tuple[str, ...]
    cameras: tuple[Camera, ...]
    T_vehicle_camera: Array  # [C, 4, 4]

    @property
    def centers(self) -> Array:
        """[C, 3] of the cameras, m, vehicle."""
        return self.T_vehicle_camera[:, :3, 3]


def read_rig(path: Path) -> SurroundRig:
    """Read cameras from JSON: of each its name, width, height, K, model and distortion, and T_vehicle_camera.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it is damaged, or holds no such rig; names the file and the camera.
    """
    record = read_json(path)
    entries = record.get("cameras") if isinstance(record, dict) else None
    if not isinstance(entries, list) or len(entries) < 2:
        raise DatasetError(f"{path}: expected a list `cameras` of at least two cameras with T_vehicle_camera")
    names, cameras, poses = [], [], []
    for index, entry in enumerate(entries):
        name = str(entry.get("name", f"camera {index}")) if isinstance(entry, dict) else f"camera {index}"
        try:
            cameras.append(camera_from_entry(entry))
            T = np.array(entry["T_vehicle_camera"], np.float64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatasetError(f"{path}: {name} is damaged or incomplete ({error!r})") from None
        if not is_rigid(T):
            raise DatasetError(f"{path}: T_vehicle_camera of {name} is not a rigid 4 x 4 transform")
        if not 0 < T[2, 3] < _HIGHEST_M:
            raise DatasetError(
                f"{path}: {name} is {T[2, 3]:g} m above the ground; expected T_vehicle_camera in meters, z up, the "
                "ground at z = 0"
            )
        names.append(name)
        poses.append(T)
    if len(set(names)) < len(names):
        raise DatasetError(f"{path}: two cameras have the same name")
    return SurroundRig(tuple(names), tuple(cameras), np.stack(poses))


def departures(found: SurroundRig, stated: SurroundRig) -> Array:
    """[C, 6] how cameras turned (rotation vector, rad) and moved (m) from one rig to another, vehicle axes."""
    turned = found.T_vehicle_camera[:, :3, :3] @ np.swapaxes(stated.T_vehicle_camera[:, :3, :3], 1, 2)
    return np.concatenate([Rotation.from_matrix(turned).as_rotvec(), found.centers - stated.centers], 1)


def rig_entries(rig: SurroundRig) -> list[dict[str, Any]]:
    """Cameras as `read_rig` takes them."""
    return [
        {"name": name, **camera_entry(camera), "T_vehicle_camera": T.tolist()}
        for name, camera, T in zip(rig.names, rig.cameras, rig.T_vehicle_camera, strict=True)
    ]


def rig_record(rig: SurroundRig) -> dict[str, Any]:
    """What a rig's file holds."""
    return {"frame": FRAME, "pixels": PIXELS, "cameras": rig_entries(rig)}
