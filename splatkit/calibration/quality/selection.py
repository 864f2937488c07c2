"""What the views can tell beside the extrinsic: the LiDAR's range errors and the camera's intrinsics.

Each is taken in only where the data settle it, by two tests: its unknowns end far better known than before (posterior
over prior deviation), and views that were left out are explained better with it than without.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import wilcoxon

from splatkit.calibration.quality.validation import CrossValidation, cross_validate
from splatkit.calibration.solver.closed_form import DegenerateViewsError
from splatkit.calibration.solver.parameters import Freedom, Parameters
from splatkit.calibration.solver.residuals import Kind
from splatkit.calibration.solver.solve import Solution, solve
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array

FOLDS = 5
_LEAST_VIEWS = {"rings": 6, "intensity": 6, "intrinsics": 8}
_MOST_PULLED = 0.3  # posterior over prior deviation
# The largest probability that held-out views would gain as much if nothing were better. What is supplied of a lens is
# often wrong, and the covariance does not know it: intrinsics need not be proven to be better, only to be no worse.
_BY_CHANCE = {"rings": 0.1, "intensity": 0.1, "intrinsics": 0.5}
_WORDS = {
    "rings": "range errors of single lasers",
    "intensity": "range errors by intensity",
    "intrinsics": "intrinsics",
}


@dataclass(frozen=True)
class Selection:
    """Which freedoms the data support, why the others not, and how the chosen way fares on views left out."""

    freedom: Freedom
    reasons: dict[str, str]
    validation: CrossValidation


def select_freedom(
    views: list[BoardView],
    centers: Array,
    target: BoardTarget,
    cameras: tuple[Camera, ...],
    noise: SensorNoise,
    kinds: tuple[Kind, ...],
    from_boards: bool,
    start: Parameters,
) -> Selection:
    """Add one freedom after the other where it helps; see `cross_validate` for the arguments.

    Intrinsics that were found `from_boards`, of the same views, are no better known than these tell: they are freed in
    any case, so that the extrinsic's covariance holds what they leave open. `start` is a solution without freedoms.
    """
    freedom, reasons = Freedom(intrinsics=from_boards), dict[str, str]()
    if from_boards:
        reasons["intrinsics"] = f"{_WORDS['intrinsics']}: found from the boards, together with the extrinsic"
    folds = min(FOLDS, len(views))
    validation = cross_validate(views, centers, target, cameras, noise, freedom, folds, kinds, start)
    for name, words in _WORDS.items():
        if name in reasons:
            continue
        missing = _missing(name, views)
        if missing is None:
            wider = replace(freedom, **{name: True})
            try:
                solution = solve(views, target, cameras, noise, kinds, wider, start)
                trial = cross_validate(views, centers, target, cameras, noise, wider, folds, kinds, solution.guess)
            except DegenerateViewsError:
                missing = "the views do not determine them beside the extrinsic"
            else:
                missing = _refuted(name, solution, validation, trial)
        if missing is None:
            freedom, validation, start = wider, trial, solution.guess
            reasons[name] = f"{words}: estimated"
        else:
            reasons[name] = f"{words}: not estimated, {missing}"
    return Selection(freedom, reasons, validation)


def _missing(name: str, views: list[BoardView]) -> str | None:
    if len(views) < _LEAST_VIEWS[name]:
        return f"at least {_LEAST_VIEWS[name]} views are needed, got {len(views)}"
    if name == "rings" and any(view.ring is None for view in views):
        return "the scans do not say which laser took a return"
    if name == "rings" and len(np.unique(np.concatenate([view.ring for view in views if view.ring is not None]))) < 2:
        return "the LiDAR has one laser"
    if name == "intensity" and any(view.intensity is None for view in views):
        return "the scans have no intensities"
    return None


def _refuted(name: str, solution: Solution, before: CrossValidation, after: CrossValidation) -> str | None:
    layout, rings = solution.layout, len(solution.basis.rings)
    columns = {
        "rings": np.r_[layout.biases][:rings],
        "intensity": np.r_[layout.biases][rings:],
        "intrinsics": np.concatenate(
            [np.r_[layout.intrinsics(index)][:4] for index in range(len(layout.intrinsic_counts))]
        ),
    }[name].astype(int)
    pulled = solution.pulled[columns]
    # A laser that hardly met the board stays near zero by its prior and does no harm, and so do higher distortions.
    known = np.median(pulled) if name == "rings" else pulled.max()
    if known > _MOST_PULLED:
        return f"the views say little about them (sigma {known:.2f} of the one before, {_MOST_PULLED} is needed)"
    costs = zip(before.held_out, after.held_out, strict=True)
    gains = np.array([old[0].cost - new[0].cost for old, new in costs if old and new])
    if len(gains) < 2:
        return "too few views can be left out"
    # Ranks, for gains have heavy tails: one view that fares badly hides what all others gain.
    if not (gains > 0).any() or wilcoxon(gains, alternative="greater").pvalue > _BY_CHANCE[name]:
        return "views that were left out are not explained better with them"
    return None
