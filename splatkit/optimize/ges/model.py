"""The nerfstudio model of generalized exponential splatting.

It subclasses `SplatfactoModel` because the host's viewer and exporter ask for that class by name, and replaces all
that needs CUDA or the internet. Parameters keep the host's names, plus `betas` (see `splatkit.splatting.splats`).
Here is what the host asks of a model. What another method of splats would do alike stands beside it: `Seeding`,
`Schedule`, `Rasterizer`, `SplatLosses`, and `score_image`.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers
from nerfstudio.models.splatfacto import SplatfactoModel
from torch import Tensor
from torch.nn import Parameter, ParameterDict
from torch.nn.functional import avg_pool2d

from splatkit.errors import DatasetError
from splatkit.evaluation.image import psnr
from splatkit.ops import full_precision
from splatkit.optimize.ges.depth_error import depth_error_image
from splatkit.optimize.ges.image_corrections import (
    SceneCameraOptimizer,
    apply_bilateral_grid,
    bilateral_grid_variation,
    image_index,
)
from splatkit.optimize.ges.nearest_gaussians import NearestGaussians
from splatkit.optimize.ges.rendering import Rasterizer
from splatkit.optimize.ges.schedule import Schedule
from splatkit.optimize.ges.scoring import score_image
from splatkit.optimize.ges.seeding import Seeding
from splatkit.optimize.ges.settings import GesModelConfig, check_model_config
from splatkit.optimize.ges.start import FrozenSplats, read_start
from splatkit.optimize.ges.supervision.depths import Shown
from splatkit.optimize.ges.supervision.losses import LossSettings, SplatLosses, reduced_mask
from splatkit.optimize.ges.supervision.rig_refinement import RigRefinement
from splatkit.optimize.ges.view import View, view_of, with_numbers
from splatkit.optimize.nerfstudio.measured_panel import MeasuredPanel
from splatkit.optimize.nerfstudio.pinhole_bundle import camera_from_bundle
from splatkit.optimize.nerfstudio.start_view import StartAtFirstPhotograph
from splatkit.splatting.densification import Densification, reset_exponents
from splatkit.splatting.depth_losses import floor_share_for
from splatkit.splatting.mcmc import McmcDensification
from splatkit.splatting.rendering import Rendering
from splatkit.splatting.sky_shell import SkyShell
from splatkit.splatting.splats import Splats

_BACKGROUNDS = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}
_VIEWER_GRAY = (0.1490, 0.1647, 0.2157)  # the viewer's own background, shown where training used random ones


class GesModel(NearestGaussians, SplatfactoModel):
    """See the module."""

    config: GesModelConfig

    def populate_modules(self) -> None:
        """Splats of the seed cloud.

        Deliberately without the host's version: it downloads weights and calls `.cuda()`.
        """
        check_model_config(self.config)
        self._metadata: dict[str, Any] = self.kwargs.get("metadata", {})
        # 1 is the radius of the cameras in the unit cube that other dataparsers make.
        self.extent = float(self._metadata.get("scene_extent", 1.0))
        sampling = self.config.strategy == "mcmc"
        max_splats = self.config.mcmc.max_splats if sampling else self.config.densification.max_splats
        self.sh_degree = 0 if self.config.lobes else self.config.sh_degree
        splats, self.shell = self._first_splats(max_splats)
        # In checkpoints, so that exports tell the shell from surfaces.
        self.register_buffer("sky_shell", None if self.shell is None else self.shell.numbers)
        shape = self.config.shape
        self.gauss_params = ParameterDict({name: Parameter(value) for name, value in splats.to_raw(shape).items()})
        self.register_buffer("active_sh_degree", torch.zeros((), dtype=torch.int64, device="cpu"))
        # Measured points stay where no training view looks: others may.
        images = self.num_train_data if self._metadata.get("seeds_are_random") else None
        self.densification: Densification | McmcDensification = (
            McmcDensification(self.config.mcmc, self.extent, self.config.seed, shape, self.shell)
            if sampling
            else Densification(self.config.densification, self.extent, self.config.seed, shape, self.shell, images)
        )
        self.losses = self._losses()
        self.schedule = Schedule(
            self.sh_degree, self.config.sh_steps, self.config.num_downscales, self.config.resolution_schedule
        )
        self.camera_optimizer = SceneCameraOptimizer(self.config.camera_optimizer, self.num_train_data, self.extent)
        self.rig = self._rig_refinement()
        if self.config.use_bilateral_grid:
            from nerfstudio.model_components.lib_bilagrid import BilateralGrid  # takes a second

            self.bil_grids = BilateralGrid(self.num_train_data, *self.config.grid_shape)
        self.start_view = StartAtFirstPhotograph()
        if "measured_cloud" in self._metadata:
            self.measured_panel = MeasuredPanel(self._metadata["measured_cloud"])
            self.show_measured = self.measured_panel.checkbox  # the viewer looks among the attributes of the model
        self.collider = None  # the host's default one expects rays and gets cameras
        self.crop_box: OrientedBox | None = None
        self.background_color = torch.tensor(_BACKGROUNDS.get(self.config.background_color, _VIEWER_GRAY), device="cpu")
        self._gathers = True
        self._last: tuple[Rendering, Tensor] | None = None
        self._shown: Shown | None = None
        self.evaluated: list[dict[str, float]] | None = None  # metrics of images, while a pipeline asks for it
        self.rasterizer = Rasterizer(self.config.rasterize_mode, self.config.shape.trained.profile.name)

    def _first_splats(self, max_splats: int) -> tuple[Splats, SkyShell | None]:
        """Those that training starts from, and the shell of sky."""
        config = self.config
        self.frozen: FrozenSplats | None = None
        if config.start is not None:
            start = read_start(config.start, self.sh_degree, config.lobes)
            if len(start.frozen):
                self.frozen = FrozenSplats(start.frozen)
            return start.trained, start.shell
        if self.seed_points is None:
            raise DatasetError(
                "seed points: the dataparser gave none; use splatkit-data, or load_3D_points of nerfstudio-data"
            )
        points, colors = (value.cpu() for value in self.seed_points)
        seeding = Seeding(max_splats, config.seed_share, self.sh_degree, config.lobes, config.sky, config.seed)
        return seeding.splats(points, colors, self.extent, self._metadata)

    def _losses(self) -> SplatLosses:
        config = self.config
        needles = config.max_gauss_ratio if config.use_scale_regularization else None
        settings = LossSettings(config.ssim_lambda, config.frequency, config.regularization, config.depth, needles)
        floor_share = floor_share_for(config.depth, self._metadata.get("depth_deviation_share"))
        return SplatLosses(settings, self.extent, floor_share)

    def _rig_refinement(self) -> RigRefinement | None:
        if not self.config.refine_rig:
            return None
        rig = self._metadata.get("rig", ())
        if not rig:
            raise DatasetError("refine_rig: the dataset has no rig of cameras with a LiDAR beside them")
        return RigRefinement(rig, self._metadata["rig_cameras"])

    # Splats and their parameters

    def splats(self) -> Splats:
        """Current values, part of the graph; those that stay as they are come last."""
        trained = Splats.from_raw(dict(self.gauss_params.items()), self.config.shape)
        return trained if self.frozen is None else self.frozen.beside(trained)

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        """One group for each kind of parameter; a group without numbers would make its optimizer raise."""
        groups = {name: [p] for name, p in self.gauss_params.items() if p.numel() > 0}
        if self.config.use_bilateral_grid:
            groups["bilateral_grid"] = list(self.bil_grids.parameters())
        if self.rig is not None:
            groups["rig"] = list(self.rig.parameters())
        self.camera_optimizer.get_param_groups(param_groups=groups)
        return groups

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take over a checkpoint's splats, whatever their count.

        The parameters are resized in place: the host made its optimizers from these very objects before, and its own
        version, which makes new ones, resumes to train nothing.
        """
        means = state_dict.get("gauss_params.means")
        if means is None:
            raise ValueError("checkpoint: expected one of the method ges, got one without gauss_params.means")
        for p in self.gauss_params.values():
            p.data = p.data.new_zeros(len(means), *p.shape[1:])
        # The checkpoint's splats have its own shell, whatever maps the dataset has by now.
        numbers = state_dict.get("sky_shell")
        self.register_buffer("sky_shell", None if numbers is None else torch.zeros_like(numbers, device=self.device))
        self.shell = self.densification.shell = SkyShell.from_numbers(numbers)
        return torch.nn.Module.load_state_dict(self, state_dict, strict=strict, assign=assign)

    def update_to_step(self, step: int) -> None:
        """Called by the host when it loads a checkpoint of this step."""
        self.schedule.step = step

    # Training

    def get_training_callbacks(self, attributes: TrainingCallbackAttributes) -> list[TrainingCallback]:
        """Schedules before a step, densification after it."""
        total = attributes.trainer.config.max_num_iterations
        before, after = TrainingCallbackLocation.BEFORE_TRAIN_ITERATION, TrainingCallbackLocation.AFTER_TRAIN_ITERATION
        callbacks = [
            TrainingCallback([before], self._begin_step, args=[total]),
            TrainingCallback([after], self._densify, args=[attributes.optimizers, total]),
        ]
        if self.rig is not None:
            path = attributes.trainer.base_dir / "rig_refined.json"
            end = [TrainingCallbackLocation.AFTER_TRAIN]
            callbacks.append(TrainingCallback(end, lambda rig, step: rig.report(path), args=[self.rig]))
        return callbacks

    def _begin_step(self, total: int, step: int) -> None:
        self.schedule.step, self.schedule.total_steps = step, total
        self.active_sh_degree.fill_(self.schedule.active_sh_degree())
        self._gathers = self.densification.is_active(step + 1, total)

    def _densify(self, optimizers: Optimizers, total: int, step: int) -> None:
        if self._last is not None:
            rendering, probe = self._last
            self._last = None  # lets the graph of this step go
            if probe.grad is None:
                raise RuntimeError("rasterization: no absolute gradients came back; was the loss not differentiated?")
            height, width = rendering.colors.shape[1:3]
            count = self.num_points  # splats that stay as they are need not grow
            self.densification.gather(probe.grad[0, :count], rendering.extents[0, :count], width, height)
        parameters = cast("MutableMapping[str, Parameter]", self.gauss_params)  # it behaves as one, but is none
        shape = self.config.shape
        if shape.trained.has_betas and self.schedule.resets_exponents(shape.reset_every):
            reset_exponents(parameters["betas"], optimizers.optimizers["betas"])
        report = self.densification.refine(step + 1, total, parameters, optimizers.optimizers)
        if report is not None:
            # The host clips gradients of the parameters that it remembers.
            for name in optimizers.parameters:
                if name in self.gauss_params:
                    optimizers.parameters[name] = [self.gauss_params[name]]

    # Rendering

    @full_precision
    def get_outputs(self, camera: Cameras) -> dict[str, Tensor]:
        """Render one camera.

        Returns:
            rgb [H, W, 3], depth [H, W, 1] (z, in units of the dataset), accumulation [H, W, 1], background ([3] in
            training, else [H, W, 3]) and, outside of training, beta [H, W, 1], the mean exponent by contribution. Where
            the dataset has depths, also median_depth [H, W, 1] and depth_error [H, W, 3], see `depth_error_image`.
            Where sky is seen, these depths are as large as the distance of the farthest points.
        """
        splats = self.splats()
        if self.crop_box is not None and not self.training:
            splats = splats.select(self.crop_box.within(splats.means).reshape(-1))
        poses = self.camera_optimizer.apply_to_camera(camera) if self.training else camera.camera_to_worlds
        view = view_of(camera, poses)
        if self.training:
            index = image_index(camera)
            outputs = self._render_training(
                splats, view.reduced(self.schedule.reduction(view.width, view.height)), index
            )
            if self.config.use_bilateral_grid and index is not None:
                outputs["rgb"] = apply_bilateral_grid(self.bil_grids, outputs["rgb"], index)
            return outputs
        cloud = self._metadata.get("measured_cloud")
        degree = int(self.active_sh_degree)
        outputs = self.rasterizer.render_outputs(splats, view, degree, self.background_color, cloud is not None)
        if self.shell is not None:  # pictures of depths would show the sky alone
            reach = self.shell.radius / self.config.sky.distance
            outputs |= {name: outputs[name].clamp_max(reach) for name in ("depth", "median_depth") if name in outputs}
        if cloud is not None:
            outputs["depth_error"] = depth_error_image(outputs["depth"], view.to(outputs["depth"].device), cloud)
        return {name: value.to(self.device) for name, value in outputs.items()}

    def _render_training(self, splats: Splats, view: View, index: int | None) -> dict[str, Tensor]:
        probe = splats.means.new_zeros(1, len(splats), 2, requires_grad=True) if self._gathers else None
        # Drawn on the CPU: a checkpoint holds the state of that generator.
        random = self.config.background_color == "random"
        drawn = with_numbers(splats.means, torch.rand(3, device="cpu").tolist()) if random else self.background_color
        background = drawn.to(splats.means)
        with_median = (
            self._has("depth_filenames", index) and self.config.depth.weight > 0 < self.config.depth.median_share
        )
        degree = int(self.active_sh_degree)
        rendering = self.rasterizer.render_training(splats, view, degree, background, probe, with_median)
        self._last = None if probe is None else (rendering, probe)
        self._shown = Shown(splats, view, rendering, self.shell)
        if self.config.shape.gate_pixels > 0:
            large_enough = rendering.extents[0].amax(1) >= self.config.shape.gate_pixels
            splats.betas.register_hook(lambda gradient: gradient * large_enough)
        outputs = {
            "rgb": rendering.colors[0],
            "depth": rendering.depths[0],
            "accumulation": rendering.alphas[0],
            "background": background,
        }
        settings = self.config.regularization
        if settings.normal_weight > 0 and self.schedule.progress >= settings.normal_from_share:
            outputs["normal_disagreement"] = self.rasterizer.normal_disagreement(splats, view)
        return outputs

    def _has(self, kind: str, index: int | None) -> bool:
        """Whether a training image has a map, by the name of its kind in the metadata."""
        files = self._metadata.get(kind)
        return files is not None and index is not None and files[index] is not None

    @torch.no_grad()
    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Render one camera for people: the viewer, evaluation and exports come through here."""
        self.set_crop(obb_box)
        return self.get_outputs(camera.to(self.device))

    @torch.no_grad()
    def get_outputs_for_camera_ray_bundle(self, camera_ray_bundle: RayBundle) -> dict[str, Tensor]:
        """Render the camera of a bundle of rays. Depth is the length of the ray here, as `ns-export tsdf` reads it."""
        outputs = self.get_outputs_for_camera(camera_from_bundle(camera_ray_bundle))
        outputs["depth"] = outputs["depth"] * camera_ray_bundle.metadata["directions_norm"]
        return outputs

    def get_rgba_image(self, outputs: dict[str, Tensor], output_name: str = "rgb") -> Tensor:
        """[H, W, 4]: an output with the accumulated opacity beside it."""
        return torch.cat([outputs[output_name], outputs["accumulation"].clamp(0, 1)], -1)

    # Loss and metrics

    @full_precision
    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Any], metrics_dict: dict[str, Any] | None = None
    ) -> dict[str, Tensor]:
        """The photometric loss, in which masked pixels do not count, and what the settings add to it."""
        rgb, target, mask = outputs["rgb"], self._target_of(outputs, batch), batch.get("mask")
        mask = None if mask is None else reduced_mask(mask.to(target), len(rgb))
        if not self.training:
            return self.losses.photometric(rgb, target, mask)
        progress = self.schedule.progress
        if self.losses.by_frequency:
            # The background of a transparent photograph changes; the mask is kept.
            plain = self._target_image(batch, torch.zeros_like(target[0, 0]))
            losses = self.losses.frequencies(rgb, target, mask, plain, int(batch["image_idx"]), progress)
        else:
            losses = self.losses.photometric(rgb, target, mask)
        shown, self._shown = self._shown, None  # lets the graph of this step go
        assert shown is not None, "get_loss_dict: expected a rendering in training mode before it"
        trained = shown.splats if self.frozen is None else self.frozen.without(shown.splats)
        losses |= self.losses.shapes(trained, outputs.get("normal_disagreement"), self.schedule.step)
        losses |= self.losses.depths(shown, batch, self.rig, progress)
        return losses | self._corrections_and_strategy(trained)

    def _corrections_and_strategy(self, splats: Splats) -> dict[str, Tensor]:
        """What keeps corrections of cameras small, and the strategy's own terms."""
        losses = dict[str, Tensor]()
        if isinstance(self.densification, McmcDensification):
            losses["mcmc"] = self.densification.regularization(splats)
        if self.config.use_bilateral_grid:
            losses["tv_loss"] = bilateral_grid_variation(self.bil_grids)
        if self.rig is not None:
            losses["rig_prior"] = self.rig.prior()
        self.camera_optimizer.get_loss_dict(losses)
        return losses

    @torch.no_grad()
    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Any]:
        """PSNR (dB) of the image, the count of splats, and how far poses were corrected."""
        target = self._target_of(outputs, batch)
        metrics: dict[str, Any] = {"psnr": psnr(outputs["rgb"], target), "splats": float(self.num_points)}
        self.camera_optimizer.get_metrics_dict(metrics)
        return metrics

    @torch.no_grad()
    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics of an evaluation image, and the photograph beside the rendering."""
        target = self._target_image(batch, outputs["background"])
        images = {"img": torch.cat([target, outputs["rgb"]], 1)}
        metrics = score_image(outputs, target, batch.get("measured_depth"), self.config.color_corrected_metrics)
        if self.evaluated is not None:
            self.evaluated.append(metrics)
        return metrics, images

    def _target_of(self, outputs: dict[str, Tensor], batch: dict[str, Any]) -> Tensor:
        """`_target_image` of what was rendered, kept beside it: metrics and losses of a step want the same."""
        if "target" not in outputs:
            outputs["target"] = self._target_image(batch, outputs["background"])
        return outputs["target"]

    def _target_image(self, batch: dict[str, Any], background: Tensor) -> Tensor:
        """The photograph [H, W, 3] in [0, 1], as large as training is now; a transparent one before the background."""
        image = batch["image"].to(self.device)
        if image.dtype == torch.uint8:
            image = image.float() / 255
        reduction = self.schedule.reduction(image.shape[1], image.shape[0]) if self.training else 1
        if reduction > 1:
            image = avg_pool2d(image.permute(2, 0, 1), reduction).permute(1, 2, 0)
        return self.composite_with_background(image, background)
