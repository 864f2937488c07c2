"""Dense stereo of generated scenes: how much it finds, how right that is and what it costs, beside OpenCV's."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.record import Record, record
from benchmarks.stereo.cases import Case, Truth, make_case, read_case, read_truths
from benchmarks.stereo.peer import match_views
from benchmarks.stereo.scoring import (
    score_background,
    score_cloud,
    score_depths,
    score_deviations,
    score_normals,
)
from benchmarks.stereo.timing import PHASES, SEED_POINTS, Costs, run_apart
from splatkit.io.meshes import read_mesh
from splatkit.ops.stereo import WindowSettings, window_texture
from splatkit.stereo.dense_stereo import DenseStereo, compute_stereo
from splatkit.stereo.fusion import fuse_views
from splatkit.stereo.settings import StereoSettings

CASES = (Case("studio"), Case("pebbles"), Case("courtyard", farthest=30.0), Case("studio", defects=True))
PEER = "opencv_sgbm"
UNITS = {"deviations": "1", "normals": "deg", "fused": "mm"}  # by the first word; all else is in percent
_TEXTURED = 2.0  # variance of grays in a window
_WINDOW = WindowSettings(color_sigma=12.0, space_sigma=1e3)


def measure_stereo(data: Path | None, quick: bool) -> list[Record]:
    """Every case at 480x360 with 48 views, 6 of which are held out; quick: one scene, small."""
    cases, size = (CASES[:1], (160, 120, 10)) if quick else (CASES, (480, 360, 48))
    records = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            records += measure_case(case, Path(folder), *size)
    return records


def measure_case(case: Case, folder: Path, width: int, height: int, views: int) -> list[Record]:
    """Once with one thread, once with two: the bits are the same."""
    params: dict[str, str | int] = {"case": case.name, "width": width, "height": height, "views": views}
    settings = StereoSettings(longest_side=max(width, height))
    dataset = folder / "scene"
    make_case(case, dataset, width, height, views)
    costs = [run_apart(dataset, folder / f"work{threads}", settings, threads) for threads in (1, 2)]
    work = folder / "work1"
    dense = compute_stereo(read_case(dataset), settings, work)
    truths = read_truths(dataset, dense.frames)
    surfaces = [dense.surface(view) for view in range(len(dense.frames))]
    cloud = fuse_views(dense, SEED_POINTS).dense
    scores = {
        **score_depths([surface.depths for surface in surfaces], truths, case.farthest),
        **score_deviations(surfaces, truths, case.farthest),
        **score_normals(surfaces, truths, dense.cameras),
        **score_background(surfaces, truths),
        **score_cloud(cloud.points, read_mesh(dataset / "truth/mesh.ply")),
    }
    peers = measure_peer(dense, truths, case.farthest)
    records = [record(name, params, UNITS.get(name.split("_")[0], "%"), [value]) for name, value in scores.items()]
    records += cost_records(dense, costs, work, params)
    return [replace(entry, peers={PEER: peers[entry.name]} if entry.name in peers else {}) for entry in records]


def cost_records(dense: DenseStereo, costs: Sequence[Costs], work: Path, params: dict[str, str | int]) -> list[Record]:
    """Seconds by phase and by megapixel, and bytes."""
    views = dense.plan.matched
    pixels = sum(dense.cameras[view].camera.width * dense.cameras[view].camera.height for view in views)
    textured = sum(_textured_pixels(dense, view) for view in views)
    records = []
    for run in costs:
        threads = {**params, "threads": run.threads}
        stereo = sum(seconds for phase, seconds in run.cpu_s.items() if phase != "fusion")
        records += [
            record("cpu_s_per_megapixel", threads, "s", [1e6 * stereo / pixels]),
            record("cpu_s_per_textured_megapixel", threads, "s", [1e6 * stereo / textured]),
            record("memory_growth_mb", threads, "MB", [run.memory_mb]),
        ]
        for phase in PHASES.values():
            by_phase = {**threads, "phase": phase}
            records.append(record("phase_s", {**by_phase, "clock": "cpu"}, "s", [run.cpu_s[phase]]))
            records.append(record("phase_s", {**by_phase, "clock": "wall"}, "s", [run.wall_s[phase]]))
    one, two = (sum(run.wall_s.values()) for run in costs)
    last = max(work.glob("pass*"), key=lambda path: int(path.name.removeprefix("pass")))
    planes = sum(file.stat().st_size for file in last.iterdir())
    return [
        *records,
        record("speedup_of_two_threads", params, "1", [one / two]),
        record("bytes_per_pixel", params, "B", [planes / pixels]),
        record("megapixels", params, "1", [pixels / 1e6]),
        record("textured", params, "%", [100 * textured / pixels]),
    ]


def measure_peer(dense: DenseStereo, truths: Sequence[Truth], farthest: float) -> dict[str, float]:
    """The same figures of pairs, each the median over views, where there is any; all on one thread."""
    grays = [_gray(dense, view) for view in range(len(dense.frames))]
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    found = match_views(grays, dense.cameras, dense.plan.sources, dense.plan.depth_ranges)
    cv2.setNumThreads(before)
    scores = [
        {
            **score_depths([pair.depths], [truths[view]], farthest),
            "cpu_s_per_megapixel": 1e6 * pair.cpu_s / pair.depths.size,
        }
        for view, pair in found.items()
    ]
    columns = {name: np.array([score[name] for score in scores]) for name in (scores[0] if scores else {})}
    return {name: float(np.nanmedian(values)) for name, values in columns.items() if np.isfinite(values).any()}


def _gray(dense: DenseStereo, view: int) -> np.ndarray:
    return np.asarray(cv2.cvtColor(dense.colors(view), cv2.COLOR_RGB2GRAY), np.uint8)


def _textured_pixels(dense: DenseStereo, view: int) -> int:
    variances, _ = window_texture(torch.from_numpy(_gray(dense, view)), _TEXTURED, _WINDOW)
    return int((variances > _TEXTURED).sum())
