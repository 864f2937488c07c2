"""A scene with LiDAR as a dataset on disk."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import CapturedFrame, CapturedScene, write_dataset
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.rig import Rig
from splatkit.capture.stereo.findings import StereoFindings, stereo_findings
from splatkit.capture.stereo.found_stereo import FoundStereo, PosedPhotographs, complete_cloud, with_stereo
from splatkit.capture.stereo.settings import MOST_POINTS
from splatkit.capture.stereo.summaries import ViewSummary
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, DepthMap
from splatkit.io.point_cloud import PointCloud
from splatkit.io.transforms_json import Frame, Transforms

_UNITS = ("units: m",)


@dataclass(frozen=True)
class PlacedPhotographs:
    """N photographs in the world that is written, m."""

    photographs: list[Photograph]
    T_world_camera: NDArray[np.float64]  # [N, 4, 4] x right, y down, z forward
    seed: PointCloud
    applied_transform: NDArray[np.float64]  # [4, 4] T_world_images
    splits: Mapping[str, tuple[str, ...]]  # "train", "val", "test" -> names of photographs
    origin: tuple[float, float, float] = AT_ORIGIN  # of the world, in that of the files


@dataclass(frozen=True)
class DepthSummary:
    """What a photograph's depth map holds."""

    name: str
    measured: int  # pixels
    median_m: float  # 0 without any
    median_sigma_m: float


@dataclass(frozen=True)
class WrittenDepths:
    """Of all photographs, in the order of their names."""

    summaries: tuple[DepthSummary, ...]
    left_out: int  # depths too large for the format
    stereo: StereoFindings | None = None


def write_lidar_dataset(
    folder: Path,
    placed: PlacedPhotographs,
    depths: Iterable[tuple[int, DepthMap]],
    rig: Rig,
    stereo: FoundStereo | None = None,
    most_points: int = MOST_POINTS,
) -> WrittenDepths:
    """Write photographs, depth maps, cloud and rig into a folder that exists; depth maps are taken one at a time.

    Args:
        folder: exists and is empty.
        placed: photographs in the world that is written.
        depths: number of a photograph, and what the LiDAR measured of it.
        rig: cameras beside the LiDAR.
        stereo: of the same photographs, by their names: it fills in between.
        most_points: of the seed cloud with what stereo adds to it.

    Raises:
        DatasetError, ValueError, OSError: see `write_dataset`.
    """
    summaries: list[DepthSummary] = []
    by_stereo: list[ViewSummary] = []

    def frames() -> Iterator[CapturedFrame]:
        for number, depth in depths:
            photo = placed.photographs[number]
            summaries.append(_summary(photo.name, depth))
            yield CapturedFrame(
                posed=PosedCamera(photo.name, photo.camera, placed.T_world_camera[number]),
                image=photo.path,
                mask=photo.mask,
                depth=DepthMap(depth.depths, depth.sigmas),
                rig_camera=rig.cameras[photo.mount].name,
                time=photo.time,
            )

    scene = CapturedScene(
        points=placed.seed if stereo is None else complete_cloud(placed.seed, stereo.cloud.dense, most_points),
        dense=None if stereo is None else stereo.cloud.dense,
        applied_transform=placed.applied_transform,
        rig=rig.cameras,
        splits=_kept_splits(placed) if stereo is None else stereo.splits,
        depth_unit=DEPTH_UNIT_M,
        comments=_UNITS,
        origin=placed.origin,
    )
    left_out = write_dataset(folder, with_stereo(frames(), stereo, by_stereo.append), scene).depths_left_out
    return WrittenDepths(
        tuple(sorted(summaries, key=lambda item: item.name)),
        left_out,
        None if stereo is None else stereo_findings(stereo, by_stereo, DEPTH_UNIT_M, left_out),
    )


def posed_photographs(placed: PlacedPhotographs) -> PosedPhotographs:
    """What stereo starts from."""
    frames = tuple(
        Frame(PosedCamera(photo.name, photo.camera, pose), photo.path, photo.mask)
        for photo, pose in zip(placed.photographs, placed.T_world_camera, strict=True)
    )
    return PosedPhotographs(Transforms(Path(), frames, splits=_kept_splits(placed)), placed.seed.points)


def _kept_splits(placed: PlacedPhotographs) -> dict[str, tuple[str, ...]]:
    kept = {photo.name for photo in placed.photographs}
    return {split: tuple(name for name in names if name in kept) for split, names in placed.splits.items()}


def _summary(name: str, depth: DepthMap) -> DepthSummary:
    there = depth.depths > 0
    if not there.any():
        return DepthSummary(name, 0, 0.0, 0.0)
    medians = float(np.median(depth.depths[there])), float(np.median(depth.sigmas[there]))
    return DepthSummary(name, int(there.sum()), *medians)
