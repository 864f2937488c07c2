"""A rig as COLMAP's database and models have it: https://colmap.github.io/rigs.html.

Each camera of a rig has a number of its own, also where lenses are alike; what belongs to no rig is one by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.rigs.rig import CameraRig

RIG_ID = 1


@dataclass(frozen=True)
class Constant:
    """What bundle adjustment leaves as it is: numbers of cameras and of rigs."""

    cameras: frozenset[int] = frozenset()
    rigs: frozenset[int] = frozenset()


def camera_sensor(camera_id: int) -> pycolmap.sensor_t:
    """COLMAP's name for a camera among the sensors of a rig."""
    return pycolmap.sensor_t(pycolmap.SensorType.CAMERA, camera_id)


def colmap_pose(T: NDArray[np.float64]) -> pycolmap.Rigid3d:
    """A rigid transform [4, 4]."""
    rotation = Rotation.from_matrix(T[:3, :3]).as_quat()
    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), T[:3, 3])


def has_rig(path: Path) -> bool:
    """Whether `write_rig` was there: COLMAP itself writes a rig for each camera when it finds features."""
    with pycolmap.Database.open(path) as opened:
        return any(rig.num_sensors() > 1 for rig in opened.read_all_rigs())


def write_rig(
    database: pycolmap.Database, rig: CameraRig, camera_ids: Mapping[str, int], images: Sequence[pycolmap.Image]
) -> None:
    """Write the rig, a rig of its own for each camera that belongs to none, and the frames of all images.

    Args:
        database: open, with cameras and images; rigs and frames that it has are replaced.
        rig: with all relative poses.
        camera_ids: by name of the rig's cameras.
        images: as they were read from the database.
    """
    database.clear_frames()
    database.clear_rigs()
    database.write_rig(_record(rig, camera_ids), use_rig_id=True)
    on_rig = set(camera_ids.values())
    rig_of = dict.fromkeys(on_rig, RIG_ID)
    for camera_id in sorted({image.camera_id for image in images} - on_rig):
        alone = pycolmap.Rig()
        alone.add_ref_sensor(camera_sensor(camera_id))
        rig_of[camera_id] = database.write_rig(alone)
    by_name = {image.name: image for image in images}
    for names in rig.frames(by_name):
        frame = pycolmap.Frame()
        frame.rig_id = rig_of[by_name[names[0]].camera_id]
        for name in names:
            frame.add_data_id(by_name[name].data_id)
        frame_id = database.write_frame(frame)
        for name in names:
            by_name[name].frame_id = frame_id
            database.update_image(by_name[name])


def _record(rig: CameraRig, camera_ids: Mapping[str, int]) -> pycolmap.Rig:
    out = pycolmap.Rig()
    out.rig_id = RIG_ID
    first, *others = rig.cameras
    out.add_ref_sensor(camera_sensor(camera_ids[first.name]))
    for camera in others:
        assert camera.T_camera_rig is not None
        out.add_sensor(camera_sensor(camera_ids[camera.name]), colmap_pose(camera.T_camera_rig))
    return out
