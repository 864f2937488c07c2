"""What a training step minimizes: photographs, measured depths and normals, and the shapes of splats.

Nothing here knows the model: any that renders splats as `Rasterizer` does can be trained by it.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import max_pool2d

from splatkit.optimize.ges.supervision.depths import Shown, depth_losses, reduced_confidences
from splatkit.optimize.ges.supervision.rig_refinement import RigRefinement
from splatkit.splatting.depth_losses import DepthSettings
from splatkit.splatting.frequency_loss import FrequencyMasks, FrequencySettings, frequency_loss
from splatkit.splatting.losses import photometric_loss
from splatkit.splatting.regularization import RegularizationSettings, flatness, needle_penalty
from splatkit.splatting.splats import Splats

NEEDLE_INTERVAL, NEEDLE_WEIGHT = 10, 0.1  # steps between and weight of punishing needles, as splatfacto has them


@dataclass(frozen=True)
class LossSettings:
    """Which terms there are, and their weights."""

    ssim_lambda: float
    """Weight of the structural part of the photometric loss."""
    frequency: FrequencySettings
    """Smooth regions first, edges last."""
    regularization: RegularizationSettings
    """Flat splats, and normals that agree with the depth."""
    depth: DepthSettings
    """How measured depths and normals count."""
    max_gauss_ratio: float | None
    """Longest axis of a splat in lengths of its shortest one, beyond which it is punished; None: it is not."""


class SplatLosses:
    """Terms of the loss by name, for one run."""

    def __init__(self, settings: LossSettings, extent: float, floor_share: float) -> None:
        """Of a scene.

        Args:
            settings: see there.
            extent: of the scene, its units.
            floor_share: smallest deviation of a measured depth, as a share of it; see `floor_share_for`.
        """
        self.settings = settings
        self.extent = extent
        self.floor_share = floor_share
        self._frequency_masks = FrequencyMasks(settings.frequency)

    @property
    def by_frequency(self) -> bool:
        """Whether `frequencies` stands for `photometric`."""
        return self.settings.frequency.mode != "off"

    def photometric(self, rgb: Tensor, target: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """The distance of an image [H, W, 3] from a photograph; pixels where the mask [H, W, 1] is 0 do not count."""
        return {"main_loss": photometric_loss(rgb, target, mask, self.settings.ssim_lambda)}

    def frequencies(
        self, rgb: Tensor, target: Tensor, mask: Tensor | None, plain: Tensor, image: int, progress: float
    ) -> dict[str, Tensor]:
        """`photometric` and what the frequency loss adds.

        Args:
            rgb: [H, W, 3] rendered.
            target: [H, W, 3] photograph before the background that was rendered.
            mask: [H, W, 1] or None.
            plain: [H, W, 3] photograph before black, which its frequencies are found in.
            image: its number; masks of frequencies are kept by it.
            progress: of training, in [0, 1].
        """
        frequency, mode = self.settings.frequency, self.settings.frequency.mode
        assert mode != "off", "see `by_frequency`"
        rest = 1 - frequency.weight
        selected = self._frequency_masks.mask(image, plain, progress)
        return {
            "main_loss": rest * photometric_loss(rgb, target, mask, self.settings.ssim_lambda / rest),
            "frequency": frequency.weight * frequency_loss(rgb, target, selected, mode, mask),
        }

    def depths(
        self, shown: Shown, batch: dict[str, Any], rig: RigRefinement | None, progress: float
    ) -> dict[str, Tensor]:
        """What is measured in a training image, at the size that was rendered.

        Args:
            shown: what was rendered.
            batch: of the datamanager, with `measured_depth` and `background_map` where there are some.
            rig: corrections of measured points, which learn here too.
            progress: of training, in [0, 1].
        """
        device, width = shown.splats.means.device, shown.view.width
        losses = dict[str, Tensor]()
        measured = batch.get("measured_depth")
        if measured is not None:
            measured = measured.to(device).reduced(measured.width // width)
        if rig is not None and measured is not None:
            refined = rig.refined(measured, shown.view, int(batch["image_idx"]))
            if refined is not None:
                measured, points = refined
                rendered = shown.rendering.depths[0]
                losses["rig"] = rig.loss(points, measured.sigmas, rendered, shown.view, self.floor_share)
        background = batch.get("background_map")
        if background is not None:
            background = reduced_confidences(background.to(device), width)
        return losses | depth_losses(shown, measured, background, self.settings.depth, self.floor_share, progress)

    def shapes(self, splats: Splats, normal_disagreement: Tensor | None, step: int) -> dict[str, Tensor]:
        """Regularization of the splats' shapes at a step; `normal_disagreement` is the rasterizer's, or None."""
        settings, losses = self.settings.regularization, dict[str, Tensor]()
        if settings.flatness_weight > 0:
            losses["flatness"] = settings.flatness_weight * flatness(splats.scales, self.extent)
        if normal_disagreement is not None:
            losses["normals"] = settings.normal_weight * normal_disagreement
        ratio = self.settings.max_gauss_ratio
        if ratio is not None and step % NEEDLE_INTERVAL == 0:
            losses["scale_reg"] = NEEDLE_WEIGHT * needle_penalty(splats.scales, ratio)
        return losses


def reduced_mask(mask: Tensor, height: int) -> Tensor:
    """A mask [H, W, 1] for an image of a height (px) as it is or reduced: only pixels count of which all did."""
    reduction = mask.shape[0] // height
    return 1 - max_pool2d(1 - mask.permute(2, 0, 1), reduction).permute(1, 2, 0)
