"""The seeded set of splats that the GPU check renders."""

from typing import NamedTuple

import torch
from torch import Tensor

SIZES = ((480, 270), (960, 540), (1920, 1080))


class SeededSplats(NamedTuple):
    """What `render_splats` takes first, in its order; colors are spherical harmonics [N, 16, 3]."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    betas: Tensor
    colors: Tensor


def seeded_splats(count: int, device: str, gaussian: bool = False) -> SeededSplats:
    """A cloud in front of the camera, some of it outside the image; any count covers about as much of it."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    size = 0.3 / count ** (1 / 2)
    splats = (
        (uniform(count, 3) - 0.5) * torch.tensor([4.0, 2.4, 2.0]) + torch.tensor([0.0, 0.0, 3.0]),
        torch.randn(count, 4, generator=generator),
        size * torch.exp(2 * uniform(count, 3)),
        0.05 + 0.9 * uniform(count),
        torch.full((count,), 2.0) if gaussian else 1 + 4 * uniform(count),
        0.5 * torch.randn(count, 16, 3, generator=generator),
    )
    return SeededSplats(*(value.to(device) for value in splats))


def with_gradients(splats: SeededSplats) -> SeededSplats:
    """Copies that require gradients."""
    return SeededSplats(*(value.clone().requires_grad_() for value in splats))


def camera(width: int, height: int, device: str) -> tuple[Tensor, Tensor]:
    """viewmats [1, 4, 4] and Ks [1, 3, 3] that see the cloud at any image size."""
    focal = 0.75 * width
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return torch.eye(4, device=device)[None], K[None].to(device)
