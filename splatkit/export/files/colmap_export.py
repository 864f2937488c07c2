"""A dataset as a COLMAP model: cameras, images and points3D, binary and as text.

Both count pixels from the corner of the first one, so that intrinsics stay as they are; poses change their axes and
their direction (camera from world). Points come from the seed cloud, without the tracks that a dataset does not keep.
"""

from dataclasses import dataclass

import numpy as np
import pycolmap
from scipy.spatial.transform import Rotation

from splatkit.errors import SettingsError
from splatkit.export.settings import ExportColmapSettings
from splatkit.geometry.camera import Camera
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.transforms_json import Transforms, read_seed_cloud, read_transforms

_TEXT = "text"  # folder of the text form; the binary one is what programs look for first


@dataclass(frozen=True)
class ColmapExport:
    """What was written."""

    cameras: int
    images: int
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
    model = pycolmap.Reconstruction()
    cameras = _add_images(model, transforms)
    points = _add_points(model, transforms, settings.max_points)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        model.write_binary(str(folder))
        (folder / _TEXT).mkdir()
        model.write_text(str(folder / _TEXT))
    return ColmapExport(cameras, len(transforms.frames), points)


def _add_images(model: pycolmap.Reconstruction, transforms: Transforms) -> int:
    """Images by their names relative to the dataset's folder; returns the number of cameras."""
    ids: dict[Camera, int] = {}
    for number, frame in enumerate(transforms.frames, start=1):
        if frame.camera not in ids:
            ids[frame.camera] = len(ids) + 1
            model.add_camera_with_trivial_rig(colmap_camera(frame.camera, len(ids)))
        image = pycolmap.Image(name=frame.file_path, camera_id=ids[frame.camera], image_id=number)
        # COLMAP stores a quaternion. Files have rotations to 1e-7 or so, and far from the origin that moves the camera.
        rotation = Rotation.from_matrix(frame.posed.T_camera_world[:3, :3])
        translation = -rotation.apply(frame.posed.center + np.array(transforms.origin))
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(rotation.as_quat()), translation)
        model.add_image_with_trivial_frame(image, pose)
    return len(ids)


def _add_points(model: pycolmap.Reconstruction, transforms: Transforms, limit: int) -> int:
    cloud = read_seed_cloud(transforms)
    if cloud is None:
        return 0
    step = max(1, -(-len(cloud.points) // limit))
    points = cloud.points[::step].astype(np.float64) + np.array(transforms.origin)
    gray = np.full((len(points), 3), 128, np.uint8)
    colors = gray if cloud.colors is None else cloud.colors[::step]
    for point, color in zip(points, colors, strict=True):
        model.add_point3D(point, pycolmap.Track(), color)
    return len(points)
