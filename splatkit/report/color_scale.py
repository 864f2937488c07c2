"""Numbers as colors on a surface, with a legend that gives them back."""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

_MAP = "turbo"
_UNKNOWN = 150  # gray, which the map does not have
_INK = "#667085"
_DPI = 144
_NUMBERS = 6  # beside a legend


@dataclass(frozen=True)
class ColorScale:
    """Blue is `low` or less, red is `high` or more, gray is not known."""

    low: float  # > 0 on a logarithmic scale
    high: float  # > low
    label: str  # what the numbers are, with their unit
    logarithmic: bool = False

    def colors(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """[N, 3] of values [N]; NaN is not known."""
        known = np.isfinite(values)
        shares = self._norm()(np.where(known, np.maximum(values, self.low), self.low))
        colors = matplotlib.colormaps[_MAP](np.clip(shares, 0, 1), bytes=True)[..., :3].copy()
        colors[~known] = _UNKNOWN
        return np.asarray(colors, dtype=np.uint8)

    def legend(self, size: tuple[int, int] = (1120, 110)) -> NDArray[np.uint8]:
        """The scale as a picture of (width, height) px: [height, width, 3]."""
        figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        mappable = ScalarMappable(self._norm(), matplotlib.colormaps[_MAP])
        bar = figure.colorbar(mappable, cax=axes, orientation="horizontal", extend="max" if self.low == 0 else "both")
        spread = np.geomspace if self.logarithmic else np.linspace
        numbers = spread(self.low, self.high, _NUMBERS).tolist()
        bar.set_ticks(numbers, labels=[f"{number:.2g}" for number in numbers])
        bar.minorticks_off()
        bar.set_label(f"{self.label}; gray: not known", color=_INK, fontsize=7)
        axes.tick_params(colors=_INK, labelsize=7)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _norm(self) -> Normalize:
        return LogNorm(self.low, self.high) if self.logarithmic else Normalize(self.low, self.high)
