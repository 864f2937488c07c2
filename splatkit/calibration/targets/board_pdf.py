"""The board to print, true to scale."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from splatkit.calibration.targets.pattern import make_pattern
from splatkit.calibration.targets.target import BoardTarget
from splatkit.io.atomic import atomic_file

_INCH = 0.0254
_LONGEST_INCHES = 200.0  # what PDF readers take as a page


def write_board(path: Path, target: BoardTarget) -> None:
    """A page as large as the plate, with the pattern in its middle and the size of a square written below.

    Raises:
        ValueError: the page would be larger than PDF allows.
    """
    width, height = target.width / _INCH, target.height / _INCH
    if max(width, height) > _LONGEST_INCHES:
        raise ValueError(f"--board-size: a page of {target.width} x {target.height} m is more than PDF allows (5 m)")
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-target.width / 2, target.width / 2)
    axes.set_ylim(-target.height / 2, target.height / 2)
    axes.axis("off")
    pattern = make_pattern(target)
    for row, cells in enumerate(pattern.black):
        top, bottom = -pattern.y[row], -pattern.y[row + 1]  # y of the board points down, that of a page up
        for first, end in _runs(cells):
            left, right = pattern.x[first], pattern.x[end]
            axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, color="black", linewidth=0))
    low = -pattern.y[-1]
    text = f"{target.parts} {target.square * 1e3:g} mm; print at 100 %, measure, glue to a flat plate"
    axes.text(0, (low - target.height / 2) / 2, text, ha="center", va="center", fontsize=8, color="#808080")
    with atomic_file(path) as temporary:
        FigureCanvasPdf(figure).print_pdf(str(temporary), metadata={"CreationDate": None})


def _runs(cells: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end of each run of black cells: one rectangle, so that readers draw no seams."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], cells, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
