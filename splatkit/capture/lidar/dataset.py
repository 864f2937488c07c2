"""A scene with LiDAR as a dataset on disk."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import CapturedFrame, CapturedScene, write_dataset
from splatkit.capture.lidar.photographs import Photograph
from splatkit.capture.lidar.rig import Rig
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.local_origin import AT_ORIGIN
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, DepthMap
from splatkit.io.point_cloud import PointCloud

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


def write_lidar_dataset(
    folder: Path, placed: PlacedPhotographs, depths: Iterable[tuple[int, DepthMap]], rig: Rig
) -> WrittenDepths:
    """Write photographs, depth maps, cloud and rig into a folder that exists; depth maps are taken one at a time.

    Raises:
        DatasetError, ValueError, OSError: see `write_dataset`.
    """
    summaries: list[DepthSummary] = []

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

    kept = {photo.name for photo in placed.photographs}
    scene = CapturedScene(
        points=placed.seed,
        applied_transform=placed.applied_transform,
        rig=rig.cameras,
        splits={split: tuple(name for name in names if name in kept) for split, names in placed.splits.items()},
        depth_unit=DEPTH_UNIT_M,
        comments=_UNITS,
        origin=placed.origin,
    )
    written = write_dataset(folder, frames(), scene)
    return WrittenDepths(tuple(sorted(summaries, key=lambda item: item.name)), written.depths_left_out)


def _summary(name: str, depth: DepthMap) -> DepthSummary:
    there = depth.depths > 0
    if not there.any():
        return DepthSummary(name, 0, 0.0, 0.0)
    medians = float(np.median(depth.depths[there])), float(np.median(depth.sigmas[there]))
    return DepthSummary(name, int(there.sum()), *medians)
