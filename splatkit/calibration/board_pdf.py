"""The board to print, true to scale."""

from pathlib import Path

from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from splatkit.calibration.target import BoardTarget
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
    left, low = -(target.columns + 1) / 2 * target.square, -(target.rows + 1) / 2 * target.square
    for column in range(target.columns + 1):
        for row in range(target.rows + 1):
            if (column + row) % 2 == 0:
                corner = (left + column * target.square, low + row * target.square)
                axes.add_patch(Rectangle(corner, target.square, target.square, color="black", linewidth=0))
    text = f"squares {target.square * 1e3:g} mm; print at 100 %, measure, glue to a flat plate"
    axes.text(0, (low - target.height / 2) / 2, text, ha="center", va="center", fontsize=8, color="#808080")
    with atomic_file(path) as temporary:
        FigureCanvasPdf(figure).print_pdf(str(temporary), metadata={"CreationDate": None})
