"""A dataset as a COLMAP model: cameras, images and points3D, binary and as text.

Cameras that took photographs together (`rig_frame` in transforms.json) become one rig, which has a pose for each frame.
Both count pixels from the corner of the first one, so that intrinsics stay as they are; poses change their axes and
their direction (camera from world). Points come from the seed cloud, without the tracks that a dataset does not keep.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.errors import SettingsError
from splatkit.export.files.colmap_rigs import FoundRig, find_rigs, sensor_of
from splatkit.export.settings import ExportColmapSettings
from splatkit.geometry.camera import Camera
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.point_cloud import PointCloud
from splatkit.io.transforms_json import Frame, Transforms, read_seed_cloud, read_transforms

_TEXT = "text"  # folder of the text form; the binary one is what programs look for first


@dataclass(frozen=True)
class ColmapExport:
    """What was written."""

    cameras: int
    images: int
    rigs: int  # of several cameras
    unfit: int  # sets of cameras that do not lie to each other alike in all frames: written as single ones
    points: int


def export_colmap(settings: ExportColmapSettings) -> ColmapExport:
    """Write cameras.bin, images.bin, points3D.bin (and what else this COLMAP has), and the same as text in `text`.

    Raises:
        FileNotFoundError, DatasetError: the dataset cannot be read, or has a lens that COLMAP does not know.
        FileExistsError: `out` exists and may not be overwritten.
        SettingsError: no sensible number of points.
    """
    if settings.max_points < 1:
        raise SettingsError(f"--max-points: expected at least 1, got {settings.max_points}")
    transforms = read_transforms(settings.data, allow_outside=settings.allow_outside)
    cloud = read_seed_cloud(transforms)
    return write_colmap(transforms, cloud, settings.out, settings.overwrite, settings.max_points)


def write_colmap(
    transforms: Transforms, cloud: PointCloud | None, out: Path, overwrite: bool, max_points: int
) -> ColmapExport:
    """Write cameras and points as a model, see `export_colmap`.

    Args:
        transforms: cameras, by the names of their images.
        cloud: points in the coordinates of the cameras.
        out: folder to make.
        overwrite: replace what is there.
        max_points: points are thinned to at most as many.
    """
    model = pycolmap.Reconstruction()
    cameras, rigs, unfit = _add_images(model, transforms)
    points = 0 if cloud is None else _add_points(model, cloud, np.array(transforms.origin), max_points)
    with atomic_directory(out, overwrite) as folder:
        model.write_binary(str(folder))
        (folder / _TEXT).mkdir()
        model.write_text(str(folder / _TEXT))
    return ColmapExport(cameras, len(transforms.frames), rigs, unfit, points)


def _add_images(model: pycolmap.Reconstruction, transforms: Transforms) -> tuple[int, int, int]:
    """Images by their names relative to the dataset's folder; returns the numbers of cameras, rigs, and of no rigs."""
    rigs, unfit = find_rigs(transforms.frames)
    numbers = {frame.file_path: number for number, frame in enumerate(transforms.frames, start=1)}
    origin, on_rig = np.array(transforms.origin), set[str]()
    for rig in rigs:
        _add_rig(model, rig, numbers, origin)
        on_rig |= {frame.file_path for taken in rig.frames for frame in taken}
    ids: dict[Camera, int] = {}
    first = len(model.cameras)
    for frame in transforms.frames:
        if frame.file_path in on_rig:
            continue
        if frame.camera not in ids:
            ids[frame.camera] = first + len(ids) + 1
            model.add_camera_with_trivial_rig(colmap_camera(frame.camera, ids[frame.camera]))
        image = _image(frame, ids[frame.camera], numbers)
        model.add_image_with_trivial_frame(image, _colmap_pose(frame.posed.T_camera_world, origin))
    return len(model.cameras), len(rigs), unfit


def _add_rig(model: pycolmap.Reconstruction, rig: FoundRig, numbers: dict[str, int], origin: NDArray) -> None:
    """Cameras, rig, frames and images."""
    ids = {sensor: len(model.cameras) + number for number, sensor in enumerate(rig.poses, start=1)}
    record = pycolmap.Rig()
    record.rig_id = ids[next(iter(rig.poses))]  # as rigs of single cameras are numbered
    for (name, camera), T_camera_rig in rig.poses.items():
        number = ids[name, camera]
        model.add_camera(colmap_camera(camera, number))
        sensor = pycolmap.sensor_t(pycolmap.SensorType.CAMERA, number)
        if number == record.rig_id:
            record.add_ref_sensor(sensor)
        else:
            record.add_sensor(sensor, _colmap_pose(T_camera_rig, np.zeros(3)))
    model.add_rig(record)
    for taken in rig.frames:
        frame = pycolmap.Frame()
        frame.frame_id, frame.rig_id = numbers[taken[0].file_path], record.rig_id  # as frames of single images are
        images = [_image(photograph, ids[sensor_of(photograph)], numbers) for photograph in taken]
        for image in images:
            image.frame_id = frame.frame_id
            frame.add_data_id(image.data_id)
        frame.rig_from_world = _colmap_pose(rig.T_rig_world(taken), origin)
        model.add_frame(frame)
        for image in images:
            model.add_image(image)
        model.register_frame(frame.frame_id)


def _image(frame: Frame, camera_id: int, numbers: dict[str, int]) -> pycolmap.Image:
    return pycolmap.Image(name=frame.file_path, camera_id=camera_id, image_id=numbers[frame.file_path])


def _colmap_pose(T_camera_world: NDArray, origin: NDArray) -> pycolmap.Rigid3d:
    """A pose [4, 4] in local coordinates, as that in coordinates that begin at -origin [3].

    COLMAP stores a quaternion. Files have rotations to 1e-7 or so, and far from the origin that moves the camera.
    """
    rotation = Rotation.from_matrix(T_camera_world[:3, :3])
    center = -T_camera_world[:3, :3].T @ T_camera_world[:3, 3]
    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation.as_quat()), -rotation.apply(center + origin))


def _add_points(model: pycolmap.Reconstruction, cloud: PointCloud, origin: NDArray, limit: int) -> int:
    step = max(1, -(-len(cloud.points) // limit))
    points = cloud.points[::step].astype(np.float64) + origin
    gray = np.full((len(points), 3), 128, np.uint8)
    colors = gray if cloud.colors is None else cloud.colors[::step]
    for point, color in zip(points, colors, strict=True):
        model.add_point3D(point, pycolmap.Track(), color)
    return len(points)
