"""One camera as splats are rendered by it, made of the host's cameras."""

from dataclasses import dataclass, replace

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from torch import Tensor

from splatkit.geometry.se3 import transform_points
from splatkit.optimize.nerfstudio.cameras import viewmats_from_opengl

_NEWTON_STEPS = 12  # at 85 degrees of strong lenses the error is then that of float32


@dataclass(frozen=True)
class View:
    """A pinhole or fisheye camera at a pose; pixel centers at +0.5."""

    viewmats: Tensor  # [1, 4, 4] world to camera, OpenCV axes
    K: Tensor  # [1, 3, 3] px
    width: int  # px
    height: int  # px
    distortions: Tensor | None = None  # [1, 4] k1 to k4 of a fisheye; None: a pinhole

    @property
    def camera_model(self) -> str:
        """As `rasterization` takes it."""
        return "pinhole" if self.distortions is None else "fisheye"

    def to(self, device: torch.device) -> "View":
        """The same on a device."""
        distortions = None if self.distortions is None else self.distortions.to(device)
        return replace(self, viewmats=self.viewmats.to(device), K=self.K.to(device), distortions=distortions)

    def reduced(self, factor: int) -> "View":
        """Of an image that is smaller by a whole factor."""
        K = torch.cat([self.K[:, :2] / factor, self.K[:, 2:]], 1)
        return replace(self, K=K, width=self.width // factor, height=self.height // factor)

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [N, 2] and z-depths [N] of points [N, 3] of the world; pixels mean something where depth > 0."""
        local = transform_points(self.viewmats[0], points)
        return self.image(local), local[:, 2]

    def image(self, local: Tensor) -> Tensor:
        """Pixels [N, 2] of points [N, 3] in the camera's frame."""
        across, along = local[:, :2], local[:, 2:]
        if self.distortions is None:
            plane = across / torch.where(along == 0, 1e-12, along)
        else:
            radius = across.norm(dim=1, keepdim=True).clamp_min(1e-12)
            plane = across / radius * self._distort(torch.atan2(radius, along))[0]
        return plane * self.K[0, :2, :2].diagonal() + self.K[0, :2, 2]

    def unproject(self, pixels: Tensor, depths: Tensor) -> Tensor:
        """Points [N, 3] in the camera's frame at pixels [N, 2] and z-depths [N]."""
        plane = (pixels - self.K[0, :2, 2]) / self.K[0, :2, :2].diagonal()
        if self.distortions is not None:
            radius = plane.norm(dim=1, keepdim=True).clamp_min(1e-12)
            theta = radius
            for _ in range(_NEWTON_STEPS):
                value, slope = self._distort(theta)
                theta = theta - (value - radius) / slope
            plane = plane / radius * torch.tan(theta)
        return torch.cat([plane, torch.ones_like(plane[:, :1])], 1) * depths[:, None]

    def _distort(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Distance from the principal point in focal lengths at angles from the axis, and its derivative."""
        assert self.distortions is not None
        value, slope = theta, torch.ones_like(theta)
        for power, k in enumerate(self.distortions[0], 1):
            value = value + k * theta ** (2 * power + 1)
            slope = slope + (2 * power + 1) * k * theta ** (2 * power)
        return value, slope


def view_of(camera: Cameras, poses: Tensor) -> View:
    """The one camera of `camera` at poses [1, 3, 4] (camera to world, OpenGL axes).

    The host's other camera types are rendered as pinholes of their focal lengths.
    """
    if camera.shape[0] != 1:
        raise ValueError(f"camera: expected one, got {camera.shape[0]}")
    viewmats = viewmats_from_opengl(poses)
    K = camera.get_intrinsics_matrices().to(viewmats)  # the host makes it on the CPU
    distortions = None
    if int(camera.camera_type.item()) == CameraType.FISHEYE.value:
        stated = camera.distortion_params
        distortions = viewmats.new_zeros(1, 4) if stated is None else stated[:, :4].to(viewmats)
    return View(viewmats, K, int(camera.width.item()), int(camera.height.item()), distortions)
