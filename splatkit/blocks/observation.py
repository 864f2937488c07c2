"""What photographs show of splats and cells: how many pixels, and whether an image would change without a cell.

Images are rendered of the coarse run, a quarter as large as photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.blocks.cells import Cell
from splatkit.evaluation.image import SSIM_WINDOW, ssim
from splatkit.geometry.camera import PosedCamera
from splatkit.io.transforms_json import Frame
from splatkit.progress import Progress, track
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import intrinsics_of, viewmat_of
from splatkit.splatting.rendering import render_splats

REDUCTION = 4  # of images on each side
SSIM_CHANGE = 0.05  # CityGaussian (arXiv 2404.01133): what an image must change by without a cell, to belong to it
_LEAST_SHARE = 0.002  # of an image's pixels: what shows less cannot change SSIM by so much, and is not rendered


@dataclass(frozen=True)
class CoarseScene:
    """A coarse run as it is rendered, and where its splats are."""

    run: TrainedRun

    @property
    def means(self) -> NDArray[np.float32]:
        """[N, 3] world."""
        means: NDArray[np.float32] = self.run.splats.means.numpy()
        return means

    @property
    def is_sky(self) -> NDArray[np.bool_]:
        """[N] which splats stand for the sky: no cell owns them."""
        if self.run.shell is None:
            return np.zeros(len(self.run.splats), dtype=np.bool_)
        sky: NDArray[np.bool_] = self.run.shell.holds(self.run.splats.means).numpy()
        return sky

    def shown_pixels(self, camera: PosedCamera) -> Tensor:
        """How many pixels each splat makes up in an image, [N]: the sum of its weights when it is composited.

        These are the derivatives of the sum of all pixels by a feature of the splat.
        """
        feature = torch.ones(len(self.run.splats), 1, requires_grad=True)
        self.features(camera, feature).sum().backward()
        assert feature.grad is not None
        return feature.grad[:, 0]

    def features(self, camera: PosedCamera, features: Tensor) -> Tensor:
        """Features [N, D] of splats composited over 0, [H, W, D]."""
        s = self.run.splats
        rendering = render_splats(
            s.means,
            s.quats,
            s.scales,
            s.opacities,
            s.betas,
            features,
            viewmat_of(camera)[None],
            intrinsics_of(camera.camera)[None],
            camera.camera.width,
            camera.camera.height,
            rasterize_mode=self.run.rasterize_mode,
            kernel=self.run.kernel,
        )
        return rendering.colors[0]


def coarse_camera(frame: Frame) -> PosedCamera:
    """The pinhole of a photograph, for an image a quarter as large; not so small that SSIM has no window."""
    camera = frame.camera if frame.camera.is_pinhole else frame.camera.rectified()
    reduction = max(1, min(REDUCTION, min(camera.width, camera.height) // (2 * SSIM_WINDOW)))
    return PosedCamera(frame.file_path, camera.reduced(reduction), frame.T_world_camera)


def observed_pixels(scene: CoarseScene, frames: Sequence[Frame], progress: Progress) -> NDArray[np.float64]:
    """How many pixels each splat makes up in all photographs together, [N]."""
    total = np.zeros(len(scene.run.splats))
    for frame in track(frames, "counting observed pixels", progress, len(frames)):
        total += scene.shown_pixels(coarse_camera(frame)).double().numpy()
    return total


@torch.no_grad()
def views_by_change(
    scene: CoarseScene, cells: Sequence[Cell], frames: Sequence[Frame], progress: Progress
) -> NDArray[np.bool_]:
    """Which photographs belong to which cells, [C, F]: those that would change without what is in the cell."""
    labels = cell_labels(scene, cells)
    found = np.zeros((len(cells), len(frames)), dtype=np.bool_)
    for column, frame in enumerate(track(frames, "finding views of cells", progress, len(frames))):
        camera = coarse_camera(frame)
        with torch.enable_grad():
            pixels = scene.shown_pixels(camera).numpy()
        owned = labels >= 0
        shares = np.bincount(labels[owned], pixels[owned], len(cells)) / (camera.camera.width * camera.camera.height)
        image = scene.run.image(camera)
        for row in np.flatnonzero(shares > _LEAST_SHARE):
            without = TrainedRun(
                **{**vars(scene.run), "splats": scene.run.splats.select(torch.from_numpy(labels != row))}
            )
            found[row, column] = float(1 - ssim(without.image(camera), image)) > SSIM_CHANGE
    return found


def cell_labels(scene: CoarseScene, cells: Sequence[Cell]) -> NDArray[np.int64]:
    """The number of the cell that owns each splat, [N]; -1 for the sky."""
    labels = np.full(len(scene.means), -1)
    for number, cell in enumerate(cells):
        labels[cell.owns(scene.means)] = number
    labels[scene.is_sky] = -1
    return labels
