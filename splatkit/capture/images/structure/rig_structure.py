"""Structure from motion of cameras on one body: one pose for each frame of the rig instead of one for each photograph.

Where relative poses are not known, photographs are placed one by one first, relative poses are averaged over what was
placed, and all is solved again by frames, in which bundle adjustment refines them. So does COLMAP's own way,
https://colmap.github.io/rigs.html.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.rigs.rig import CameraRig, RigCamera
from splatkit.capture.images.structure.feature_matching import colmap_errors
from splatkit.capture.images.structure.reconstruction import StartingCameras, reconstruct
from splatkit.capture.images.structure.rig_records import has_rig, write_rig
from splatkit.errors import CaptureRefusedError
from splatkit.geometry.se3 import compose, invert
from splatkit.progress import Progress

_FEWEST_TOGETHER = 2  # frames that a camera and the reference must both be placed in, to know how they lie


def reconstruct_rig(
    database: Path, images: Path, rig: CameraRig, start: StartingCameras, workers: int, seed: int, progress: Progress
) -> tuple[pycolmap.Reconstruction, list[int]]:
    """As `reconstruct`, frame by frame.

    Args:
        database: with features and matches.
        images: folder that names are relative to.
        rig: by those names.
        start: numbers of the rig's cameras.
        workers: threads.
        seed: of random samples.
        progress: shows bars.

    Raises:
        CaptureRefusedError: too few images found a place, or too few together to know how two cameras lie.
    """
    constant = start.constant(rig)
    if not has_rig(database):
        known = rig
        if not rig.is_known:
            model, _ = reconstruct(database, images, workers, seed, progress, constant)
            known = with_relative_poses(rig, model)
        with (
            colmap_errors(str(database)),
            pycolmap.Database.open(database) as opened,
            pycolmap.DatabaseTransaction(opened),
        ):
            write_rig(opened, known, start.on_rig, opened.read_all_images())
    return reconstruct(database, images, workers, seed, progress, constant)


def with_relative_poses(rig: CameraRig, model: pycolmap.Reconstruction) -> CameraRig:
    """The rig with relative poses of a model that was made without it, by the means over all frames.

    Raises:
        CaptureRefusedError: a camera and the reference are hardly placed together.
    """
    placed = {}
    for image_id in model.reg_image_ids():
        image = model.images[image_id]
        mount = rig.mounts.get(image.name)
        if mount is not None:
            placed[mount] = compose(image.cam_from_world().rotation.matrix(), image.cam_from_world().translation)
    reference = rig.cameras[0]
    solved = [RigCamera(reference.name, np.eye(4), reference.camera)]
    for camera in rig.cameras[1:]:
        both = [
            pose @ invert(first)
            for mount, pose in placed.items()
            if mount.camera == camera.name and (first := placed.get(mount._replace(camera=reference.name))) is not None
        ]
        if len(both) < _FEWEST_TOGETHER:
            raise CaptureRefusedError(
                f"{camera.name} and {reference.name} could be placed together at {len(both)} timestamps; "
                f"{_FEWEST_TOGETHER} are needed to know how the cameras of the rig lie. Photograph so that both see "
                "the same things, if at different times, or give --calibration"
            )
        solved.append(replace(camera, T_camera_rig=_mean_pose(np.stack(both))))
    return replace(rig, cameras=tuple(solved))


def _mean_pose(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [N, 4, 4]: medians of positions, mean of the rotations that are not farther from the middle one than most."""
    rotations = Rotation.from_matrix(poses[:, :3, :3])
    middle = rotations.mean()
    away = (middle.inv() * rotations).magnitude()
    near = away <= np.median(away)
    return compose(rotations[near].mean().as_matrix(), np.median(poses[:, :3, 3], axis=0))
