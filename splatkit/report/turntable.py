"""A turntable: a colored mesh from all around, as a small video and as pictures."""

from collections.abc import Iterator
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.atomic import atomic_file
from splatkit.io.images import to_uint8, write_image
from splatkit.io.mesh import Mesh
from splatkit.progress import Progress, no_progress, track

_FIELD_OF_VIEW_DEG = 35.0  # of the shorter side
_STRAY_SHARE = 0.002  # of the vertices, that may lie outside the picture: a few stray ones must not shrink the rest
_MARGIN = 1.05
_GROUND = np.array([0.965, 0.968, 0.975], np.float32)
_FRAMES_PER_SECOND = 24
_LARGEST_BLOCK = 16  # px: sides of videos are multiples of it


class Turntable:
    """Looks at a mesh, z up, from a circle around it."""

    def __init__(self, mesh: Mesh, size: tuple[int, int] = (640, 480), elevation_deg: float = 25.0) -> None:
        self._renderer = MeshRenderer(mesh)
        self._size, self._elevation = size, np.deg2rad(elevation_deg)
        used = np.asarray(mesh.vertices, dtype=np.float64)[np.unique(mesh.faces)]
        low, high = np.quantile(used, (_STRAY_SHARE / 2, 1 - _STRAY_SHARE / 2), axis=0)
        self._center = (low + high) / 2
        width, height = size
        focal = min(size) / (2 * np.tan(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2))
        self._camera = Camera("pinhole", width, height, focal, focal, width / 2, height / 2)
        tangents = np.array(size) / (2 * focal)
        azimuths = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self._distance = max(_fitting_distance((used - self._center) @ self._axes(a).T, tangents) for a in azimuths)

    def azimuths(self, viewpoints: NDArray[np.floating], shares: NDArray[np.floating]) -> NDArray[np.floating]:
        """Degrees: quantiles of the sides that viewpoints [C, 3] look from, counted from the middle one."""
        offsets = np.asarray(viewpoints)[:, :2] - self._center[:2]
        angles = np.arctan2(offsets[:, 1], offsets[:, 0])
        middle = np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())
        around = (angles - middle + np.pi) % (2 * np.pi) - np.pi
        return np.asarray(np.rad2deg(middle + np.quantile(around, shares)))

    def picture(self, azimuth_deg: float, supersampling: int = 2) -> NDArray[np.uint8]:
        """The mesh from a side, [H, W, 3], before a plain ground."""
        axes = self._axes(np.deg2rad(azimuth_deg))
        T_world_camera = compose(axes.T, self._center - self._distance * axes[2])
        view = self._renderer.render(PosedCamera("turntable", self._camera, T_world_camera), supersampling)
        return to_uint8(view.image + (1 - view.coverage[..., None]) * _GROUND)

    def _axes(self, azimuth: float) -> NDArray[np.float64]:
        """Rows right, down and forward of a camera that looks at the center from an azimuth."""
        cos = np.cos(self._elevation)
        forward = -np.array([cos * np.cos(azimuth), cos * np.sin(azimuth), np.sin(self._elevation)])
        right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        return np.stack([right, np.cross(forward, right), forward])


def write_turntable(
    folder: Path,
    turntable: Turntable,
    start_deg: float = 0.0,
    pictures: int = 72,
    progress: Progress = no_progress,
) -> None:
    """Write turntable.mp4 (H.264, one turn) and its first picture, turntable.png."""
    write_image(folder / "turntable.png", turntable.picture(start_deg))

    def turn() -> Iterator[NDArray[np.uint8]]:
        for index in track(range(pictures), "turntable", progress, pictures):
            yield turntable.picture(start_deg + 360 * index / pictures, supersampling=1)

    with atomic_file(folder / "turntable.mp4") as temporary:
        imageio.mimwrite(
            temporary, list(turn()), fps=_FRAMES_PER_SECOND, codec="libx264", quality=7, macro_block_size=_LARGEST_BLOCK
        )


def _fitting_distance(local: NDArray[np.float64], tangents: NDArray[np.float64]) -> float:
    """How far from the center a camera must stand to see nearly all points [N, 3], given along its axes."""
    needed = (np.abs(local[:, :2]) / tangents).max(-1) - local[:, 2]
    return _MARGIN * float(np.quantile(needed, 1 - _STRAY_SHARE))
