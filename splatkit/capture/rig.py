"""Where a LiDAR sits on the cameras beside it: from calibrations, or from a plain file that anybody can write."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import is_rigid
from splatkit.io.formats.calibration_json import StoredCalibration, camera_from_entry, is_calibration, read_calibration
from splatkit.io.json_files import read_json

DEFAULT_RANGE_NOISE_M = 0.03
# What a hand-measured extrinsic may be off, where its file says nothing.
_UNSTATED_DEG, _UNSTATED_M = 1.0, 0.03


@dataclass(frozen=True)
class Rig:
    """Cameras on one LiDAR."""

    cameras: tuple[MountedCamera, ...]
    range_noise_m: float
    ring_bias: dict[int, float]  # m, by number of the laser

    def with_lenses(self, lenses: Mapping[str, Camera]) -> "Rig":
        """With intrinsics by name of the camera, where the file of the rig gives none."""
        cameras = tuple(replace(c, camera=lenses.get(c.name)) if c.camera is None else c for c in self.cameras)
        return replace(self, cameras=cameras)

    def camera_of(self, file_path: str) -> MountedCamera | None:
        """The camera that took an image: the only one, or whose name is a word of the path ("left" in left_0001.png).

        Of several such names the longest counts ("CAM_FRONT_LEFT" before "CAM_FRONT").
        """
        if len(self.cameras) == 1:
            return self.cameras[0]
        fitting = [
            c for c in self.cameras if re.search(rf"(?<![A-Za-z0-9]){re.escape(c.name)}(?![A-Za-z0-9])", file_path)
        ]
        return max(fitting, key=lambda camera: len(camera.name), default=None)


def read_rig(paths: list[Path]) -> Rig:
    """Read calibration.json files of `splatkit calibrate`, or JSON with `cameras`: `name` and `T_camera_lidar` of each.

    Such a plain file may give for each camera `covariance` [6, 6] and intrinsics (`K`, `distortion`, `width`, `height`,
    `model`, as calibration.json has them).

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or of another kind; names the file.
        SettingsError: two cameras have one name.
    """
    cameras: list[MountedCamera] = []
    noises: list[float] = []
    ring_bias: dict[int, float] = {}
    for path in paths:
        record = _parse(Path(path))
        if is_calibration(record):
            stored = read_calibration(path)
            names = list(stored.names)
            if len(paths) > 1 and len(names) == 1:
                names = [_name_of_lone_camera(names[0], Path(path))]
            cameras += _from_calibration(stored, names)
            noises.append(stored.noise["range_m"])
            ring_bias |= stored.ring_bias
        else:
            cameras += _from_plain(Path(path), record)
    names = [camera.name for camera in cameras]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"{paths[-1]}: two cameras are called {twice[0]}; rename one in its file")
    return Rig(tuple(cameras), max(noises, default=DEFAULT_RANGE_NOISE_M), ring_bias)


def _name_of_lone_camera(name: str, path: Path) -> str:
    """A calibration of one camera is called as its folder of images was, often `images`: then as the file's folder."""
    return path.resolve().parent.name if name in ("images", "camera") else name


def _parse(path: Path) -> dict[str, Any]:
    record = read_json(path)
    if not isinstance(record.get("cameras"), list) or not record["cameras"]:
        raise DatasetError(f"{path}: expected a calibration.json, or a list `cameras` with name and T_camera_lidar")
    return record


def _from_calibration(stored: StoredCalibration, names: list[str]) -> list[MountedCamera]:
    return [
        MountedCamera(name, T, covariance[:6, :6], camera)
        for name, T, covariance, camera in zip(
            names, stored.T_camera_lidar, stored.joint_covariances, stored.cameras, strict=True
        )
    ]


def _from_plain(path: Path, record: dict[str, Any]) -> list[MountedCamera]:
    out = []
    for number, entry in enumerate(record["cameras"]):
        where = f"{path}: camera {number}"
        try:
            name, T = str(entry["name"]), np.array(entry["T_camera_lidar"], dtype=np.float64)
            stated = "covariance" in entry
            covariance = np.array(entry["covariance"], dtype=np.float64) if stated else _assumed_covariance()
            camera = camera_from_entry(entry) if "K" in entry else None
        except (KeyError, TypeError, ValueError) as error:  # SettingsError is a ValueError
            raise DatasetError(f"{where}: expected name, T_camera_lidar and perhaps intrinsics ({error!r})") from None
        if not is_rigid(T):
            raise DatasetError(f"{where} ({name}): T_camera_lidar is not a rigid 4 x 4 transform")
        if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
            raise DatasetError(f"{where} ({name}): expected finite numbers, and a covariance of 6 x 6")
        out.append(MountedCamera(name, T, covariance, camera, stated))
    return out


def _assumed_covariance() -> NDArray[np.float64]:
    return np.diag([np.deg2rad(_UNSTATED_DEG) ** 2] * 3 + [_UNSTATED_M**2] * 3)
