"""What dense stereo costs: run in a process of its own, so that its memory is its own."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import cv2
import torch

from benchmarks.isosurface import forget_peak, memory_kib
from benchmarks.stereo.cases import read_case
from splatkit.stereo.dense_stereo import compute_stereo
from splatkit.stereo.fusion import fuse_views
from splatkit.stereo.settings import StereoSettings

SEED_POINTS = 100_000
PHASES = {
    "matching views": "matching",
    "checking depths": "checking",
    "looking for the background": "background",
    "fusing depths": "fusion",
}


@dataclass
class Costs:
    """Of one run with so many threads."""

    threads: int
    cpu_s: dict[str, float] = field(default_factory=dict)  # by PHASES
    wall_s: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0  # by which the process grew

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Take the times of a piece of work."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield lambda count: None
        self.cpu_s[PHASES[label]] = time.process_time() - cpu
        self.wall_s[PHASES[label]] = time.perf_counter() - wall


def run_apart(dataset: Path, work: Path, settings: StereoSettings, threads: int) -> Costs:
    """Stereo and fusion; what they find stays in the folder `work`."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own threads wait busily, and that would count
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_run, dataset, work, settings, threads).result()


def _run(dataset: Path, work: Path, settings: StereoSettings, threads: int) -> Costs:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    given, costs = read_case(dataset), Costs(threads)
    before = memory_kib("VmRSS")
    forget_peak()
    dense = compute_stereo(given, settings, work, costs.progress)
    fuse_views(dense, SEED_POINTS, costs.progress)
    costs.memory_mb = (memory_kib("VmHWM") - before) / 1024
    return costs
