"""A trained run of splats, without nerfstudio: splats and views in the frame of the dataset, and scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from splatkit.evaluation.image import psnr, ssim
from splatkit.geometry.camera import PosedCamera
from splatkit.io.images import read_image_float
from splatkit.runs.views import RenderedView, RunView, intrinsics_of, viewmat_of
from splatkit.splatting.appearance import color_arguments
from splatkit.splatting.rendering import Rendering, render_splats
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class ImageScore:
    """How close one held-out image is."""

    image_path: Path
    psnr: float  # dB
    ssim: float  # valid windows


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """What export needs of a run of splats."""

    splats: Splats  # in the frame and scale of the dataset
    sh_degree: int  # that training had reached
    rasterize_mode: str  # that training used
    kernel: str  # of the rasterizer
    train_views: tuple[RunView, ...]
    eval_views: tuple[RunView, ...]
    dataset: Path
    checkpoint: Path
    step: int  # index of the last step done
    shell: SkyShell | None = None  # where its splats stand for the sky

    @cached_property
    def on_surfaces(self) -> "TrainedRun":
        """The run without the shell of its sky."""
        if self.shell is None:
            return self
        return replace(self, splats=self.splats.select(~self.shell.holds(self.splats.means)), shell=None)

    @torch.no_grad()
    def render(self, posed: PosedCamera, outputs: Sequence[str] = ()) -> Rendering:
        """Render one pinhole camera over black.

        Args:
            posed: in the dataset's frame.
            outputs: what to render besides, as `render_splats` takes it.

        Returns:
            Rendering with C = 1; depths are z, 0 where nothing was hit.
        """
        s, viewmat, K = self.splats, viewmat_of(posed), intrinsics_of(posed.camera)
        colors, sh_degree = color_arguments(s, viewmat, self.sh_degree)
        return render_splats(
            s.means,
            s.quats,
            s.scales,
            s.opacities,
            s.betas,
            colors,
            viewmat[None],
            K[None],
            posed.camera.width,
            posed.camera.height,
            sh_degree=sh_degree,
            rasterize_mode=self.rasterize_mode,
            kernel=self.kernel,
            outputs=outputs,
        )

    def image(self, posed: PosedCamera) -> Tensor:
        """What a camera sees over black, [H, W, 3] in [0, 1]."""
        return self.render(posed).colors[0].clamp(0, 1)

    @property
    def distance(self) -> None:
        """Splats have no signed distance; see `optimize.load_field.TrainedField`."""

    @property
    def view_pixels(self) -> int:
        """How many pixels of a view `render_surface` makes in about a second: more than a photograph has."""
        return 1 << 24

    def render_surface(self, posed: PosedCamera) -> RenderedView:
        """What a pinhole camera sees of the splats' surface; of the sky, nothing."""
        rendering = self.on_surfaces.render(posed, ("median_depths", "normals"))
        alphas = rendering.alphas[0, ..., 0]
        assert rendering.median_depths is not None  # asked for
        assert rendering.normals is not None
        # Median depths do not float between a near and a far surface at the edge of the near one.
        depths = rendering.median_depths[0, ..., 0]
        colors = (rendering.colors[0] / alphas.clamp_min(1e-6)[..., None]).clamp(0, 1)
        return RenderedView(posed, depths, rendering.depths[0, ..., 0] - depths, rendering.normals[0], alphas, colors)


def read_target(path: Path) -> Tensor:
    """A photograph [H, W, 3] in [0, 1]; a transparent one before black, as `TrainedRun.image` is."""
    image = torch.from_numpy(read_image_float(path))
    return image[..., :3] * image[..., 3:] if image.shape[-1] == 4 else image


def evaluate(run: TrainedRun) -> list[ImageScore]:
    """Score every held-out image of a run; where it is transparent, before black.

    Images are compared as stored; for lenses with distortion use `ns-eval`, which rectifies them.
    """
    scores = []
    for view in run.eval_views:
        target, rendered = read_target(view.image_path), run.image(view.posed)
        scores.append(ImageScore(view.image_path, float(psnr(rendered, target)), float(ssim(rendered, target))))
    return scores


def mean_scores(scores: list[ImageScore]) -> tuple[float, float]:
    """Mean PSNR (dB) and SSIM over images."""
    return math.fsum(s.psnr for s in scores) / len(scores), math.fsum(s.ssim for s in scores) / len(scores)
