"""What stereo found of each photograph, in numbers."""

from dataclasses import dataclass

import numpy as np

from splatkit.stereo.carrying import ViewSurface


@dataclass(frozen=True)
class ViewSummary:
    """Of one photograph."""

    name: str
    without: str = ""  # why it has no depths; empty where it has
    share: float = 0.0  # of its pixels with a depth
    depth: float = 0.0  # median, in units of the poses
    relative_sigma: float = 0.0  # median of deviation / depth
    background: float = 0.0  # share of its pixels where most likely nothing is


def summarize_view(name: str, surface: ViewSurface) -> ViewSummary:
    """Of a photograph that was matched."""
    there = surface.depths > 0
    if not there.any():
        return ViewSummary(name, "nothing in it was certain", background=float((surface.background > 0.5).mean()))
    depths = surface.depths[there]
    return ViewSummary(
        name,
        share=float(there.mean()),
        depth=float(np.median(depths)),
        relative_sigma=float(np.median(surface.sigmas[there] / depths)),
        background=float((surface.background > 0.5).mean()),
    )
