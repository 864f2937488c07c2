"""Points for cameras whose poses are known: features matched between neighbors, and triangulated where rays meet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from splatkit.capture.images.structure.feature_matching import colmap_errors
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert
from splatkit.progress import Progress

_NEIGHBORS = 12  # views that each is matched with
_EXHAUSTIVE_UP_TO = 16  # views
_DISTANCE_OF_90_DEG = (
    0.5  # of the cameras' extent: what a view that far apart and one turned by 90 degrees have in common
)


def nearest_pairs(names: Sequence[str], poses: NDArray[np.float64]) -> list[tuple[str, str]]:
    """Pairs of views that likely see the same: near each other and looking the same way.

    Args:
        names: of the images.
        poses: [N, 4, 4] T_world_camera, OpenCV axes.
    """
    count = len(names)
    if count <= _EXHAUSTIVE_UP_TO:
        return [(names[i], names[j]) for i in range(count) for j in range(i + 1, count)]
    centers, axes = poses[:, :3, 3], poses[:, :3, 2]
    extent = max(float(np.linalg.norm(np.ptp(centers, axis=0))), 1e-12)
    pairs = set()
    for i in range(count):
        apart = np.linalg.norm(centers - centers[i], axis=-1) / (extent * _DISTANCE_OF_90_DEG)
        cost = apart + (1 - axes @ axes[i])
        cost[i] = np.inf
        pairs |= {(min(i, int(j)), max(i, int(j))) for j in np.argsort(cost, kind="stable")[:_NEIGHBORS]}
    return [(names[i], names[j]) for i, j in sorted(pairs)]


def shared_cameras(lenses: Sequence[Camera]) -> tuple[list[Camera], list[int]]:
    """The different lenses, and the number of each image's, from 1."""
    different = list(dict.fromkeys(lenses))
    numbers = {lens: index + 1 for index, lens in enumerate(different)}
    return different, [numbers[lens] for lens in lenses]


def triangulate(
    database: Path, images: Path, poses: dict[str, NDArray[np.float64]], workers: int, seed: int, progress: Progress
) -> pycolmap.Reconstruction:
    """Points from matched features and known poses, neither poses nor lenses of which are changed.

    Args:
        database: with cameras, features and matches.
        images: folder that names are relative to, for the colors of points.
        poses: T_world_camera [4, 4], OpenCV axes, by name.
        workers: threads.
        seed: of random samples.
        progress: shows a bar.
    """
    reconstruction = pycolmap.Reconstruction()
    with pycolmap.Database.open(database) as opened:
        for camera in opened.read_all_cameras():
            reconstruction.add_camera_with_trivial_rig(camera)
        for image in opened.read_all_images():
            known = pycolmap.Image(image_id=image.image_id, name=image.name, camera_id=image.camera_id)
            pose = pycolmap.Rigid3d(invert(poses[image.name])[:3])
            reconstruction.add_image_with_trivial_frame(known, pose)
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = workers
    options.random_seed = seed
    out = database.with_name("triangulated")
    out.mkdir(exist_ok=True)
    with progress("triangulating points", 1) as advance, colmap_errors("triangulation"):
        pycolmap.set_random_seed(seed)
        solved = pycolmap.triangulate_points(reconstruction, database, images, out, True, options)
        solved.extract_colors_for_all_images(images)
        advance(1)
    return solved
