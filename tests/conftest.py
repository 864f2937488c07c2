"""Shared fixtures: the backends an op test runs on, and small seeded sets of splats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real scenes; tests that need it skip where it is not set."""
    folder = os.environ.get("SPLATKIT_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SPLATKIT_DATA does not name a folder of real scenes")
    return Path(folder)


class SplatScene(NamedTuple):
    """Arguments of a rendering, in the order of `project_splats`."""

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
    """Splats of every size, some behind the camera, some outside the image, with exponents from 1 to 8 and some exactly 2."""
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
    return SplatScene(*[x.to(dtype) if isinstance(x, Tensor) else x for x in scene])
