"""Surfaces on octrees: a torus whose leaves are fine near it, and how manifold surfaces of random fields are."""

import time

import torch
from torch import Tensor

from benchmarks.record import Record, record
from splatkit.evaluation.mesh_topology import MeshTopology, measure_topology
from splatkit.isosurface.octree import Octree
from splatkit.isosurface.octree_surface import OctreeSurface, extract_octree

Params = dict[str, str | int]


def measure_octrees(quick: bool) -> list[Record]:
    """One thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    records = [*_measure_torus(*((8, 1, 3) if quick else (16, 3, 9))), *_measure_random(4 if quick else 200)]
    torch.set_num_threads(before)
    return records


def _torus(points: Tensor) -> Tensor:
    x, y, z = points.unbind(-1)
    return (((x**2 + z**2).sqrt() - 0.6) ** 2 + y**2).sqrt() - 0.25


def _measure_torus(coarsest: int, levels: int, repeats: int) -> list[Record]:
    """A step with all weights, as long as a fit keeps its octree."""
    start = time.perf_counter()
    octree = Octree.divide(
        coarsest, levels, lambda low, high: _torus((low + high) / 2).abs() <= (high - low).norm(dim=-1) / 2
    )
    divide_ms = (time.perf_counter() - start) * 1e3
    values, leaves = _torus(octree.points()).float(), len(octree.sizes)
    inputs = [x.requires_grad_() for x in (values, torch.ones(leaves, 8), torch.ones(leaves, 12), torch.ones(leaves))]
    times: dict[str, list[float]] = {"octree_forward": [], "octree_backward": []}
    for repeat in range(repeats + 1):
        start = time.perf_counter()
        surface = extract_octree(octree, *inputs, centers=True)
        middle = time.perf_counter()
        torch.autograd.grad(surface.vertices.sum() + surface.deviations.sum(), inputs)
        if repeat > 0:
            times["octree_forward"].append((middle - start) * 1e3)
            times["octree_backward"].append((time.perf_counter() - middle) * 1e3)
    params: Params = {"surface": "torus", "resolution": octree.resolution, "threads": 1, "clock": "wall"}
    return [
        record("octree_divide", params, "ms", [divide_ms]),
        *(record(name, params, "ms", found) for name, found in times.items()),
        record("octree_leaves_over_grid", params, "x", [leaves / octree.resolution**3]),
    ]


def _measure_random(count: int) -> list[Record]:
    """Neighboring leaves may differ by three levels, and every vertex of the octree has a sign of its own."""
    generator = torch.Generator().manual_seed(0)
    found: list[MeshTopology] = []
    for number in range(count):
        octree = Octree.divide(2 + number % 3, 3, lambda low, _: torch.rand(len(low), generator=generator) < 0.4)
        values = torch.randn(len(octree.vertices), generator=generator)
        surface: OctreeSurface = extract_octree(octree, torch.where(octree.on_border, values.abs(), values))
        found.append(measure_topology(surface.mesh))
    params: Params = {"fields": count, "resolution": "16 to 32"}
    edges = sum(t.non_manifold_edges + t.boundary_edges for t in found)
    return [
        record("octree_non_manifold_edges", params, "edges", [edges]),
        record("octree_non_manifold_vertices", params, "vertices", [sum(t.non_manifold_vertices for t in found)]),
    ]
