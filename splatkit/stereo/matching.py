"""Planes for every pixel of every view, pass by pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.ops.stereo import (
    Agreement,
    AgreementNeighbor,
    MatchedPlanes,
    MatchingSource,
    check_agreement,
    match_planes,
)
from splatkit.progress import Progress
from splatkit.stereo.passes import Pass, plan_passes, refine_planes
from splatkit.stereo.settings import StereoSettings
from splatkit.stereo.store import ViewStore

_SEED_STEP = 1_000_003  # between views
_INFINITY = 1e4  # times the farthest depth: no parallax is left


@dataclass(frozen=True, eq=False)
class ViewPlan:
    """Which of N views are matched with which."""

    sources: Sequence[Sequence[int]]  # [N] for matching, the best first; a view without any is left out
    neighbors: Sequence[Sequence[int]]  # [N] for comparing depths
    depth_ranges: NDArray[np.float64]  # [N, 2]

    @property
    def matched(self) -> list[int]:
        """Numbers of the views that have sources."""
        return [view for view, sources in enumerate(self.sources) if sources]


def match_views(store: ViewStore, plan: ViewPlan, settings: StereoSettings, progress: Progress) -> tuple[Pass, ...]:
    """All passes over all views, each result in the store; returns the passes.

    Kept are the results of the last pass at each of the two finest scales.
    """
    sides = [min(store.cameras[view].camera.width, store.cameras[view].camera.height) for view in plan.matched]
    passes = plan_passes(min(sides))
    kept = {stage.scale: stage for stage in passes}
    finest = [kept[scale] for scale in sorted(kept)[:2]]
    with progress("matching views", len(passes) * len(plan.matched)) as advance:
        for stage in passes:
            if not _is_over(store, plan, passes, stage):
                before = passes[stage.number - 1] if stage.number else None
                for view in plan.matched:
                    if not store.has_planes(view, stage):
                        store.keep_planes(view, stage, _match(store, plan, settings, view, stage, before))
                    advance(1)
                if before is not None and before not in finest:
                    store.forget(before)
            else:
                advance(len(plan.matched))
    return passes


def view_agreement(
    store: ViewStore, plan: ViewPlan, settings: StereoSettings, view: int, stage: Pass
) -> tuple[MatchedPlanes, Agreement]:
    """What a pass found of a view, and what its neighbors say of that."""
    found = store.planes(view, stage)
    neighbors = []
    for other in plan.neighbors[view]:
        if plan.sources[other]:
            planes = store.planes(other, stage)
            T = _relative(store, view, other)
            neighbors.append(AgreementNeighbor(planes.planes, planes.costs, store.K(other, stage.scale), T))
    return found, check_agreement(found.planes, store.K(view, stage.scale), neighbors, settings.agreement)


def _is_over(store: ViewStore, plan: ViewPlan, passes: Sequence[Pass], stage: Pass) -> bool:
    """Whether every view has the pass, or a later one, behind it."""
    return any(all(store.has_planes(view, later) for view in plan.matched) for later in passes[stage.number :])


def far_costs(store: ViewStore, plan: ViewPlan, settings: StereoSettings, view: int) -> Tensor:
    """Matching costs [h, w] of a view if everything was infinitely far away, at the scale of the images themselves."""
    grays, usable, _ = store.grays(view, 1)
    farthest = float(plan.depth_ranges[view, 1]) * _INFINITY
    planes = torch.zeros(*grays.shape, 3)
    planes[..., 2] = 2 / farthest
    sources = [_source(store, view, other, 1, None) for other in plan.sources[view]]
    K, depth_range = store.K(view, 1), (farthest / 4, farthest)
    return match_planes(planes, grays, usable, K, sources, depth_range, (), settings=settings.matching).costs


def _match(
    store: ViewStore, plan: ViewPlan, settings: StereoSettings, view: int, stage: Pass, before: Pass | None
) -> MatchedPlanes:
    grays, usable, _ = store.grays(view, stage.scale)
    height, width = grays.shape
    if before is None:
        start = torch.zeros(height, width, 3)
    else:
        start = store.planes(view, before).planes
        if before.scale != stage.scale:
            start = refine_planes(start, before.scale // stage.scale, height, width)
    compared = before if stage.geometric else None
    sources = [
        _source(store, view, other, stage.scale, compared if plan.sources[other] else None)
        for other in plan.sources[view]
    ]
    if stage.geometric:  # a source that was not matched itself has nothing to compare
        sources = [source if source.planes is not None else _without_planes(source) for source in sources]
    nearest, farthest = (float(depth) for depth in plan.depth_ranges[view])
    return match_planes(
        start,
        grays,
        usable,
        store.K(view, stage.scale),
        sources,
        (nearest, farthest),
        stage.sweeps,
        first_sweep=stage.first_sweep,
        seed=settings.seed + _SEED_STEP * (view + 1) + stage.scale,
        settings=settings.matching,
    )


def _source(store: ViewStore, view: int, other: int, scale: int, before: Pass | None) -> MatchingSource:
    planes = None
    if before is not None:
        planes = store.planes(other, before).planes
        if before.scale != scale:
            planes = refine_planes(planes, before.scale // scale, *store.grays(other, scale)[0].shape)
    return MatchingSource(store.grays(other, scale)[2], store.K(other, scale), _relative(store, view, other), planes)


def _without_planes(source: MatchingSource) -> MatchingSource:
    return source._replace(planes=torch.zeros(*source.packed.shape, 3))


def _relative(store: ViewStore, view: int, other: int) -> NDArray[np.float64]:
    """T_other_view [4, 4]."""
    return np.asarray(store.cameras[other].T_camera_world @ store.cameras[view].T_world_camera)
