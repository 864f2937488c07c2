"""The frequency-modulated part of the loss: where the photograph has the band of frequencies that is due now.

GES (arXiv 2402.10128, section 4.3 and eq. 7) adds an L1 term over a mask from a difference of Gaussians whose width
follows the progress of the run: smooth regions count early, edges late. Here the mask comes from the photograph, as the
paper says (its release takes the rendering), so it can be kept; the filter is separable; and a photograph without any
structure selects everything instead of dividing by zero. Mode "area" takes the mean over the selected pixels; "paper"
over all pixels, as published, so that the term fades as the mask shrinks.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv1d, interpolate

_SCALE = 0.2  # GES filters images of a fifth of the size
_SIGMA_MIN, _SIGMA_RANGE = 0.1, 5.0  # px of those; sigma goes from 0.1 to 5.1 and back
_THRESHOLD = 0.5  # of the response, between its smallest and its largest
_FLAT = 1e-4  # a smaller range of the response is rounding


@dataclass(frozen=True)
class FrequencySettings:
    """The frequency-modulated term of the loss."""

    mode: Literal["off", "area", "paper"] = "off"
    """Leave it out; mean over the selected pixels; mean over all pixels, as published."""
    weight: float = 0.5
    """Weight of the term in the loss, taken from the L1 term (GES: 0.5, which leaves 0.3 of L1)."""
    levels: int = 20
    """Widths of the filter in a run; masks are kept as long as a width lasts. Published: a new one in every step."""


class FrequencyMasks:
    """Masks of the training images, each kept until the width changes."""

    def __init__(self, settings: FrequencySettings) -> None:
        self.settings = settings
        self._kept: dict[int, tuple[tuple[int, torch.Size], Tensor]] = {}

    def mask(self, index: int, image: Tensor, progress: float) -> Tensor:
        """Which pixels of a photograph count now.

        Args:
            index: of the photograph.
            image: [H, W, 3] in [0, 1], always the same for an index and a size.
            progress: share of the run that is done, in [0, 1].

        Returns:
            [H, W, 1], 0 or 1.
        """
        level = min(int(progress * self.settings.levels), self.settings.levels - 1)
        key = (level, image.shape)
        kept = self._kept.get(index)
        if kept is None or kept[0] != key:
            kept = (key, frequency_mask(image, (level + 0.5) / self.settings.levels))
            self._kept[index] = kept
        return kept[1].to(image.dtype)


def frequency_mask(image: Tensor, progress: float) -> Tensor:
    """Pixels of an image [H, W, 3] whose band-pass response is over the threshold; early in a run, those under it.

    Args:
        image: [H, W, 3] in [0, 1].
        progress: share of the run that is done, in [0, 1].

    Returns:
        [H, W, 1] boolean; all true where the image has no structure.
    """
    sigma = _SIGMA_MIN + _SIGMA_RANGE * 2 * min(progress, 1 - progress)
    gray = image.mean(-1)[None, None]
    size = [max(1, round(side * _SCALE)) for side in image.shape[:2]]
    small = interpolate(gray, size, mode="bilinear", align_corners=False)[0, 0]
    band = gaussian_blur(small, sigma) - gaussian_blur(small, 2 * sigma)
    band = interpolate(band[None, None], image.shape[:2], mode="bilinear", align_corners=False)[0, 0]
    low, high = band.min(), band.max()
    if high - low < _FLAT:
        return torch.ones_like(image[..., :1], dtype=torch.bool)
    response = (band - low) / (high - low)
    return ((response if progress >= 0.5 else 1 - response) >= _THRESHOLD)[..., None]


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """An image [H, W] blurred by a Gaussian cut at three sigma; what lies beyond the border does not count."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    for _ in range(2):  # along one axis, then along the other
        sums = conv1d(image[:, None], weights[None, None], padding=radius)[:, 0]
        present = conv1d(torch.ones_like(image[:1, None]), weights[None, None], padding=radius)[:, 0]
        image = (sums / present).T
    return image


def frequency_loss(
    rendered: Tensor, target: Tensor, selected: Tensor, mode: Literal["area", "paper"], mask: Tensor | None = None
) -> Tensor:
    """Mean absolute difference over the selected pixels ("area"), or its share of the mean over all ("paper").

    Args:
        rendered: [H, W, C], gradients flow to it.
        target: [H, W, C].
        selected: [H, W, 1], from `FrequencyMasks.mask`.
        mode: what the sum is divided by.
        mask: [H, W, 1], 1 where the pixel counts at all; None for everywhere.

    Returns:
        Scalar.
    """
    counts = torch.ones_like(selected) if mask is None else (mask > 0).to(selected)
    chosen = selected * counts
    total = (chosen if mode == "area" else counts).sum().clamp_min(1)
    return (torch.where(chosen > 0, rendered - target, 0.0).abs().mean(-1, keepdim=True)).sum() / total
