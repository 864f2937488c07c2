"""Stereo of a dataset's photographs: those that train are compared, those that are held out are not looked at."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.capture.dataset import CapturedFrame
from splatkit.capture.free_space import require_free
from splatkit.capture.stereo.effort import Effort, choose_effort
from splatkit.capture.stereo.maps import add_surface, choose_depth_unit
from splatkit.capture.stereo.settings import AskedStereo, Level
from splatkit.capture.stereo.summaries import ViewSummary, summarize_view
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError
from splatkit.io.point_cloud import PointCloud
from splatkit.io.provenance import hash_files
from splatkit.io.splits import held_out_names, split_frames
from splatkit.io.transforms_json import Frame, Transforms
from splatkit.progress import Progress, track
from splatkit.stereo.carrying import ViewSurface
from splatkit.stereo.dense_stereo import DenseStereo, StereoInput, compute_stereo
from splatkit.stereo.fusion import FusedCloud, fuse_views
from splatkit.stereo.settings import LEVELS, StereoSettings

_SAMPLED = 100_000  # depths of a view that say in which unit they are stored
_WORK_BYTES, _MAP_BYTES = 70, 8  # a pixel that is compared, and a pixel of a photograph
_GAP = 4.0  # times the spacing of a measured cloud: where points of stereo are added to it


@dataclass(frozen=True, eq=False)
class PosedPhotographs:
    """All photographs of a dataset."""

    transforms: Transforms  # frames, and which of them are held out
    points: NDArray[np.floating] | None = None  # [M, 3] in the frame of the poses
    observed: Mapping[str, NDArray[np.integer]] = field(default_factory=dict)  # by `file_path`; empty: not known

    @property
    def training(self) -> list[Frame]:
        """Those that are not held out."""
        held_out = held_out_names(self.transforms)
        return [frame for frame in self.transforms.frames if frame.file_path not in held_out]

    @property
    def splits(self) -> dict[str, tuple[str, ...]]:
        """Of all three kinds, as training will see them."""
        return {
            split: tuple(frame.file_path for frame in frames) for split, frames in split_frames(self.transforms).items()
        }


@dataclass(frozen=True, eq=False)
class FoundStereo:
    """What stereo found of the photographs that train."""

    effort: Effort
    dense: DenseStereo
    cloud: FusedCloud
    splits: Mapping[str, tuple[str, ...]]  # "train", "val", "test" -> file_path; what stereo saw and what it did not
    depth_unit: float  # in units of the poses
    cpu_s: float  # of this process; an interrupted run took some before

    def surface(self, name: str) -> ViewSurface | None:
        """By the pixels of the photograph; None where it is held out or could not be matched."""
        view = self._numbers.get(name)
        return None if view is None else self.dense.photograph_surface(view)

    def why_without(self, name: str) -> str:
        """In words, of a photograph without a surface."""
        known = {frame.file_path for frame in self.dense.frames}
        return "no other one overlaps" if name in known else "held out"

    @property
    def _numbers(self) -> dict[str, int]:
        return {self.dense.frames[view].file_path: view for view in self.dense.plan.matched}


def find_stereo(
    photographs: PosedPhotographs, asked: Level | None, most_points: int, work: WorkFolder, progress: Progress
) -> FoundStereo:
    """Compare the photographs that train, and fuse what comes of it; goes on where an interrupted run was.

    Args:
        photographs: all of a dataset.
        asked: how large they are compared; None: see `choose_effort`.
        most_points: of the thinned cloud.
        work: where results of views are kept.
        progress: shows how far it is.

    Raises:
        DatasetError: a photograph cannot be used, or no two of them see the same from different places.
    """
    started = time.process_time()
    frames = photographs.training
    effort = choose_effort(frames, asked)
    require_free(work.out, _needed_bytes(frames, effort))
    settings = StereoSettings(longest_side=LEVELS[effort.level])
    observed = [photographs.observed[frame.file_path] for frame in frames] if photographs.observed else None
    folder = work.stage("stereo", _depends_on(photographs, settings, effort.label, progress))
    dense = compute_stereo(StereoInput(frames, photographs.points, observed), settings, folder, progress)
    cloud = fuse_views(dense, most_points, progress)
    unit = choose_depth_unit(*_sampled_depths(dense))
    return FoundStereo(effort, dense, cloud, photographs.splits, unit, time.process_time() - started)


def stereo_if_possible(
    photographs: PosedPhotographs, asked: AskedStereo, most_points: int, work: WorkFolder, progress: Progress
) -> tuple[FoundStereo | None, tuple[str, ...]]:
    """See `find_stereo`; None where it is off, and with a warning where it cannot be done."""
    if asked == "off":
        return None, ()
    try:
        level = None if asked == "auto" else asked
        return find_stereo(photographs, level, most_points, work, progress), ()
    except DatasetError as error:
        return None, (f"no depths by stereo: {error}; --stereo off does without",)


def with_stereo(
    frames: Iterable[CapturedFrame], found: FoundStereo | None, note: Callable[[ViewSummary], None]
) -> Iterator[CapturedFrame]:
    """Frames with what stereo found of each, by its name; `note` is told of every one."""
    if found is None:
        yield from frames
        return
    for frame in frames:
        surface = found.surface(frame.name)
        if surface is None:
            note(ViewSummary(frame.name, found.why_without(frame.name)))
            yield frame
        else:
            note(summarize_view(frame.name, surface))
            yield add_surface(frame, surface)


def complete_cloud(measured: PointCloud, fused: PointCloud, most_points: int) -> PointCloud:
    """A measured cloud with colors and normals, and points of stereo where it has gaps; at most so many together.

    A point lies in a gap where the next measured one is more than four times as far as measured points mostly are from
    each other. More of these than there is room for are thinned evenly.
    """
    tree = cKDTree(measured.points)
    spacing = float(np.median(tree.query(measured.points, k=2, workers=-1)[0][:, -1]))
    added = np.flatnonzero(tree.query(fused.points, workers=-1)[0] > _GAP * spacing)
    room = max(most_points - len(measured.points), 0)
    if len(added) > room:
        added = added[np.arange(room) * len(added) // max(room, 1)]

    def joined(name: str) -> NDArray:
        return np.concatenate([getattr(measured, name), getattr(fused, name)[added]])

    return PointCloud(joined("points"), joined("colors"), joined("normals"))


def _needed_bytes(frames: Sequence[Frame], effort: Effort) -> float:
    """What is kept on the way and what is written in the end, beside the photographs."""
    pixels = sum(frame.camera.width * frame.camera.height for frame in frames)
    return _WORK_BYTES * 1e6 * effort.megapixels + _MAP_BYTES * pixels


def _depends_on(
    photographs: PosedPhotographs, settings: StereoSettings, label: str, progress: Progress
) -> list[object]:
    """All that the result depends on, as JSON has it."""
    frames = photographs.training
    files = [path for frame in frames for path in (frame.image_path, frame.mask_path) if path is not None]
    hashes = [source.sha256 for path in track(files, label, progress, len(files)) for source in hash_files([path])]
    lenses = [[asdict(frame.camera), frame.T_world_camera.tolist(), frame.mask_path is None] for frame in frames]
    arrays = [photographs.points, *photographs.observed.values()]
    clouds = [_hash(array) for array in arrays if array is not None]
    return [hashes, lenses, clouds, asdict(settings)]


def _hash(array: NDArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _sampled_depths(dense: DenseStereo) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Some depths and their deviations, the farthest of each view among them."""
    depths, sigmas = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for view in dense.plan.matched:
        surface = dense.surface(view)
        there = surface.depths > 0
        order = np.argsort(surface.depths[there])[:: -max(1, int(there.sum()) // _SAMPLED)]
        depths.append(surface.depths[there][order])
        sigmas.append(surface.sigmas[there][order])
    return np.concatenate(depths), np.concatenate(sigmas)
