"""Rendering of splats for the model of the method `ges`."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from splatkit.errors import SettingsError
from splatkit.ops import has_kernels
from splatkit.optimize.ges.view import View
from splatkit.splatting.appearance import color_arguments, seen_colors
from splatkit.splatting.regularization import normal_disagreement
from splatkit.splatting.rendering import Rendering, camera_facing_normals, render_splats
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class Rasterizer:
    """How splats become images, as `render_splats` takes it."""

    mode: str
    kernel: str

    def render(self, splats: Splats, view: View, colors: Tensor | tuple[Tensor, Tensor], **settings: Any) -> Rendering:
        """Render splats with colors of their own; `settings` as `render_splats` takes them."""
        return render_splats(
            splats.means,
            splats.quats,
            splats.scales,
            splats.opacities,
            splats.betas,
            colors,
            view.viewmats,
            view.K,
            view.width,
            view.height,
            rasterize_mode=self.mode,
            kernel=self.kernel,
            camera_model=view.camera_model,
            distortions=view.distortions,
            **settings,
        )

    def render_training(
        self, splats: Splats, view: View, sh_degree: int, background: Tensor, probe: Tensor | None, with_median: bool
    ) -> Rendering:
        """The image of a training step.

        Args:
            splats: part of the graph.
            view: to render.
            sh_degree: to evaluate.
            background: [3].
            probe: for absolute gradients, see `render_splats`; may be None.
            with_median: also median depths.
        """
        colors, degree = color_arguments(splats, view.viewmats[0], sh_degree)
        outputs = ("median_depths",) if with_median else ()
        return self.render(
            splats,
            view,
            colors,
            sh_degree=degree,
            backgrounds=background[None],
            absgrad_probe=probe,
            outputs=outputs,
        )

    def normal_disagreement(self, splats: Splats, view: View) -> Tensor:
        """How far rendered normals are from those of the rendered depth; a pass of its own.

        Raises:
            SettingsError: of a fisheye, whose depths make no grid of points.
        """
        if view.is_fisheye:
            raise SettingsError("regularization.normal_weight: needs pinholes; add splatkit-data --fisheye rectified")
        normals = camera_facing_normals(splats.means, splats.quats, splats.scales, view.viewmats)[0]
        rendering = self.render(splats, view, normals)
        colors, depths, alphas = rendering.colors[0], rendering.depths[0], rendering.alphas[0]
        return normal_disagreement(colors, depths, alphas, view.viewmats[0].detach(), view.K[0])

    def render_outputs(
        self, splats: Splats, view: View, sh_degree: int, background: Tensor, with_median: bool = False
    ) -> dict[str, Tensor]:
        """Render one camera for people, with an extra feature channel for the exponent.

        Runs on the device of the splats, or on the CPU where this build has no kernels for that device: the host's
        tools take a GPU whenever there is one.

        Args:
            splats: of the scene, may be none at all (a crop box beside it).
            view: to render.
            sh_degree: to evaluate.
            background: [3].
            with_median: also median depths.

        Returns:
            rgb, depth, accumulation, background, beta and perhaps median_depth, see `GesModel.get_outputs`.
        """
        device = splats.means.device if has_kernels(splats.means.device) else torch.device("cpu")
        view, background = view.to(device), background.to(device)
        splats = Splats(**{name: value.to(device) for name, value in vars(splats).items()})
        outputs = {"background": background.expand(view.height, view.width, 3)}
        if len(splats) == 0:
            empty = background.new_zeros(view.height, view.width, 1)
            nothing = {"depth": empty, "accumulation": empty, "beta": empty}
            median = {"median_depth": empty} if with_median else {}
            return {"rgb": outputs["background"].clone(), **nothing, **outputs, **median}
        rgb = seen_colors(splats, view.viewmats[0], sh_degree)
        rendering = self.render(
            splats,
            view,
            torch.cat([rgb, splats.betas[:, None]], 1),
            backgrounds=torch.cat([background, background.new_zeros(1)])[None],
            outputs=("median_depths",) if with_median else (),
        )
        alphas, depths = rendering.alphas[0], rendering.depths[0]
        if rendering.median_depths is not None:
            outputs["median_depth"] = rendering.median_depths[0]
        return {
            "rgb": rendering.colors[0, ..., :3].clamp(0, 1),
            # Empty pixels lie behind everything, so that the viewer's own objects show in front of them.
            "depth": torch.where(alphas > 0, depths, depths.max()),
            "accumulation": alphas,
            **outputs,
            "beta": rendering.colors[0, ..., 3:] / alphas.clamp_min(1e-6),
        }
