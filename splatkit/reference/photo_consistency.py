"""How photographs agree on a surface, in plain torch: the definition of `splatkit.ops.photo_consistency`.

Every sample of the surface is looked up in all photographs that see it. Around each lies a window of other samples,
with weights; within it each photograph is brought to zero mean and to the mean contrast of all photographs, as in
normalized cross-correlation. What is left of each from the mean of all says by one Gauss-Newton step how far the sample
should move along its normal. Photographs that disagree with the others within the window count little, by the weights
of Geman and McClure.
"""

import torch
from torch import Tensor

LEAST_GAIN, MOST_GAIN = 0.5, 2.0  # of a photograph's contrast toward the mean
_SEEN_SHARE = 0.5  # of the window's weight, of a photograph that takes part
_TINY = 1e-6


def photo_consistency(
    grays: Tensor,
    slopes: Tensor,
    cosines: Tensor,
    starts: Tensor,
    members: Tensor,
    weights: Tensor,
    noise: float,
    outlier: float,
    outlier_share: float,
) -> Tensor:
    """One step; see `splatkit.ops.photo_consistency` for the arguments.

    Returns:
        [S, 4] gradient and curvature of half the squared residuals in units of their variance, correlation, and how
        many photographs count.
    """
    rows = torch.arange(len(grays), device=grays.device).repeat_interleave(starts.diff())

    def over_windows(values: Tensor) -> Tensor:
        """Weighted sums of values [S, ...] over each window."""
        terms = values[members] * weights.reshape(-1, *[1] * (values.ndim - 1))
        return torch.zeros_like(values).index_add(0, rows, terms)

    seen = (cosines > 0).to(grays)
    share = over_windows(seen)
    scale = 1 / share.clamp_min(_TINY)
    mean, square, slope = (over_windows(seen * part) * scale for part in (grays, grays * grays, slopes))
    deviation = ((square - mean * mean).clamp_min(0) + noise**2).sqrt()
    votes = torch.where((share > _SEEN_SHARE) & (cosines > 0), cosines, 0)
    contrast = (votes * deviation).sum(1, keepdim=True) / votes.sum(1, keepdim=True).clamp_min(_TINY)
    gain = (contrast / deviation).clamp(LEAST_GAIN, MOST_GAIN)
    values, rates = (grays - mean) * gain, (slopes - slope) * gain
    residuals = _from_mean(values, votes)
    error = over_windows(residuals.square()) * scale
    votes = votes / (1 + error / (outlier**2 + (outlier_share * contrast) ** 2)).square()
    residuals, rates = _from_mean(values, votes), _from_mean(rates, votes)
    count = (votes > 0.02).sum(1)
    sums = torch.stack(
        [(votes * part).sum(1) for part in (rates * rates, rates * residuals, residuals**2, values**2)]
        + [votes.sum(1)],
        1,
    )
    curvature, gradient, left, whole, total = over_windows(torch.where(count[:, None] >= 2, sums, 0)).unbind(1)
    variance = left / total.clamp_min(_TINY) + noise**2 / 4
    squares = torch.zeros_like(grays[:, 0]).index_add(0, rows, weights * weights)
    effective = 1 / squares.clamp_min(_TINY)  # samples that a window has, were all alike in weight
    correlation = 1 - left / whole.clamp_min(_TINY)
    return torch.stack(
        [effective * gradient / variance, effective * curvature / variance, correlation, count.to(grays)], 1
    )


def _from_mean(values: Tensor, votes: Tensor) -> Tensor:
    mean = (votes * values).sum(1, keepdim=True) / votes.sum(1, keepdim=True).clamp_min(_TINY)
    return torch.where(votes > 0, values - mean, 0)
