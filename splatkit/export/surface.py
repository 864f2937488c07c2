"""The surface of a trained run: what its training cameras see, fused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from splatkit.export.fusion import FusionSettings, fuse_depths
from splatkit.io.meshes import Mesh
from splatkit.optimize.load_run import TrainedRun

Progress = Callable[[Iterable[int], str], Iterable[int]]


@dataclass(frozen=True)
class SurfaceSettings:
    """How a mesh is made of a run."""

    fusion: FusionSettings = field(default_factory=FusionSettings)


@dataclass(frozen=True)
class Surface:
    """A mesh in the frame and scale of the dataset, and how it came about."""

    mesh: Mesh
    record: dict[str, Any]  # for export.json: settings, what each step found, changed and cost


def make_surface(run: TrainedRun, settings: SurfaceSettings, progress: Progress = lambda steps, _: steps) -> Surface:
    """The surface that a run's training cameras see. Images of different sizes are rendered at the first one's.

    Raises:
        EmptyMeshError: no surface came out; the message says which step lost it.
    """
    cameras = run.train_cameras
    width, height = cameras.sizes[0].tolist()
    scales = cameras.sizes.new_tensor([[width, height]]) / cameras.sizes
    Ks = cameras.Ks.clone()
    Ks[:, :2] *= scales.to(Ks)[:, :, None]
    colors, depths, alphas = [], [], []
    for index in progress(range(len(cameras)), "rendering depth"):
        # Median depths do not float between a near and a far surface at the edge of the near one.
        rendering = run.render(cameras.viewmats[index], Ks[index], width, height, ("median_depths",))
        alpha = rendering.alphas[0, ..., 0]
        colors.append((rendering.colors[0] / alpha.clamp_min(1e-6)[..., None]).clamp(0, 1))
        assert rendering.median_depths is not None  # asked for
        depths.append(rendering.median_depths[0, ..., 0])
        alphas.append(alpha)
    images = torch.stack(depths), torch.stack(colors), torch.stack(alphas)
    mesh = fuse_depths(*images, cameras.viewmats, Ks, settings.fusion)
    return Surface(mesh, {"views": len(cameras), "fusion": vars(settings.fusion)})
