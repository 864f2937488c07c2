"""One door to all formats of poses."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from splatkit.capture.images.poses.colmap import find_colmap_models, read_colmap
from splatkit.capture.images.poses.given import GivenCameras, with_local_origin
from splatkit.capture.images.poses.nerfcapture import is_nerfcapture, read_nerfcapture
from splatkit.capture.images.poses.nerfstudio import read_transforms_poses
from splatkit.capture.images.poses.photogrammetry.alicevision import is_alicevision, read_alicevision
from splatkit.capture.images.poses.photogrammetry.bundler import is_bundler, read_bundler
from splatkit.capture.images.poses.photogrammetry.metashape import is_metashape, read_metashape
from splatkit.capture.images.poses.photogrammetry.openmvg import is_openmvg, read_openmvg
from splatkit.capture.images.poses.photogrammetry.opf import project_file, read_opf
from splatkit.capture.images.poses.photogrammetry.realityscan import is_realityscan, read_realityscan
from splatkit.capture.images.poses.polycam import is_polycam, read_polycam
from splatkit.capture.images.poses.record3d import metadata_file, read_record3d
from splatkit.capture.images.poses.stray import is_stray, read_stray
from splatkit.capture.images.poses.tum import read_tum
from splatkit.errors import DatasetError
from splatkit.io.transforms_json import pose_files

Photogrammetry = Literal["metashape", "realityscan", "alicevision", "openmvg", "opf", "bundler"]
_KnownFormat = Literal["colmap", "transforms", "polycam", "record3d", "stray", "nerfcapture", "tum"] | Photogrammetry
PoseFormat = Literal["auto"] | _KnownFormat

# What tells a format of programs of photogrammetry, and reads it; in the order of looking.
_PHOTOGRAMMETRY: dict[Photogrammetry, tuple[Callable[[Path], bool], Callable[[Path, Path | None], GivenCameras]]] = {
    "metashape": (is_metashape, read_metashape),
    "openmvg": (is_openmvg, read_openmvg),
    "alicevision": (is_alicevision, read_alicevision),
    "opf": (lambda path: project_file(path) is not None, read_opf),
    "bundler": (is_bundler, read_bundler),
    "realityscan": (is_realityscan, read_realityscan),
}


def read_poses(
    path: Path, form: PoseFormat, images: Path | None, times: Path | None, intrinsics: Path | None
) -> GivenCameras:
    """Poses of images in any of the formats, in local coordinates where theirs are far from the origin.

    Args:
        path: file or folder.
        form: which format; auto tells by the files that are there.
        images: folder of images, for COLMAP and programs of photogrammetry where they are elsewhere, for trajectories,
            and of a video's frames for Stray Scanner.
        times: CSV of image times, for trajectories.
        intrinsics: of the camera, for trajectories.

    Raises:
        FileNotFoundError, DatasetError, SettingsError: as the readers say.
    """
    return with_local_origin(_read(Path(path), form, images, times, intrinsics))


def _read(
    path: Path, form: PoseFormat, images: Path | None, times: Path | None, intrinsics: Path | None
) -> GivenCameras:
    known = _recognize(path) if form == "auto" else form
    if known == "colmap":
        return read_colmap(path, images)
    if known == "transforms":
        return read_transforms_poses(path)
    if known == "nerfcapture":
        return read_nerfcapture(path)
    if known == "stray":
        return read_stray(path, images)
    if known == "polycam":
        return read_polycam(path)
    if known == "record3d":
        return read_record3d(path)
    if known == "tum":
        return read_tum(path, images, times, intrinsics)
    return _PHOTOGRAMMETRY[known][1](path, images)


def _recognize(path: Path) -> _KnownFormat:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of poses")
    if is_nerfcapture(path):
        return "nerfcapture"
    if path.is_file():
        found = _photogrammetry(path)
        if found is not None:
            return found
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
    if (found := _photogrammetry(path)) is not None:
        return found
    raise DatasetError(
        f"{path}: no poses in this folder; expected a transforms.json (or Blender's transforms_train.json), a COLMAP "
        "model (cameras, images, points3D), Polycam's keyframes/cameras, Record3D's metadata, Stray Scanner's "
        "odometry.csv, an OPF project or RealityScan's .xmp"
    )


def _photogrammetry(path: Path) -> Photogrammetry | None:
    return next((form for form, (fits, _) in _PHOTOGRAMMETRY.items() if fits(path)), None)
