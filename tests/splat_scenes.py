"""Small seeded sets of splats, and one way to render them by the torch definition or by native code."""

from typing import NamedTuple, Protocol

import pytest
import torch
from torch import Tensor

from splatkit import ops
from splatkit.geometry.se3 import invert
from splatkit.geometry.spherical_harmonics import sh_basis
from splatkit.reference import projection, rasterization

Projected = tuple[Tensor, Tensor, Tensor, Tensor]  # means2d, conics, depths, extents


class SplatScene(NamedTuple):
    """Arguments of a projection, in the order of `project_splats`."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    betas: Tensor
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int
    near: float
    far: float
    eps2d: float


def make_splat_scene(splats: int, seed: int = 0, dtype: torch.dtype = torch.float64, cameras: int = 2) -> SplatScene:
    """Splats of every size, some behind the camera or outside the image; exponents 1 to 8, every fourth exactly 2."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    means = (uniform(splats, 3) * 2 - 1) * torch.tensor([1.6, 1.2, 1.5]) + torch.tensor([0.0, 0.0, 2.0])
    betas = 1 + 7 * uniform(splats) ** 2
    betas[::4] = 2.0
    viewmats = torch.eye(4, dtype=torch.float64).repeat(cameras, 1, 1)
    for camera in range(1, cameras):
        angle = torch.tensor(0.2 * camera, dtype=torch.float64)
        viewmats[camera, 0, 0] = viewmats[camera, 2, 2] = angle.cos()
        viewmats[camera, 0, 2], viewmats[camera, 2, 0] = angle.sin(), -angle.sin()
        viewmats[camera, :3, 3] = torch.tensor([-0.3, 0.1, 0.2])
    Ks = torch.tensor([[40.0, 0, 21.0], [0, 42.0, 16.5], [0, 0, 1]], dtype=torch.float64).repeat(cameras, 1, 1)
    scene = SplatScene(
        means,
        torch.randn(splats, 4, generator=generator, dtype=torch.float64),
        torch.exp(uniform(splats, 3) * 3 - 4.5),
        uniform(splats) * 0.98 + 0.01,
        betas,
        viewmats,
        Ks,
        width=43,
        height=35,
        near=0.1,
        far=100.0,
        eps2d=0.3,
    )
    return cast_scene(scene, dtype)


def cast_scene(scene: SplatScene, dtype: torch.dtype) -> SplatScene:
    """The same scene in another precision."""
    return replace_tensors(scene, {name: x.to(dtype) for name, x in scene._asdict().items() if isinstance(x, Tensor)})


def replace_tensors(scene: SplatScene, tensors: dict[str, Tensor]) -> SplatScene:
    """The scene with some of its tensors replaced, by name."""
    return SplatScene(**{**scene._asdict(), **tensors})


def first_splats(scene: SplatScene, count: int) -> SplatScene:
    """The scene with its first splats only."""
    return scene._replace(
        means=scene.means[:count],
        quats=scene.quats[:count],
        scales=scene.scales[:count],
        opacities=scene.opacities[:count],
        betas=scene.betas[:count],
    )


def detached(projected: Projected) -> Projected:
    """The same values outside the graph."""
    means2d, conics, depths, extents = projected
    return means2d.detach(), conics.detach(), depths.detach(), extents.detach()


def one_splat(
    mean2d: tuple[float, float], sigma_px: float, opacity: float, beta: float, dtype: torch.dtype
) -> SplatScene:
    """A round splat on the optical axis, so that its image is round too, with standard deviation sigma_px and no blur.

    The camera has 64 x 48 px and its principal point at mean2d.
    """
    depth, focal = 4.0, 100.0
    return cast_scene(
        SplatScene(
            torch.tensor([[0.0, 0.0, depth]]),
            torch.tensor([[1.0, 0, 0, 0]]),
            torch.full((1, 3), sigma_px * depth / focal),
            torch.tensor([opacity]),
            torch.tensor([beta]),
            torch.eye(4)[None],
            torch.tensor([[[focal, 0, mean2d[0]], [0, focal, mean2d[1]], [0, 0, 1]]]),
            width=64,
            height=48,
            near=0.1,
            far=100.0,
            eps2d=0.0,
        ),
        dtype,
    )


class Backend(Protocol):
    """One implementation of projection and compositing.

    Takes CPU tensors of either precision; computes in `real` at most.
    """

    real: torch.dtype
    device: torch.device

    def project(self, scene: SplatScene) -> Projected:
        """Splats in pixels."""
        ...

    def composite(self, scene: SplatScene, projected: Projected, colors: Tensor) -> tuple[Tensor, Tensor]:
        """Features [C, H, W, D] and alphas [C, H, W]."""
        ...

    def sh_colors(self, scene: SplatScene, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
        """Colors [C, N, 3]."""
        ...


class ReferenceBackend:
    """The definition in torch."""

    real = torch.float64
    device = torch.device("cpu")

    def project(self, scene: SplatScene) -> Projected:
        return projection.project_splats(*scene)[:4]

    def composite(self, scene: SplatScene, projected: Projected, colors: Tensor) -> tuple[Tensor, Tensor]:
        return rasterization.rasterize_splats(
            *projected, colors, scene.opacities, scene.betas, scene.width, scene.height
        )

    def sh_colors(self, scene: SplatScene, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
        centers = invert(scene.viewmats)[:, None, :3, 3]
        basis = sh_basis(torch.nn.functional.normalize(scene.means - centers, dim=-1), degree)
        colors = torch.einsum("cnk,nkd->cnd", basis, coefficients[:, : basis.shape[-1]]) + 0.5
        return torch.where(extents[..., :1] > 0, colors.clamp_min(0), 0.0)


class NativeBackend:
    """The CPU kernels, through the ops."""

    real = torch.float64
    device = torch.device("cpu")

    def project(self, scene: SplatScene) -> Projected:
        return ops.project_splats(*scene)

    def composite(self, scene: SplatScene, projected: Projected, colors: Tensor) -> tuple[Tensor, Tensor]:
        size = (scene.width, scene.height)
        lists = ops.intersect_tiles(*projected, *size)
        return ops.rasterize_splats(*projected, colors, scene.opacities, scene.betas, lists, *size)

    def sh_colors(self, scene: SplatScene, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
        return ops.sh_colors(scene.means, scene.viewmats, coefficients, extents, degree)


class DeviceBackend(NativeBackend):
    """The CUDA kernels, through the ops: on a GPU, or emulated on the CPU. float32 alone."""

    real = torch.float32

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def _here(self, scene: SplatScene) -> SplatScene:
        tensors = {name: self._to_device(x) for name, x in scene._asdict().items() if isinstance(x, Tensor)}
        return replace_tensors(scene, tensors)

    def _to_device(self, x: Tensor) -> Tensor:
        return x.to(self.device, torch.float32)

    def project(self, scene: SplatScene) -> Projected:
        means2d, conics, depths, extents = super().project(self._here(scene))
        like = scene.means
        return means2d.to(like), conics.to(like), depths.to(like), extents.to(like)

    def composite(self, scene: SplatScene, projected: Projected, colors: Tensor) -> tuple[Tensor, Tensor]:
        means2d, conics, depths, extents = (self._to_device(x) for x in projected)
        features, alphas = super().composite(
            self._here(scene), (means2d, conics, depths, extents), self._to_device(colors)
        )
        return features.to(colors), alphas.to(colors)

    def sh_colors(self, scene: SplatScene, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
        colors = super().sh_colors(self._here(scene), self._to_device(coefficients), self._to_device(extents), degree)
        return colors.to(coefficients)


def skip_unless_in(backend: Backend, dtype: torch.dtype) -> None:
    """Skip a float64 case on a backend that computes in float32."""
    if dtype == torch.float64 and backend.real != torch.float64:
        pytest.skip("this backend computes in float32")
