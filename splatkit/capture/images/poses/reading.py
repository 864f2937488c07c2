"""One door to all formats of poses."""

from pathlib import Path
from typing import Literal

from splatkit.capture.images.poses.colmap import find_colmap_models, read_colmap
from splatkit.capture.images.poses.given import GivenCameras, with_local_origin
from splatkit.capture.images.poses.nerfcapture import is_nerfcapture, read_nerfcapture
from splatkit.capture.images.poses.nerfstudio import read_transforms_poses
from splatkit.capture.images.poses.polycam import is_polycam, read_polycam
from splatkit.capture.images.poses.record3d import metadata_file, read_record3d
from splatkit.capture.images.poses.stray import is_stray, read_stray
from splatkit.capture.images.poses.tum import read_tum
from splatkit.errors import DatasetError
from splatkit.io.transforms_json import pose_files

PoseFormat = Literal["auto", "colmap", "transforms", "polycam", "record3d", "stray", "nerfcapture", "tum"]


def read_poses(
    path: Path, form: PoseFormat, images: Path | None, times: Path | None, intrinsics: Path | None
) -> GivenCameras:
    """Poses of images in any of the formats, in local coordinates where theirs are far from the origin.

    Args:
        path: file or folder.
        form: which format; auto tells by the files that are there.
        images: folder of images, for COLMAP where they are elsewhere, for trajectories, and of a video's frames for
            Stray Scanner.
        times: CSV of image times, for trajectories.
        intrinsics: of the camera, for trajectories.

    Raises:
        FileNotFoundError, DatasetError, SettingsError: as the readers say.
    """
    return with_local_origin(_read(Path(path), form, images, times, intrinsics))


def _read(
    path: Path, form: PoseFormat, images: Path | None, times: Path | None, intrinsics: Path | None
) -> GivenCameras:
    form = _recognize(path) if form == "auto" else form
    if form == "colmap":
        return read_colmap(path, images)
    if form == "transforms":
        return read_transforms_poses(path)
    if form == "nerfcapture":
        return read_nerfcapture(path)
    if form == "stray":
        return read_stray(path, images)
    if form == "polycam":
        return read_polycam(path)
    if form == "record3d":
        return read_record3d(path)
    return read_tum(path, images, times, intrinsics)


def _recognize(path: Path) -> PoseFormat:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of poses")
    if is_nerfcapture(path):
        return "nerfcapture"
    if path.is_file():
        return "transforms" if path.suffix == ".json" else "tum"
    if pose_files(path):
        return "transforms"
    if is_polycam(path):
        return "polycam"
    if metadata_file(path) is not None:
        return "record3d"
    if is_stray(path):
        return "stray"
    if find_colmap_models(path):
        return "colmap"
    raise DatasetError(
        f"{path}: no poses in this folder; expected a transforms.json (or Blender's transforms_train.json), a COLMAP "
        "model (cameras, images, points3D), Polycam's keyframes/cameras, Record3D's metadata or Stray Scanner's "
        "odometry.csv"
    )
