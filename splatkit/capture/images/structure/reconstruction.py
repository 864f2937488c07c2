"""Structure from motion by COLMAP: where each photograph was taken, its lens, and points of the scene.

Incremental mapping (Schoenberger and Frahm, "Structure-from-Motion Revisited", CVPR 2016) as pycolmap runs it, on the
CPU. Scale, place and orientation of what it finds are arbitrary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pycolmap

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.images.structure.feature_matching import colmap_errors
from splatkit.capture.images.structure.rig_records import RIG_ID, Constant
from splatkit.errors import CaptureRefusedError, DatasetError, SplatkitError
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.photographs.exif import focal_px
from splatkit.io.photographs.heif import is_heif
from splatkit.io.photographs.raw import is_raw
from splatkit.progress import Progress

CameraModel = Literal["OPENCV", "OPENCV_FISHEYE", "SIMPLE_RADIAL", "RADIAL", "PINHOLE", "SIMPLE_PINHOLE"]
Sharing = Literal["size", "folder", "image"]

FEWEST_REGISTERED = 3
_PLENTY = 100  # features that two photographs share: enough to place them, if they are from places apart
_FOCAL_OF_LONGEST_SIDE = 1.2  # COLMAP's guess where EXIF gives no focal length


@dataclass(frozen=True)
class StartingCameras:
    """Cameras as structure from motion begins with them."""

    cameras: list[pycolmap.Camera]
    images: list[tuple[str, int]]  # name and camera_id of each
    on_rig: dict[str, int]  # camera_id by name of the rig's cameras

    def constant(self, rig: CameraRig) -> Constant:
        """What of the rig is known, and stays so."""
        lenses = [self.on_rig[camera.name] for camera in rig.cameras if camera.camera is not None]
        return Constant(frozenset(lenses), frozenset([RIG_ID] if rig.is_known else []))


def sfm_cameras(
    photographs: Sequence[ImageFile], model: CameraModel, sharing: Sharing, rig: CameraRig | None = None
) -> StartingCameras:
    """First guesses of the cameras, and which image was taken by which.

    Args:
        photographs: of the capture.
        model: of the lenses that are not known.
        sharing: images of one size were taken by one camera; or of one size and folder; or each by its own.
        rig: whose cameras count one by one, and may be known.

    Raises:
        DatasetError: a lens of the rig is for images of another size.
    """
    cameras: dict[object, pycolmap.Camera] = {}
    known = {} if rig is None else {camera.name: camera.camera for camera in rig.cameras}
    mounts = {} if rig is None else rig.mounts
    images, on_rig = [], {}
    for shot in photographs:
        size = (shot.width, shot.height)
        folder = shot.name.rpartition("/")[0]
        mount = mounts.get(shot.name)
        shared = {"size": size, "folder": (size, folder), "image": shot.name}[sharing]
        key: object = shared if mount is None else ("rig", mount.camera)
        lens = None if mount is None else known[mount.camera]
        if key not in cameras:
            number = len(cameras) + 1
            cameras[key] = _first_guess(shot, model, number) if lens is None else colmap_camera(lens, number)
            if mount is not None:
                on_rig[mount.camera] = number
        if mount is not None and size != (cameras[key].width, cameras[key].height):
            stated = f"{cameras[key].width}x{cameras[key].height}"
            raise DatasetError(f"{shot.path}: has {size[0]}x{size[1]} px, camera {mount.camera} of the rig {stated} px")
        images.append((shot.name, cameras[key].camera_id))
    return StartingCameras(list(cameras.values()), images, on_rig)


def reconstruct(
    database: Path, images: Path, workers: int, seed: int, progress: Progress, constant: Constant | None = None
) -> tuple[pycolmap.Reconstruction, list[int]]:
    """Find cameras and points from matched features.

    Args:
        database: with features and matches.
        images: folder that names are relative to, for the colors of points.
        workers: threads; results are the same bits with 1, and differ in the last digits with more.
        seed: of random samples.
        progress: shows a bar.
        constant: what is known of cameras and rigs.

    Returns:
        The largest reconstruction, and how many images without a place in it each of the others has.

    Raises:
        CaptureRefusedError: fewer than three images found their place together.
    """
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = workers
    options.random_seed = seed
    options.min_model_size = FEWEST_REGISTERED
    options.extract_colors = True
    if constant is not None:
        options.constant_cameras = set(constant.cameras)
        options.constant_rigs = set(constant.rigs)
    with pycolmap.Database.open(database) as opened:
        count = opened.num_images()
        poses = opened.num_frames() or count  # of frames of a rig
    with progress("placing photographs", poses) as advance, colmap_errors("structure from motion"):
        pycolmap.set_random_seed(seed)
        out = database.with_name("mapping")
        out.mkdir(exist_ok=True)
        models = pycolmap.incremental_mapping(
            database,
            images,
            out,
            options,
            initial_image_pair_callback=lambda: advance(2),
            next_image_callback=lambda: advance(1),
        )
    ordered = sorted(models.values(), key=lambda model: -model.num_reg_images())
    if not ordered or ordered[0].num_reg_images() < FEWEST_REGISTERED:
        best = ordered[0].num_reg_images() if ordered else 0
        raise CaptureRefusedError(f"only {best} of {count} photographs could be placed: {_obstacle(database)}")
    placed = _names(ordered[0])
    others = [len(_names(model) - placed) for model in ordered[1:]]
    return ordered[0], [count for count in others if count > 1]


def _obstacle(database: Path) -> str:
    """Why photographs found no place, and what to do."""
    with pycolmap.Database.open(database) as opened:
        _, shared = opened.read_two_view_geometry_num_inliers()
    most = max(shared, default=0)
    if most < _PLENTY:
        return (
            "they share too few features. Take more of them, from places apart, that overlap by two thirds, of "
            "something with texture, sharp and evenly lit"
        )
    return (
        f"two of them share up to {most} features, but show no parallax. Take them from places apart, a step aside "
        "from each to the next instead of a turn, of something that is not flat"
    )


def _names(model: pycolmap.Reconstruction) -> set[str]:
    return {model.images[image_id].name for image_id in model.reg_image_ids()}


def _first_guess(shot: ImageFile, model: CameraModel, camera_id: int) -> pycolmap.Camera:
    focal = _focal_by_exif(shot)
    guess = focal or _FOCAL_OF_LONGEST_SIDE * max(shot.width, shot.height)
    camera = pycolmap.Camera.create_from_model_name(camera_id, model, guess, shot.width, shot.height)
    camera.has_prior_focal_length = focal is not None
    return camera


def _focal_by_exif(shot: ImageFile) -> float | None:
    """px; None where EXIF does not tell, or COLMAP does not read the format."""
    if is_heif(shot.path) or is_raw(shot.path):  # of a raw file COLMAP would read the preview
        return focal_px(shot.path, shot.width, shot.height)
    try:
        with colmap_errors(str(shot.path)):
            known = pycolmap.infer_camera_from_image(shot.path)
    except SplatkitError:
        return None
    return float(known.mean_focal_length()) if known.has_prior_focal_length else None
