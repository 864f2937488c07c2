"""What stereo found, against the truth. Shares and relative errors are in percent."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.stereo.cases import Truth
from splatkit.evaluation.geometry import point_to_surface
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.triangles import TriangleMesh
from splatkit.stereo.carrying import ViewSurface

_WRONG = 0.05  # of the depth
_SURE = 0.5  # background that counts as such


def score_depths(
    depths: Sequence[NDArray[np.float32]], truths: Sequence[Truth], farthest: float = np.inf
) -> dict[str, float]:
    """How much of the surfaces has a depth, and how wrong these are, of all views together; and what was made up.

    Args:
        depths: [h, w] of each view, 0 where there is none.
        truths: of the same views.
        farthest: surfaces beyond it are not judged.
    """
    judged = errors_of(depths, truths, farthest)
    surface = sum(int(_judged(truth, farthest).sum()) for truth in truths)
    found = sum(int((found > 0).sum()) for found in depths)
    false = sum(int(((found > 0) & (truth.depths == 0)).sum()) for found, truth in zip(depths, truths, strict=True))
    return {
        "complete": _percent(len(judged), surface),
        "error_median": 100 * _percentile(judged, 50),
        "error_90": 100 * _percentile(judged, 90),
        "wrong": _percent(int((judged > _WRONG).sum()), len(judged)),
        "false": _percent(false, found),
    }


def errors_of(depths: Sequence[NDArray[np.float32]], truths: Sequence[Truth], farthest: float) -> NDArray[np.floating]:
    """Relative errors [K] of all depths of surfaces."""
    parts = []
    for found, truth in zip(depths, truths, strict=True):
        both = _judged(truth, farthest) & (found > 0)
        parts.append(np.abs(found[both] / truth.depths[both] - 1))
    return np.concatenate(parts)


def score_deviations(surfaces: Sequence[ViewSurface], truths: Sequence[Truth], farthest: float) -> dict[str, float]:
    """Errors in stated deviations: where these are right and errors normal, 1 and 1.96."""
    parts = []
    for found, truth in zip(surfaces, truths, strict=True):
        both = _judged(truth, farthest) & (found.depths > 0)
        parts.append(np.abs(found.depths[both] - truth.depths[both]) / found.sigmas[both])
    ratios = np.concatenate(parts)
    return {"deviations_68": _percentile(ratios, 68), "deviations_95": _percentile(ratios, 95)}


def score_normals(
    surfaces: Sequence[ViewSurface], truths: Sequence[Truth], cameras: Sequence[PosedCamera]
) -> dict[str, float]:
    """Degrees; nothing where the truth is not known."""
    parts = []
    for found, truth, posed in zip(surfaces, truths, cameras, strict=True):
        if truth.normals is None:
            return {}
        both = (truth.depths > 0) & (found.depths > 0)
        world = found.normals[both] @ posed.T_world_camera[:3, :3].T
        parts.append(np.degrees(np.arccos(np.clip((world * truth.normals[both]).sum(-1), -1, 1))))
    degrees = np.concatenate(parts)
    return {"normals_median": _percentile(degrees, 50), "normals_90": _percentile(degrees, 90)}


def score_background(surfaces: Sequence[ViewSurface], truths: Sequence[Truth]) -> dict[str, float]:
    """How much of what is nothing was found to be, and how much of what is something was kept."""
    background = np.concatenate([found.background.ravel() > _SURE for found in surfaces])
    nothing = np.concatenate([truth.depths.ravel() == 0 for truth in truths])
    return {
        "background_found": _percent(int((background & nothing).sum()), int(nothing.sum())),
        "surface_kept": _percent(int((~background & ~nothing).sum()), int((~nothing).sum())),
    }


def score_cloud(points: NDArray[np.floating], mesh: TriangleMesh) -> dict[str, float]:
    """Distances of points [N, 3] m to the true mesh, mm."""
    distances = 1e3 * point_to_surface(torch.from_numpy(points), mesh).numpy()
    return {"fused_median": _percentile(distances, 50), "fused_90": _percentile(distances, 90)}


def _judged(truth: Truth, farthest: float) -> NDArray[np.bool_]:
    return (truth.depths > 0) & (truth.depths < farthest)


def _percentile(values: NDArray[np.floating], percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("nan")


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")
