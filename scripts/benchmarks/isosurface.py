"""Isosurfaces: FlexiCubes with all its weights, forward and backward, beside scikit-image's marching cubes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from skimage.measure import marching_cubes
from torch import Tensor

from benchmarks.octree import measure_octrees
from benchmarks.record import Record, record
from splatkit.evaluation.geometry import signed_distances
from splatkit.io.meshes import read_mesh
from splatkit.isosurface import FlexiCubes
from splatkit.ops import native_threads_only

_HALF = 0.9  # of the longest side of a real mesh in the box [-1, 1]^3
_CELL_BYTES = 4 * 21  # of dense weights in float32

Params = dict[str, str | int]


def make_field(surface: str, resolution: int, data: Path | None) -> Tensor:
    """[R + 1, R + 1, R + 1] float32 values of a torus, a gyroid with 4 periods, or the mesh `block`."""
    axis = torch.linspace(-1, 1, resolution + 1)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    if surface == "torus":
        return (((x**2 + z**2).sqrt() - 0.6) ** 2 + y**2).sqrt() - 0.25
    if surface == "gyroid":
        x, y, z = (4 * torch.pi * c for c in (x, y, z))
        return x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()
    assert data is not None
    mesh = read_mesh(data / "meshes/block.obj")
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    scale = 2 * _HALF / float((high - low).max())
    points = torch.stack([x, y, z], -1).reshape(-1, 3).numpy() / scale + (low + high) / 2
    return (signed_distances(torch.from_numpy(points), mesh) * scale).float().reshape(x.shape)


def measure_isosurface(data: Path | None, quick: bool) -> list[Record]:
    """All surfaces, resolutions and threads. Quick: one small case."""
    surfaces = ["torus", "gyroid", *(["block"] if data is not None else [])]
    cases = [(s, r) for s in surfaces for r in (32, 64, 128, 256)] if not quick else [("torus", 24)]
    before = torch.get_num_threads()
    records = []
    for surface, resolution in cases:
        field = make_field(surface, resolution, data)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            records += _measure_case(surface, field, threads, repeats=3 if quick or resolution > 200 else 9)
        if surface != "block":  # the process that measures memory makes its own field
            records.append(_measure_memory(surface, resolution))
    if not quick:
        records.append(_measure_memory("torus", 512))
    torch.set_num_threads(before)
    return [*records, *measure_octrees(quick)]


def _measure_memory(surface: str, resolution: int) -> Record:
    params: Params = {"surface": surface, "resolution": resolution, "threads": 1}
    return record("peak_memory_mb", params, "MB", [peak_memory(surface, resolution)])


def _measure_case(surface: str, field: Tensor, threads: int, repeats: int) -> list[Record]:
    """Wall times of calls in turn, so that noise meets all; the first round is dropped."""
    values, resolution = field.numpy(), field.shape[0] - 1
    step = Step(field)
    times: dict[str, list[float]] = {"forward": [], "backward": [], "extract": [], "marching_cubes": []}
    calls: dict[str, Callable[[], Any]] = {
        "forward": step.forward,
        "backward": step.backward,
        "extract": step.extract,
        "marching_cubes": lambda: marching_cubes(values, 0.0),
    }
    with native_threads_only():  # as in training
        for repeat in range(repeats + 1):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                if repeat > 0:
                    times[name].append((time.perf_counter() - start) * 1e3)
    params: Params = {"surface": surface, "resolution": resolution, "threads": threads, "clock": "wall"}
    peer = times.pop("marching_cubes")
    peers = {"scikit-image marching cubes": sorted(peer)[len(peer) // 2]}
    records = [Record(**{**vars(record(name, params, "ms", found)), "peers": peers}) for name, found in times.items()]
    ratios = [mine / theirs for mine, theirs in zip(times["forward"], peer, strict=True)]
    share = step.parameter_bytes() / (_CELL_BYTES * resolution**3)
    return [
        *records,
        record("forward_over_marching_cubes", params, "x", ratios),
        record("parameters_over_dense", params, "x", [share]),
    ]


class Step:
    """A training step's parts: forward with deformation, weights, centers and deviations; then all gradients."""

    def __init__(self, field: Tensor) -> None:
        self.cubes = FlexiCubes(field.shape[0] - 1)
        self.field = field.clone().requires_grad_()
        self.forward()
        for parameter in self.cubes.parameters():
            torch.nn.init.normal_(parameter, std=0.1)

    def forward(self) -> None:
        """Training form: vertices, centers, deviations, faces."""
        self.surface = self.cubes(self.field)

    def backward(self) -> None:
        """Gradients of the field and of all weights."""
        surface, leaves = self.surface, [self.field, *self.cubes.parameters()]
        torch.autograd.grad(
            [surface.vertices, surface.deviations],
            leaves,
            [torch.ones_like(surface.vertices), torch.ones_like(surface.deviations)],
            retain_graph=True,
        )

    @torch.no_grad()
    def extract(self) -> None:
        """Final form, without gradients: what marching cubes gives."""
        self.cubes.eval()
        self.cubes(self.field)
        self.cubes.train()

    def parameter_bytes(self) -> int:
        """Of the sparse parameters and their keys."""
        return sum(x.numel() * x.element_size() for x in [*self.cubes.parameters(), *self.cubes.buffers()])


def peak_memory(surface: str, resolution: int) -> float:
    """Growth in MB of a fresh process's memory by one step forward and backward, the field's gradient included."""
    command = [sys.executable, "-c", f"from benchmarks.isosurface import grow; grow({surface!r}, {resolution})"]
    folder = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def grow(surface: str, resolution: int) -> None:
    """Print by how many MB the largest memory of this process grows in one step."""
    torch.set_num_threads(1)
    Step(make_field("torus", 16, None)).backward()  # what libraries take once
    field = make_field(surface, resolution, None)
    before = memory_kib("VmRSS")
    forget_peak()
    step = Step(field)
    step.backward()
    print((memory_kib("VmHWM") - before) / 1024)


def forget_peak() -> None:
    """Let the system forget the largest memory of this process so far."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_kib(name: str) -> int:
    """Of this process: VmRSS is what it takes now, VmHWM the most that it took."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
