"""How good an evaluation image is: its colors against the photograph, its depths against what was measured."""

import math

from torch import Tensor

from splatkit.evaluation.depth import DEPTH_METRICS, depth_metrics
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.image_corrections import color_corrected
from splatkit.optimize.nerfstudio.metrics import image_metrics


def score_image(
    outputs: dict[str, Tensor], target: Tensor, measured: MeasuredDepth | None, with_corrected: bool
) -> dict[str, float]:
    """Metrics by name.

    Args:
        outputs: of the model; where it has a median depth, depths are judged too.
        target: [H, W, 3] photograph, in [0, 1].
        measured: depths of the image; None where it has none.
        with_corrected: also metrics after the colors were fitted to the photograph's ("cc_...").
    """
    metrics = image_metrics(outputs["rgb"], target)
    if with_corrected:
        corrected = image_metrics(color_corrected(outputs["rgb"], target), target)
        metrics |= {f"cc_{name}": value for name, value in corrected.items()}
    if "median_depth" in outputs:
        metrics |= _depth_metrics(outputs, measured)
    return metrics


def _depth_metrics(outputs: dict[str, Tensor], measured: MeasuredDepth | None) -> dict[str, float]:
    """Errors of expected ("depth_...") and median depth on measured pixels; NaN where an image has none."""
    out: dict[str, float] = {}
    for name in ("depth", "median_depth"):
        metrics = dict.fromkeys(DEPTH_METRICS, math.nan)
        if measured is not None and len(measured):
            rendered = outputs[name].flatten().cpu()[measured.indices.long().cpu()]
            metrics = depth_metrics(rendered, measured.depths.cpu())
        out |= {f"{name}_{metric}": value for metric, value in metrics.items()}
    return out
