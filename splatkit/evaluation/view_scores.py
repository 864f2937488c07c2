"""How true a view of a mesh is to a photograph, and where it is not.

Where the mesh is not, a view is black: so is what it stands before, and so a photograph counts where it is transparent.
Over all pixels, a hole costs what the photograph shows there, and a surface before the transparent what it shows
itself. What a mask excludes never counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.evaluation.mesh_rendering import MeshView

_LEAST_COVERED = 0.999  # of a pixel, to be compared
_NO_ERROR = 1e-12
_OPAQUE = 0.5  # less, and the photograph shows nothing there
_MOSTLY, _STRIP, _PARTLY = 0.45, 0.5, 0.25  # shares of the error in a ninth, a third, a ninth, to be named for it
_NINTHS = (
    ("at the upper left", "at the top", "at the upper right"),
    ("at the left", "in the center", "at the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)
_ROWS = ("along the top", "across the middle", "along the bottom")
_COLUMNS = ("along the left", "down the middle", "along the right")


@dataclass(frozen=True)
class ViewScore:
    """How close a view of a mesh is to a photograph."""

    psnr: float  # dB, over the usable pixels that the mesh covers
    psnr_exposed: float  # dB, the same after one factor for each channel: photographs may differ in exposure
    coverage: float  # share of the photograph's usable pixels that the mesh covers
    psnr_all: float  # dB, over all pixels that no mask excludes, see above


@dataclass(frozen=True)
class WorstPlace:
    """The part of a view with much of the squared error, and what most of the error there comes from."""

    where: str  # "at the upper left", "along the top", "in the center" and so on; "all over" where no part stands out
    what: str  # "uncovered", "wrong color" or "surface where nothing is"

    def __str__(self) -> str:
        return f"{self.what} {self.where}"


def score_view(
    view: MeshView,
    photograph: NDArray[np.uint8],
    usable: NDArray[np.bool_],
    opacities: NDArray[np.float32] | None = None,
) -> ViewScore:
    """Compare a view with a photograph.

    Args:
        view: H x W pixels.
        photograph: [H, W, 3].
        usable: [H, W] neither masked nor transparent.
        opacities: [H, W] in [0, 1], NaN where a mask excludes the pixel; by default 1 where usable, else NaN.
    """
    errors = squared_errors(view, photograph, _opacities(usable, opacities))
    psnr_all = _decibels(float(np.nanmean(errors))) if np.isfinite(errors).any() else 0.0
    covered = usable & _is_covered(view)
    if not covered.any():
        return ViewScore(0.0, 0.0, 0.0, psnr_all)
    image, target = view.image[covered].astype(np.float64), photograph[covered] / 255.0
    exposed = image * exposure_factors(view, photograph, usable)
    first, second = (_decibels(np.square(np.clip(each, 0, 1) - target).mean()) for each in (image, exposed))
    return ViewScore(first, second, float(covered.sum() / usable.sum()), psnr_all)


def exposure_factors(view: MeshView, photograph: NDArray[np.uint8], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One factor for each channel [3] that brings a view nearest to a photograph, over what both show."""
    covered = usable & _is_covered(view)
    image, target = view.image[covered].astype(np.float64), photograph[covered] / 255.0
    return np.asarray((image * target).sum(0) / np.maximum((image * image).sum(0), _NO_ERROR))


def squared_errors(
    view: MeshView, photograph: NDArray[np.uint8], opacities: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """[H, W] means over the channels, of brightness in [0, 1]; NaN where a mask excludes the pixel."""
    target = photograph / np.float32(255)
    if opacities is not None:
        target *= opacities[..., None]
    return np.asarray(np.square(np.clip(view.image, 0, 1) - target).mean(-1))


def surface_errors(
    view: MeshView,
    photograph: NDArray[np.uint8],
    usable: NDArray[np.bool_],
    opacities: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Squared errors [H, W] after the exposure's factors where the mesh covers the whole pixel; NaN elsewhere."""
    covered = _is_covered(view)
    if not (usable & covered).any():
        return np.full(usable.shape, np.nan, np.float32)
    factors = exposure_factors(view, photograph, usable).astype(np.float32)
    exposed = MeshView(view.image * factors, view.coverage)
    return np.where(covered, squared_errors(exposed, photograph, _opacities(usable, opacities)), np.float32(np.nan))


def find_worst_place(
    view: MeshView,
    photograph: NDArray[np.uint8],
    usable: NDArray[np.bool_],
    opacities: NDArray[np.float32] | None = None,
) -> WorstPlace:
    """Where most of the squared error over all pixels is, and what it comes from."""
    opacities = _opacities(usable, opacities)
    errors = np.nan_to_num(squared_errors(view, photograph, opacities))
    nothing = opacities < _OPAQUE  # no pixel that is masked
    causes = {
        "uncovered": ~nothing & (view.coverage <= _OPAQUE),
        "surface where nothing is": nothing,
        "wrong color": ~nothing & (view.coverage > _OPAQUE),
    }
    where, part = _worst_part(_ninths(errors))
    what = max(causes, key=lambda name: float(_ninths(errors * causes[name])[part].sum()))
    return WorstPlace(where, what)


def _worst_part(ninths: NDArray[np.float64]) -> tuple[str, NDArray[np.bool_]]:
    """The name of a ninth, a row or a column of them that has much of a sum [3, 3], and which ninths these are."""
    index = np.arange(9).reshape(3, 3)
    cells = [(_NINTHS[i // 3][i % 3], index == i) for i in range(9)]
    rows = [(_ROWS[i], index // 3 == i) for i in range(3)]
    columns = [(_COLUMNS[i], index % 3 == i) for i in range(3)]
    for parts, least in ((cells, _MOSTLY), ([*rows, *columns], _STRIP), (cells, _PARTLY)):
        name, part = max(parts, key=lambda each: float(ninths[each[1]].sum()))
        if ninths[part].sum() >= least * ninths.sum() > 0:
            return name, part
    return "all over", np.ones((3, 3), dtype=bool)


def _ninths(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums [3, 3] over the parts of a picture [H, W]."""
    rows = np.array_split(values.astype(np.float64), 3, axis=0)
    return np.array([[part.sum() for part in np.array_split(row, 3, axis=1)] for row in rows])


def _is_covered(view: MeshView) -> NDArray[np.bool_]:
    return np.asarray(view.coverage > _LEAST_COVERED)


def _opacities(usable: NDArray[np.bool_], opacities: NDArray[np.float32] | None) -> NDArray[np.float32]:
    return np.where(usable, np.float32(1), np.float32(np.nan)) if opacities is None else opacities


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, _NO_ERROR)))
