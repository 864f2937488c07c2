"""How far a rendered depth is from measured ones."""

from torch import Tensor

DEPTH_METRICS = ("median_error", "mean_error", "share_within_5_percent")
_WITHIN = 0.05  # of the depth


def depth_metrics(rendered: Tensor, measured: Tensor) -> dict[str, float]:
    """Errors of depths [M] against measured ones [M] > 0. Where nothing was rendered (0), the whole depth is the error.

    Returns:
        median and mean absolute error in the units of the depths, and the share of pixels within 5 % of the measured
        depth, by the names in DEPTH_METRICS.
    """
    if rendered.shape != measured.shape:
        raise ValueError(f"rendered: expected shape {list(measured.shape)} like measured, got {list(rendered.shape)}")
    if len(measured) == 0:
        raise ValueError("measured: expected at least one depth, got none")
    errors = (rendered - measured).abs()
    within = (errors <= _WITHIN * measured).float()
    return dict(zip(DEPTH_METRICS, (float(errors.median()), float(errors.mean()), float(within.mean())), strict=True))
