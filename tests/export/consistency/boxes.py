"""A box with a smooth texture before a textured sky, photographed from all around: a rod or a plate, if it is thin."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.io.images import write_image
from splatkit.runs.views import RenderedView, RunView
from tests.export.surface.test_fusion import CAMERA, SIZE, SphereRun, look_at_origin

_WAVES, _BACKGROUND = 16, 0.45  # of the directions' frequencies by those on the box
_FINE = 3  # rays along a side of a pixel


class PhotographedBox(SphereRun):
    """Cameras round a box with exact depths, those of half a pixel's noise, and photographs.

    Args:
        folder: where photographs are written.
        half: [3] half of its sides, m.
        noise: standard deviation of depths, m.
        count: of cameras.
        seed: of texture and noise.
    """

    def __init__(
        self, folder: Path, half: tuple[float, float, float], noise: float, count: int = 24, seed: int = 0
    ) -> None:
        self.half = np.array(half)
        generator = np.random.default_rng(seed)
        self._waves = generator.normal(0, 30, (_WAVES, 3)), generator.uniform(0, 2 * np.pi, _WAVES)
        self.views, self.photographs = [], []
        for number in range(count):
            angle = 2 * math.pi * (number + 0.5) / count
            eye = torch.tensor([2 * math.cos(angle), 2 * math.sin(angle), (-1) ** number * 0.8], dtype=torch.float64)
            posed = PosedCamera("", CAMERA, look_at_origin(eye).numpy())
            view, gray = self._see(posed, generator, noise)
            path = folder / f"{number:02}.png"
            write_image(path, np.repeat(np.clip(gray + 0.5, 0, 255).astype(np.uint8)[..., None], 3, -1))
            self.views.append(view)
            self.photographs.append(RunView(path, posed, CAMERA))

    @property
    def train_views(self) -> list[RunView]:
        return self.photographs

    def distances(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """[N] from the box's surface, without sign."""
        beyond = np.abs(points) - self.half
        outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
        return np.abs(outside + np.minimum(beyond.max(1), 0))

    def sample(self, count: int) -> NDArray[np.float64]:
        """[N, 3] of the surface, evenly."""
        generator = np.random.default_rng(0)
        areas = np.prod(self.half) / self.half
        points = generator.uniform(-1, 1, (count, 3))
        axis = generator.choice(3, count, p=areas / areas.sum())
        points[np.arange(count), axis] = np.sign(points[np.arange(count), axis])
        return points * self.half

    def _see(
        self, posed: PosedCamera, generator: np.random.Generator, noise: float
    ) -> tuple[RenderedView, NDArray[np.float64]]:
        """What a camera sees, and its photograph [H, W]."""
        centers = np.stack(np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), -1).reshape(-1, 2)
        hit, depths, normals, _ = self._trace(posed, centers)
        depths = np.where(hit, depths + generator.normal(0, noise, len(depths)), 0).reshape(SIZE, SIZE)
        steps = (np.arange(_FINE * SIZE) + 0.5) / _FINE
        *_, gray = self._trace(posed, np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2))
        zeros = torch.zeros(SIZE, SIZE)
        view = RenderedView(
            posed,
            torch.from_numpy(depths).float(),
            zeros,
            torch.from_numpy(normals.reshape(SIZE, SIZE, 3)).float(),
            torch.from_numpy(hit.reshape(SIZE, SIZE)).float(),
            torch.zeros(SIZE, SIZE, 3),
        )
        return view, gray.reshape(SIZE, _FINE, SIZE, _FINE).mean((1, 3))

    def _trace(
        self, posed: PosedCamera, pixels: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Whether rays [N] meet the box, z-depths, normals [N, 3] and grays."""
        tangents = CAMERA.tangents(pixels)
        pose = posed.T_world_camera
        rays = np.concatenate([tangents, np.ones((len(pixels), 1))], 1) @ pose[:3, :3].T
        eye = pose[:3, 3]
        entries = (-np.sign(rays) * self.half - eye) / rays
        leaves = (np.sign(rays) * self.half - eye) / rays
        depths, axis = entries.max(1), entries.argmax(1)
        hit = (depths < leaves.min(1)) & (depths > 0)
        normals = np.zeros_like(rays)
        normals[np.arange(len(rays)), axis] = -np.sign(rays[np.arange(len(rays)), axis])
        places = np.where(hit[:, None], eye + depths[:, None] * rays, _BACKGROUND * rays)
        waves, phases = self._waves
        gray = 128 + 22 * np.sin(places @ waves.T + phases).sum(-1)
        return hit, depths, np.where(hit[:, None], normals, 0), gray
