"""Photographs with poses to depths, normals and a cloud: the whole of dense stereo, resumable view by view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.camera import PosedCamera
from splatkit.io.transforms_json import Frame
from splatkit.ops import native_threads_only
from splatkit.progress import Progress, no_progress, track
from splatkit.stereo.background import SeenView, find_background, sky_confidence, up_of
from splatkit.stereo.carrying import ViewSurface, carry_back
from splatkit.stereo.depth_ranges import depth_ranges
from splatkit.stereo.judging import JudgedView, fill_from_coarse, judge_view, unless_by_chance
from splatkit.stereo.matching import ViewPlan, far_costs, match_views, view_agreement
from splatkit.stereo.passes import Pass
from splatkit.stereo.settings import StereoSettings
from splatkit.stereo.store import ViewStore
from splatkit.stereo.view_selection import ranked_neighbors, select_sources
from splatkit.stereo.visibility import Visibility, visibility_from_cloud, visibility_from_poses, visibility_from_tracks
from splatkit.stereo.working_views import working_camera

_AROUND, _AROUND_SCALE = 32, 4  # views that may see through another's background, and by how much they are reduced


@dataclass(frozen=True, eq=False)
class StereoInput:
    """Photographs to match; none that is held out for evaluation."""

    frames: Sequence[Frame]
    points: NDArray[np.floating] | None = None  # [M, 3] of the world
    observed: Sequence[NDArray[np.integer]] | None = None  # for each frame the points that it observed, where known


@dataclass(frozen=True, eq=False)
class DenseStereo:
    """What was found of each of N frames."""

    frames: Sequence[Frame]
    plan: ViewPlan
    _store: ViewStore

    @property
    def cameras(self) -> Sequence[PosedCamera]:
        """On which stereo worked."""
        return self._store.cameras

    def surface(self, view: int) -> ViewSurface:
        """By the pixels of the working camera; empty where the view could not be matched."""
        camera = self.cameras[view].camera
        size = (camera.height, camera.width)
        if not self.plan.sources[view]:
            empty = np.zeros(size, np.float32)
            return ViewSurface(empty, empty, np.zeros((*size, 3), np.float32), empty)
        background = self._store.arrays("background", view)["background"]
        return _surface(_judged(self._store, view), background)

    def colors(self, view: int) -> NDArray[np.uint8]:
        """[h, w, 3] of the working image."""
        return self._store.image(view).colors

    def photograph_surface(self, view: int) -> ViewSurface:
        """By the photograph's own pixels."""
        return carry_back(self.surface(view), self.cameras[view].camera, self.frames[view].camera)


def compute_stereo(
    given: StereoInput, settings: StereoSettings, work: Path, progress: Progress = no_progress
) -> DenseStereo:
    """Match every view with its best sources, and judge what comes of it.

    Args:
        given: photographs with poses.
        settings: see there.
        work: a folder for what is found on the way; one that holds some of the same is resumed.
        progress: shows how far it is.

    Raises:
        DatasetError: a photograph cannot be used, or no two of them see the same from different places.
    """
    cameras = [working_camera(frame, settings.longest_side) for frame in given.frames]
    plan = plan_views(given, cameras, settings)
    if not plan.matched:
        raise DatasetError(
            f"none of the {len(cameras)} photographs overlaps with another that was taken from a different place; "
            "stereo needs views whose rays to a surface differ by a degree or more"
        )
    store = ViewStore(work, given.frames, cameras)
    with native_threads_only():
        passes = match_views(store, plan, settings, progress)
        for view in track(plan.matched, "checking depths", progress, len(plan.matched)):
            if not store.has_arrays("judged", view):
                store.keep_arrays("judged", view, vars(_judge(store, plan, settings, view, passes)))
        _find_backgrounds(store, plan, settings, progress)
    return DenseStereo(given.frames, plan, store)


def plan_views(given: StereoInput, cameras: Sequence[PosedCamera], settings: StereoSettings) -> ViewPlan:
    """Which views are matched with which, and at what depths."""
    visibility = _visibility(given, cameras)
    sources = select_sources(visibility, cameras, settings.sources)
    neighbors = ranked_neighbors(visibility, cameras, settings.neighbors)
    return ViewPlan(sources, neighbors, depth_ranges(visibility, cameras, sources))


def _visibility(given: StereoInput, cameras: Sequence[PosedCamera]) -> Visibility:
    if given.points is None:
        return visibility_from_poses(cameras)
    if given.observed is None:
        return visibility_from_cloud(given.points, cameras)
    return visibility_from_tracks(given.points, given.observed, cameras)


def _judge(store: ViewStore, plan: ViewPlan, settings: StereoSettings, view: int, passes: Sequence[Pass]) -> JudgedView:
    """What is believed of a view, with gaps filled from the image of half its size; nothing if that is next to none."""
    judged = _judged_at(store, plan, settings, view, passes[-1])
    coarser = [stage for stage in passes if stage.scale == 2 * passes[-1].scale]
    if coarser:
        judged = fill_from_coarse(judged, _judged_at(store, plan, settings, view, coarser[-1]), 2)
    return unless_by_chance(judged, store.image(view).usable)


def _find_backgrounds(store: ViewStore, plan: ViewPlan, settings: StereoSettings, progress: Progress) -> None:
    """Keep the background of every view in the store."""

    def seen(view: int) -> SeenView:
        return SeenView(store.cameras[view], _judged(store, view).depths)

    matched = plan.matched
    up = up_of([store.cameras[view] for view in matched])
    around = {view: seen(view).reduced(_AROUND_SCALE) for view in matched[:: -(-len(matched) // _AROUND)]}
    confidence = sky_confidence(list(around.values()))
    for view in track(matched, "looking for the background", progress, len(matched)):
        if not store.has_arrays("background", view):
            others = [other for number, other in around.items() if number != view]
            costs = far_costs(store, plan, settings, view).numpy()
            background = find_background(store.image(view), seen(view), others, costs, up, confidence)
            store.keep_arrays("background", view, {"background": background})


def _surface(judged: JudgedView, background: NDArray[np.float32] | None = None) -> ViewSurface:
    nothing = np.zeros_like(judged.depths)
    return ViewSurface(judged.depths, judged.sigmas, judged.normals, nothing if background is None else background)


def _judged(store: ViewStore, view: int) -> JudgedView:
    return JudgedView(**store.arrays("judged", view))


def _judged_at(store: ViewStore, plan: ViewPlan, settings: StereoSettings, view: int, stage: Pass) -> JudgedView:
    found, agreement = view_agreement(store, plan, settings, view, stage)
    image = store.reduced_image(view, stage.scale)
    return judge_view(image, store.cameras[view].camera.reduced(stage.scale), found, agreement)
