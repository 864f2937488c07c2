"""A sphere with a smooth texture, photographed from all around by known lenses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RenderedView, RunView
from tests.export.surface.test_fusion import RADIUS, SphereRun

_WAVES = 16


class PhotographedSphere(SphereRun):
    """Cameras round a sphere with photographs, whose depths are off by a distance.

    Args:
        folder: where photographs are written.
        off: added to all depths, m: the sphere seems smaller by as much.
        count: of cameras.
        seed: of the texture.
        gains: [C] factors of the photographs' brightness.
        lens: of the photographs where it is not the pinhole that renders.
        noise: standard deviation of the photographs' grays.
    """

    def __init__(
        self,
        folder: Path,
        off: float = 0.0,
        count: int = 16,
        seed: int = 0,
        gains: NDArray[np.floating] | None = None,
        lens: Camera | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__(count=count)
        generator = np.random.default_rng(seed)
        self._waves = generator.normal(0, 22, (_WAVES, 3)), generator.uniform(0, 2 * np.pi, _WAVES)
        self.photographs: list[RunView] = []
        for number, view in enumerate(self.views):
            posed = replace(view.posed, camera=lens or view.posed.camera)
            path = folder / f"{number:02}.png"
            gain = 1.0 if gains is None else float(gains[number])
            gray = gain * self._photograph(posed.T_world_camera, posed.camera)
            gray = np.clip(gray + generator.normal(0, noise, gray.shape) + 0.5, 0, 255).astype(np.uint8)
            write_image(path, np.repeat(gray[..., None], 3, -1))
            self.photographs.append(RunView(path, posed, view.posed.camera))
            self.views[number] = _moved(view, off)

    @property
    def train_views(self) -> list[RunView]:
        return self.photographs

    def colors(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """[N] grays from 0 to 255 of places on the sphere."""
        waves, phases = self._waves
        return np.asarray(128 + 22 * np.sin(points @ waves.T + phases).sum(-1))

    def _photograph(self, pose: NDArray[np.floating], camera: Camera) -> NDArray[np.float64]:
        """[H, W] of 2 by 2 rays a pixel."""
        steps = (np.arange(2) + 0.5) / 2
        x, y = np.meshgrid(np.add.outer(np.arange(camera.width), steps), np.add.outer(np.arange(camera.height), steps))
        rays = camera.rays(np.stack([x.ravel(), y.ravel()], -1)) @ pose[:3, :3].T
        eye = pose[:3, 3]
        b = rays @ eye
        root = b * b - (eye @ eye - RADIUS**2)
        seen = eye + (-b - np.sqrt(np.maximum(root, 0)))[:, None] * rays
        gray = np.where(root > 0, self.colors(seen), 30)
        return np.asarray(gray.reshape(camera.height, 2, camera.width, 2).mean((1, 3)))


def _moved(view: RenderedView, off: float) -> RenderedView:
    depths = torch.where(view.depths > 0, view.depths + off, 0)
    return view._replace(depths=depths)


def sphere_mesh(radius: float, subdivisions: int = 5) -> Mesh:
    """Triangles of about a pixel's footprint."""
    found = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(np.array(found.vertices, np.float32), np.array(found.faces, np.int64))
