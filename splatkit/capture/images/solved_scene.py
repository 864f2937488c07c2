"""What structure from motion found: cameras, points, and how well each is seen. Free of COLMAP's own types."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import invert, is_rigid, transform_points
from splatkit.io.formats.colmap_cameras import camera_from_colmap

_FARTHEST = 1e12  # in whatever units: what is larger is damage


@dataclass(frozen=True)
class SolvedView:
    """One image that has its place."""

    posed: PosedCamera  # by the image's name
    pixels: NDArray[np.float64]  # [K, 2] px where points are seen, the first pixel's center at 0.5
    points: NDArray[np.int64]  # [K] index of each
    errors: NDArray[np.float64]  # [K] px between the point's projection and where it is seen

    @property
    def name(self) -> str:
        """Of the image."""
        return self.posed.name


@dataclass(frozen=True)
class SolvedScene:
    """Cameras and points in one frame."""

    views: tuple[SolvedView, ...]  # by name
    points: NDArray[np.float64]  # [M, 3]
    colors: NDArray[np.uint8]  # [M, 3]

    @property
    def view_counts(self) -> NDArray[np.int64]:
        """Number of views that see each point, [M]."""
        seen = [view.points for view in self.views]
        return np.bincount(np.concatenate(seen) if seen else [], minlength=len(self.points)).astype(np.int64)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Reprojection errors of all observations, px."""
        return np.concatenate([view.errors for view in self.views]) if self.views else np.zeros(0)

    def turned(self, rotation: NDArray[np.float64]) -> "SolvedScene":
        """The same in a frame that a rotation [3, 3] leads to: p_new = rotation @ p_old."""
        return self.moved(1.0, rotation, np.zeros(3))

    def moved(self, scale: float, rotation: NDArray[np.float64], translation: NDArray[np.float64]) -> "SolvedScene":
        """The same in another frame: p_new = scale * rotation @ p_old + translation."""

        def pose(T: NDArray[np.float64]) -> NDArray[np.float64]:
            out = T.copy()
            out[:3, :3], out[:3, 3] = rotation @ T[:3, :3], scale * rotation @ T[:3, 3] + translation
            return out

        views = tuple(
            replace(view, posed=replace(view.posed, T_world_camera=pose(view.posed.T_world_camera)))
            for view in self.views
        )
        return replace(self, views=views, points=scale * self.points @ rotation.T + translation)


def scene_of(reconstruction: pycolmap.Reconstruction, where: Path | str) -> SolvedScene:
    """A reconstruction of COLMAP.

    Raises:
        DatasetError: a number is not finite, or a lens has no name in transforms.json; `where` is named.
    """
    ids = sorted(reconstruction.points3D)
    index_of = {point_id: index for index, point_id in enumerate(ids)}
    points = np.array([reconstruction.points3D[i].xyz for i in ids], dtype=np.float64).reshape(-1, 3)
    colors = np.array([reconstruction.points3D[i].color for i in ids], dtype=np.uint8).reshape(-1, 3)
    if not (np.abs(points) < _FARTHEST).all():
        raise DatasetError(f"{where}: a point is not finite, or makes no sense")
    lenses = {camera_id: camera_from_colmap(camera, where) for camera_id, camera in reconstruction.cameras.items()}
    images = sorted((reconstruction.images[i] for i in reconstruction.reg_image_ids()), key=lambda image: image.name)
    for image in images:
        if not (np.abs(image.cam_from_world().matrix()) < _FARTHEST).all() or not is_rigid(_pose_of(image)):
            raise DatasetError(f"{where}: the pose of {image.name!r} is not finite, or makes no sense")
    views = tuple(_view_of(image, reconstruction, index_of, points, lenses) for image in images)
    return SolvedScene(views, points, colors)


@np.errstate(over="ignore", invalid="ignore")  # of pixels that a damaged file puts beyond all measure
def _view_of(
    image: pycolmap.Image,
    reconstruction: pycolmap.Reconstruction,
    index_of: dict[int, int],
    points: NDArray[np.float64],
    lenses: dict[int, Camera],
) -> SolvedView:
    observed = [point for point in image.points2D if point.point3D_id in index_of]
    pixels = np.array([point.xy for point in observed], dtype=np.float64).reshape(-1, 2)
    indices = np.array([index_of[point.point3D_id] for point in observed], dtype=np.int64)
    T_camera_world = _pose_of(image)
    local = transform_points(T_camera_world, points[indices])
    camera = reconstruction.cameras[image.camera_id]
    projected = np.asarray(camera.img_from_cam(local)).reshape(-1, 2) if len(local) else pixels
    return SolvedView(
        posed=PosedCamera(image.name, lenses[image.camera_id], invert(T_camera_world)),
        pixels=pixels,
        points=indices,
        errors=np.linalg.norm(projected - pixels, axis=-1),
    )


def _pose_of(image: pycolmap.Image) -> NDArray[np.float64]:
    """T_camera_world [4, 4]."""
    T_camera_world = np.eye(4)
    T_camera_world[:3] = image.cam_from_world().matrix()
    return T_camera_world
