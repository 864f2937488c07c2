"""The views of a run: photographs of its dataset, the cameras that it is rendered by, and what those see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import invert


@dataclass(frozen=True, eq=False)
class RunView:
    """A photograph of a run's dataset, in the dataset's frame and scale."""

    image_path: Path
    photographed: PosedCamera  # by the lens that took it
    rendered: Camera  # the pinhole that the run is rendered by: that lens, or what rectification cuts out of its image
    mask_path: Path | None = None
    depth_path: Path | None = None  # of what was measured in it; see splatkit.io.maps.depth_maps
    depth_sigma_path: Path | None = None  # of the same module
    depth_unit: float = 1e-3  # of both files, in units of the dataset
    normal_path: Path | None = None  # see splatkit.io.maps.normal_maps
    background_path: Path | None = None  # see splatkit.io.maps.background_maps

    @property
    def is_measured(self) -> bool:
        """Whether depths were measured in it."""
        return self.depth_path is not None

    @property
    def posed(self) -> PosedCamera:
        """The pinhole where the photograph was taken."""
        return PosedCamera(self.photographed.name, self.rendered, self.photographed.T_world_camera)


class RenderedView(NamedTuple):
    """A pinhole camera and what it sees. H x W pixels."""

    posed: PosedCamera
    depths: Tensor  # [H, W] z where half of the light is gone; 0 where it never is
    spreads: Tensor  # [H, W] how far the expected depth is from it: large where a pixel shows two surfaces
    normals: Tensor  # [H, W, 3] world, turned to the camera; length up to 1, less where what is seen disagrees
    alphas: Tensor  # [H, W] in [0, 1]
    colors: Tensor  # [H, W, 3] in [0, 1], as if opaque
    sigmas: Tensor | None = None  # [H, W] standard deviations of the depths; None: not known
    measured: Tensor | None = None  # [H, W] bool, where depths were measured in the photograph; None: nowhere

    @property
    def viewmat(self) -> Tensor:
        """T_camera_world [4, 4] float32."""
        return viewmat_of(self.posed)

    @property
    def K(self) -> Tensor:
        """[3, 3] float32, px."""
        return intrinsics_of(self.posed.camera)


class SurfaceViews(Protocol):
    """Photographs that a surface can be made of: by what was measured in them, or by what a run shows from there."""

    @property
    def train_views(self) -> Sequence[RunView]:
        """Views that count."""


@runtime_checkable
class SurfaceSource(SurfaceViews, Protocol):
    """A run whose surface can be rendered, e.g. `TrainedRun`."""

    @property
    def view_pixels(self) -> int:
        """How many pixels of a view it can render in about a second on one core."""

    @property
    def distance(self) -> Callable[[Tensor], Tensor] | None:
        """Signed distances of points [M, 3] -> [M], negative inside, of runs that have them."""

    def render_surface(self, posed: PosedCamera) -> RenderedView:
        """What a pinhole of the dataset's frame sees."""


class Run(Protocol):
    """What exports need of a run of any method, or of a dataset without training (`DatasetRun`)."""

    @property
    def train_views(self) -> tuple[RunView, ...]:
        """Photographs that it was trained on."""

    @property
    def eval_views(self) -> tuple[RunView, ...]:
        """Photographs that it never saw."""

    @property
    def dataset(self) -> Path:
        """Folder with the transforms.json, or the file."""


@runtime_checkable
class LearnedRun(Run, SurfaceSource, Protocol):
    """A run that was trained; `TrainedRun` is that of splats."""

    @property
    def train_views(self) -> tuple[RunView, ...]:
        """Photographs that it was trained on."""

    @property
    def checkpoint(self) -> Path:
        """The file that was read."""

    @property
    def step(self) -> int:
        """Index of the last step done."""


def viewmat_of(posed: PosedCamera) -> Tensor:
    """T_camera_world [4, 4], as training has it: inverted in float32."""
    return invert(torch.tensor(posed.T_world_camera, dtype=torch.float32))


def intrinsics_of(camera: Camera) -> Tensor:
    """K [3, 3] float32, px."""
    return torch.tensor(camera.K, dtype=torch.float32)


def view_centers(views: Sequence[RunView]) -> NDArray[np.float64]:
    """[C, 3] where photographs were taken."""
    return np.stack([view.photographed.center for view in views])
