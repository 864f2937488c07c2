"""The splats that the rasterizer is measured on: a drawn cloud, and the seeds of scenes."""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, read_transforms
from splatkit.runs.views import viewmat_of
from splatkit.splatting.seeding import splats_from_points
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

_COVERAGE_SPLATS = 100_000  # splats of this many have a median standard deviation of _SIGMA_PX at 960 px width
_SIGMA_PX = 2.0
SH_DEGREE = 3


class Cloud(NamedTuple):
    """Splats before one camera, in the order of `render_splats`."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    betas: Tensor
    colors: Tensor  # [N, 16, 3] spherical harmonics
    viewmats: Tensor
    Ks: Tensor


def make_cloud(splats: int, kernel: str, width: int, height: int) -> Cloud:
    """The set `cloud`: splats spread over a frustum, seed 0, the same for every image size.

    Sizes fall with the square root of their number, so that a pixel always lies under some 30 of them; axes differ by
    up to e^1.5, opacities follow u^1.5. Exponents are 2, without a gradient (gaussian) or with one (gef_at_2), or
    spread evenly over 1.2 to 4 (gef).
    """
    generator = torch.Generator().manual_seed(0)
    depth = 2 + 8 * torch.rand(splats, generator=generator)
    across = (torch.rand(splats, 2, generator=generator) * 2 - 1) * 1.05
    means = torch.cat([across * torch.tensor([0.5, 0.28125]) * depth[:, None] / 0.8, depth[:, None]], -1)
    sigma_px = (
        _SIGMA_PX * (_COVERAGE_SPLATS / splats) ** 0.5 * torch.exp(torch.randn(splats, generator=generator) * 0.4)
    )
    stretch = torch.exp((torch.rand(splats, 3, generator=generator) - 0.5) * 1.5)
    focal = 0.8 * width
    quats = torch.randn(splats, 4, generator=generator)
    opacities = 0.05 + 0.9 * torch.rand(splats, generator=generator) ** 1.5
    shapes = 1.2 + 2.8 * torch.rand(splats, generator=generator)
    colors = torch.randn(splats, (SH_DEGREE + 1) ** 2, 3, generator=generator) * 0.2
    return Cloud(
        means,
        quats,
        stretch * (sigma_px * depth / (0.8 * 960))[:, None],
        opacities,
        shapes if kernel == "gef" else torch.full_like(opacities, 2.0),
        colors,
        torch.eye(4)[None],
        torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]),
    )


def make_seeded(name: str, data: Path | None, splats: int, kernel: str, width: int, height: int) -> Cloud:
    """The set `studio` or `fox`: splats as training starts them, seen from the scene's first camera.

    Seed points are drawn with replacement, seed 0, and moved by half their spacing where there are fewer of them.
    Opacities and exponents are those of `make_cloud`; the longer side of the image is the photograph's.
    """
    points, frame = _seeds_of(name, data)
    generator = torch.Generator().manual_seed(0)
    first = splats_from_points(points, torch.full_like(points, 0.5), SH_DEGREE, len(points), generator)
    drawn = torch.randint(len(points), (splats,), generator=generator)
    moved = torch.randn(splats, 3, generator=generator) * (0.5 * first.scales[drawn]) * (splats > len(points))
    shrunk = min(1.0, (len(points) / splats) ** 0.5)  # the same coverage whatever the count
    like = make_cloud(splats, kernel, width, height)
    camera = frame.camera
    focal = camera.fx * max(width, height) / max(camera.width, camera.height)
    return like._replace(
        means=first.means[drawn] + moved,
        quats=first.quats[drawn],
        scales=first.scales[drawn] * shrunk,
        viewmats=viewmat_of(frame.posed)[None],
        Ks=torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]),
    )


@lru_cache
def _seeds_of(name: str, data: Path | None) -> tuple[Tensor, Frame]:
    if name == "studio":
        with tempfile.TemporaryDirectory() as folder:
            generate_scene(read_scene(find_scene("studio")), Path(folder), 320, 240, views=8)
            return _read_seeds(read_transforms(Path(folder)))
    if data is None:
        raise ValueError(f"data: expected the folder that holds {name}, got none")
    return _read_seeds(read_transforms(data / name))


def _read_seeds(transforms: Transforms) -> tuple[Tensor, Frame]:
    if transforms.ply_path is None:
        raise ValueError(f"{transforms.root}: names no seed cloud")
    cloud = read_point_cloud(transforms.ply_path)
    return torch.from_numpy(np.array(cloud.points, dtype=np.float32)), transforms.frames[0]
