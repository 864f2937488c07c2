"""Does the planner of blocks scale? `scripts/study.py blocks --out DIR [--quick]`.

A simulated city of 50 million points and 20 000 photographs, half of them taken in the streets and half from the air,
denser in its middle. Nothing is rendered and nothing trained: it is cut into cells by the counts of points, photographs
are given to cells by geometry, and costs are those that the estimates say.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.blocks.balance import CutScene, cut_scene
from splatkit.blocks.cells import Cell
from splatkit.blocks.estimates import estimate_block
from splatkit.blocks.geometric_views import views_by_area
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.json_files import write_json
from splatkit.memory import peak_memory_mb

_SIDE_M, _STREET_EVERY_M, _HEIGHT_M, _VOXEL_M = 4000.0, 100.0, 60.0, 8.0
_CHUNK = 1_000_000  # points that are simulated together
_STEPS_A_VIEW = 100  # of the run that the blocks stand for
_CAMERA = Camera("pinhole", 4000, 3000, 3000.0, 3000.0, 2000.0, 1500.0)


def main(out: Path, quick: bool = False, cells: int = 256, seed: int = 0) -> None:
    """Simulate, plan, and write blocks.json.

    Args:
        out: folder of the results.
        quick: a hundredth of it, that only shows that the study works.
        cells: how many the city is cut into.
        seed: of the city.
    """
    scale = 100 if quick else 1
    points, photographs, count = 50_000_000 // scale, 20_000 // scale, max(2, cells // scale)
    generator = np.random.default_rng(seed)
    started = time.perf_counter()
    centers, counts = count_in_voxels(simulate_points(points, generator))
    simulated_s = time.perf_counter() - started
    cameras = simulate_cameras(photographs, generator)
    started, cpu = time.perf_counter(), time.process_time()
    cut = plan_city(centers, counts, cameras, count)
    record = {
        "points": points,
        "photographs": photographs,
        "cells": count,
        "voxels": len(centers),
        "simulate_s": simulated_s,
        "plan_s": time.perf_counter() - started,
        "plan_cpu_s": time.process_time() - cpu,
        "peak_mb": peak_memory_mb(),
        "largest_over_mean": cut.balance,
        "views": [int(cut.views.sum(1).min()), int(np.median(cut.views.sum(1))), int(cut.views.sum(1).max())],
        "photographs_unused": int((~cut.views.any(0)).sum()),
        "cells_a_photograph": float(cut.views.sum(0).mean()),
        "block_cpu_hours": [float(value) / 3600 for value in (cut.costs.min(), cut.costs.mean(), cut.costs.max())],
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "blocks.json", record)
    for name, value in record.items():
        print(f"{name}: {value}")


def simulate_points(count: int, generator: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Points [M, 3] on streets and facades, by the million."""
    left = count
    while left > 0:
        some = min(left, _CHUNK)
        ground = _places(some, generator)
        height = generator.random(some) * _HEIGHT_M * np.exp(-np.linalg.norm(ground, axis=1) / _SIDE_M * 3)
        on_street = generator.random(some) < 0.4
        yield np.column_stack([ground, np.where(on_street, 0.0, height)]).astype(np.float32)
        left -= some


def _places(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """[M, 2] m: half of them around the middle."""
    spread = np.where(generator.random(count)[:, None] < 0.5, 0.15, 0.5) * _SIDE_M
    return np.clip(generator.normal(size=(count, 2)) * spread / 2, -_SIDE_M / 2, _SIDE_M / 2 - 1e-3)


def count_in_voxels(chunks: Iterator[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centers [V, 3] of voxels that hold points, and how many they hold [V]."""
    across, up = int(_SIDE_M / _VOXEL_M), int(_HEIGHT_M / _VOXEL_M) + 1
    counts = np.zeros(across * across * up, dtype=np.int64)
    for points in chunks:
        x, y = ((points[:, :2] + _SIDE_M / 2) / _VOXEL_M).astype(np.int64).clip(0, across - 1).T
        z = (points[:, 2] / _VOXEL_M).astype(np.int64)
        counts += np.bincount((x * across + y) * up + z, minlength=len(counts))
    held = np.flatnonzero(counts)
    grid = np.stack(np.unravel_index(held, (across, across, up)), -1)
    centers = (grid + 0.5) * _VOXEL_M - (_SIDE_M / 2, _SIDE_M / 2, 0.0)
    return centers, counts[held].astype(np.float64)


def simulate_cameras(count: int, generator: np.random.Generator) -> list[PosedCamera]:
    """Half along streets, level; half from 120 m above, looking down by 45 to 90 degrees."""
    places, headings = _places(count, generator), generator.uniform(0, 2 * np.pi, count)
    in_street = np.arange(count) % 2 == 0
    places[in_street, 0] = np.round(places[in_street, 0] / _STREET_EVERY_M) * _STREET_EVERY_M
    down = np.where(in_street, 0.0, generator.uniform(np.pi / 4, np.pi / 2, count))
    return [
        _camera(f"{i:05d}", place, 2.0 if street else 120.0, heading, angle)
        for i, (place, street, heading, angle) in enumerate(zip(places, in_street, headings, down, strict=True))
    ]


def _camera(name: str, place: NDArray[np.float64], height: float, heading: float, down: float) -> PosedCamera:
    forward = np.array([np.cos(heading) * np.cos(down), np.sin(heading) * np.cos(down), -np.sin(down)])
    right = np.array([np.sin(heading), -np.cos(heading), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = [*place, height]
    return PosedCamera(name, _CAMERA, pose)


def plan_city(
    centers: NDArray[np.float64], counts: NDArray[np.float64], cameras: Sequence[PosedCamera], cells: int
) -> CutScene:
    """What `splatkit blocks plan` does between the coarse run and writing the plan."""
    megapixels = _CAMERA.width * _CAMERA.height / 1e6

    def cost_of(cut: Sequence[Cell], labels: NDArray[np.int64], views: NDArray[np.bool_]) -> NDArray[np.float64]:
        splats = np.bincount(labels, counts, len(cut)).astype(np.int64)
        pairs = zip(splats.tolist(), views.sum(1).tolist(), strict=True)
        estimates = [estimate_block(_STEPS_A_VIEW * seen, seen, megapixels, n, len(centers)) for n, seen in pairs]
        return np.array([estimate.cpu_s for estimate in estimates])

    return cut_scene(centers, counts, cells, lambda cut: views_by_area(cut, cameras), cost_of)
