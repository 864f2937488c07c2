"""What stereo came to, in words and numbers: for people, for capture.json and for the report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from splatkit.capture.stereo.effort import Effort
from splatkit.capture.stereo.found_stereo import FoundStereo
from splatkit.capture.stereo.summaries import ViewSummary
from splatkit.io.maps.depth_maps import LARGEST_DEPTH

_NAMED = 5  # photographs that a warning names


@dataclass(frozen=True)
class StereoFindings:
    """Of all photographs of a dataset."""

    effort: Effort
    views: tuple[ViewSummary, ...]  # by name
    dense_points: int
    depth_unit: float  # in units of the poses
    depths_left_out: int
    cpu_s: float

    @property
    def with_depth(self) -> list[ViewSummary]:
        """Photographs that have depths."""
        return [view for view in self.views if not view.without]

    def verdict(self) -> str:
        """One sentence."""
        have = self.with_depth
        text = f"{len(have)} of {len(self.views)} photographs have depth"
        if not have:
            return text
        share = float(np.mean([view.share for view in have]))
        sigma = float(np.median([view.relative_sigma for view in have]))
        return (
            f"{text}, {100 * share:.0f} % of their pixels, median standard deviation {100 * sigma:.2g} % of the depth"
        )

    def warnings(self) -> tuple[str, ...]:
        """What the user should know, with a cure."""
        out = []
        if self.effort.level == "low" and self.effort.reason:
            out.append(f"{self.effort}; --stereo medium finds more")
        unmatched = [view.name for view in self.views if view.without not in ("", "held out")]
        if unmatched:
            named = ", ".join(unmatched[:_NAMED]) + (", ..." if len(unmatched) > _NAMED else "")
            out.append(
                f"{len(unmatched)} photographs have no depth by stereo ({named}): photograph what they show once more, "
                "a step aside"
            )
        if self.depths_left_out:
            out.append(beyond_format(self.depths_left_out, self.depth_unit))
        return tuple(out)

    def figures(self) -> dict[str, Any]:
        """What capture.json says."""
        return {
            "level": self.effort.level,
            "why": self.effort.reason or "asked for",
            "estimated_cpu_s": self.effort.cpu_s,
            "cpu_s": self.cpu_s,
            "photographs": dict(Counter(view.without or "have depths" for view in self.views)),
            "dense_points": self.dense_points,
            "depth_unit": self.depth_unit,
            "depths_beyond_the_format": self.depths_left_out,
            "views": {
                view.name: {key: value for key, value in asdict(view).items() if key != "name"} for view in self.views
            },
            "views_are": "share of pixels with depth, median depth, median sigma / depth, share where nothing is",
        }


def stereo_findings(
    found: FoundStereo, summaries: Sequence[ViewSummary], depth_unit: float, left_out: int
) -> StereoFindings:
    """Of what was found and written.

    Args:
        found: by stereo.
        summaries: of all photographs.
        depth_unit: in which depths were written.
        left_out: depths that did not fit.
    """
    views = tuple(sorted(summaries, key=lambda view: view.name))
    dense_points = len(found.cloud.dense.points)
    return StereoFindings(found.effort, views, dense_points, depth_unit, left_out, found.cpu_s)


def beyond_format(count: int, unit: float) -> str:
    """A warning about depths that a depth map of this unit does not hold."""
    farthest = f"{LARGEST_DEPTH * unit:.3g} (in the dataset's unit)"
    return f"{count} depths beyond {farthest} do not fit into depth maps and are left out"
