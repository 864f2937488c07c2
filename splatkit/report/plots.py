"""Plots and false-color images as pictures, in the look of the reports."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

_COLORS = ("#3056d3", "#e4572e", "#2a9d8f", "#8e6bbf", "#c99700")
_INK = "#667085"
_DPI = 144


def plot_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    size: tuple[int, int] = (720, 420),
) -> NDArray[np.uint8]:
    """Curves over a common axis, e.g. loss or PSNR over steps.

    Args:
        curves: name -> (x values, y values) of equal length.
        x_label: with its unit.
        y_label: with its unit.
        size: (width, height) px.

    Returns:
        [height, width, 3] uint8.
    """
    figure, axes = _canvas(size)
    for index, (name, (x, y)) in enumerate(curves.items()):
        marker = "o" if len(x) < 30 else None
        axes.plot(x, y, color=_COLORS[index % len(_COLORS)], linewidth=1.4, marker=marker, markersize=3, label=name)
    return _finish(figure, axes, x_label, y_label, len(curves) > 1)


def plot_points(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    size: tuple[int, int] = (720, 420),
    zero_line: bool = True,
) -> NDArray[np.uint8]:
    """Points over a common axis, e.g. residuals over range.

    Args:
        groups: name -> (x values, y values) of equal length.
        x_label: with its unit.
        y_label: with its unit.
        size: (width, height) px.
        zero_line: draw y = 0.

    Returns:
        [height, width, 3] uint8.
    """
    figure, axes = _canvas(size)
    for index, (name, (x, y)) in enumerate(groups.items()):
        axes.scatter(x, y, s=9, color=_COLORS[index % len(_COLORS)], linewidths=0, alpha=0.75, label=name)
    if zero_line:
        axes.axhline(0, color=_INK, linewidth=0.8)
    return _finish(figure, axes, x_label, y_label, len(groups) > 1)


def plot_histogram(
    values: NDArray[np.floating] | NDArray[np.integer],
    edges: NDArray[np.floating],
    x_label: str,
    y_label: str,
    size: tuple[int, int] = (720, 420),
) -> NDArray[np.uint8]:
    """How many values [N] lie between the edges [B + 1], ascending.

    Returns:
        [height, width, 3] uint8.
    """
    counts, _ = np.histogram(values, edges)
    figure, axes = _canvas(size)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_COLORS[0], linewidth=0)
    return _finish(figure, axes, x_label, y_label, False)


def _canvas(size: tuple[int, int]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, layout="constrained")
    return figure, figure.add_subplot()


def _finish(figure: Figure, axes: Axes, x_label: str, y_label: str, legend: bool) -> NDArray[np.uint8]:
    axes.set_xlabel(x_label, color=_INK, fontsize=8)
    axes.set_ylabel(y_label, color=_INK, fontsize=8)
    axes.tick_params(colors=_INK, labelsize=7, length=0)
    axes.grid(color="#e4e7ec", linewidth=0.7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if legend:
        axes.legend(frameon=False, fontsize=7)
    canvas = FigureCanvasAgg(figure)  # not pyplot, which would look for a display and keep every figure
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def colorize_error(image: NDArray[np.floating], target: NDArray[np.floating], limit: float) -> NDArray[np.uint8]:
    """Map of the absolute error, mean over channels: black is none, bright is `limit` or more.

    Args:
        image: [H, W, C] in [0, 1].
        target: same shape.
        limit: error at the bright end of the scale, > 0; say it in the caption.

    Returns:
        [H, W, 3] uint8.
    """
    if image.shape != target.shape:
        raise ValueError(f"image, target: expected equal shapes, got {list(image.shape)} and {list(target.shape)}")
    return _colorize(np.abs(image - target).mean(-1) / limit, "inferno")


def colorize_depth(depths: NDArray[np.floating], near: float, far: float) -> NDArray[np.uint8]:
    """Depth in false colors: red near, blue far, dark gray where there is none (0 or not finite).

    Args:
        depths: [H, W] z-depths.
        near: depth at the red end.
        far: depth at the blue end, > near; the same pair for all pictures that are compared.

    Returns:
        [H, W, 3] uint8.
    """
    if far <= near:
        raise ValueError(f"near, far: expected near < far, got {near} and {far}")
    valid = np.isfinite(depths) & (depths > 0)
    colors = _colorize((far - np.where(valid, depths, far)) / (far - near), "turbo")
    colors[~valid] = 40
    return colors


def colorize_share(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Shares [H, W] of a largest value: black is none, bright is 1 or more, dark gray where a share is not finite.

    Returns:
        [H, W, 3] uint8.
    """
    valid = np.isfinite(shares)
    colors = _colorize(np.where(valid, shares, 0), "inferno").copy()
    colors[~valid] = 40
    return colors


def _colorize(values: NDArray[np.floating], colormap: str) -> NDArray[np.uint8]:
    """Values [H, W], of which [0, 1] spans the colormap -> [H, W, 3]."""
    return matplotlib.colormaps[colormap](np.clip(values, 0, 1), bytes=True)[..., :3]
