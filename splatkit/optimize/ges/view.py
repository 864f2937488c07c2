"""One camera as splats are rendered by it, made of nerfstudio's cameras."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import transform_points
from splatkit.ops import full_precision
from splatkit.optimize.nerfstudio.cameras import lens_from_nerfstudio, viewmats_from_opengl
from splatkit.runs.views import viewmat_of


@dataclass(frozen=True, eq=False)
class View:
    """A pinhole or fisheye at a pose that may have gradients."""

    camera: Camera
    viewmats: Tensor  # [1, 4, 4] world to camera, OpenCV axes

    @property
    def width(self) -> int:
        """Px."""
        return self.camera.width

    @property
    def height(self) -> int:
        """Px."""
        return self.camera.height

    @property
    def is_fisheye(self) -> bool:
        """Whether rays are bent."""
        return self.camera.model == "kannala_brandt"

    @property
    def camera_model(self) -> Literal["pinhole", "fisheye"]:
        """As `render_splats` takes it."""
        return "fisheye" if self.is_fisheye else "pinhole"

    @cached_property
    def K(self) -> Tensor:
        """[1, 3, 3] px."""
        return with_numbers(self.viewmats, self.camera.K.reshape(-1).tolist()).reshape(1, 3, 3)

    @cached_property
    def distortions(self) -> Tensor | None:
        """[1, 4] k1 to k4 of a fisheye, as `render_splats` takes them."""
        return with_numbers(self.viewmats, self.camera.distortion)[None] if self.is_fisheye else None

    def to(self, device: torch.device) -> "View":
        """The same on a device."""
        return replace(self, viewmats=self.viewmats.to(device))

    def reduced(self, factor: int) -> "View":
        """Of an image that is smaller by a whole factor."""
        return replace(self, camera=self.camera.reduced(factor))

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [N, 2] and z-depths [N] of points [N, 3] of the world; pixels mean something where depth > 0."""
        local = transform_points(self.viewmats[0], points)
        return self.camera.image(local), local[:, 2]


def with_numbers(like: Tensor, numbers: Sequence[float]) -> Tensor:
    """A few numbers [N] beside a tensor, filled in one by one: the host of a GPU would wait for an upload of them."""
    filled = like.new_zeros(len(numbers))
    for place, number in enumerate(numbers):
        if number != 0:
            filled[place].fill_(number)
    return filled


@full_precision
def view_of(camera: Cameras, poses: Tensor) -> View:
    """The one camera of `camera` at poses [1, 3, 4] (camera to world, OpenGL axes).

    Kinds that cannot be splatted are rendered as pinholes of their focal lengths.
    """
    if camera.shape[0] != 1:
        raise ValueError(f"camera: expected one, got {camera.shape[0]}")
    return View(lens_from_nerfstudio(camera, with_distortion=False), viewmats_from_opengl(poses))


def view_of_posed(posed: PosedCamera) -> View:
    """A camera of a dataset."""
    return View(posed.camera, viewmat_of(posed)[None])
