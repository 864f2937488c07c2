"""Encodings of positions and surfaces of fields in the smoke run."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gpu_checks.comparison import Case, Finding, compare
from gpu_checks.splat_cases import randoms
from splatkit.ops.encodings import encode
from splatkit.ops.isosurface import SurfaceTopology, find_surface, surface_faces, surface_vertices, weights_in_range
from splatkit.reference import encodings as encodings_reference
from splatkit.reference import isosurface as surface_reference
from tests.encoding_cases import make_levels, make_settings, positions_off_faces, reference_levels
from tests.isosurface_cases import gyroid_field

POINTS = 100
ROUNDING = 5e-5  # float32 rounds the place in a cell; the most of the CPU is 1e-5
SURFACE_ROUNDING = 2e-4  # of crossings where alphas pull two values of all but equal size apart

_LATTICES = {"simplex": range(2, 9), "grid": range(2, 5)}  # and the dimensions that have kernels
_SURFACE = (
    "begin inside cells count scan scan_blocks add_blocks fill_cells fill_quads vertices centers zero quads_backward "
    "cells_backward sum faces"
)


def encoding(lattice: str, dims: int, interpolation: str, device: str) -> list[Finding]:
    """Features, first and second derivatives; gradients of the table also in sums that are always the same."""
    levels = make_levels(lattice, dims, num_levels=2)
    places, settings = reference_levels(levels), make_settings(levels, interpolation)
    inputs = (
        positions_off_faces(levels, POINTS, seed=1, margin=0.01),
        randoms(levels.entries, 2),
        randoms(POINTS, dims, seed=2),
    )
    v = randoms(POINTS, 2 * levels.num_levels, seed=3)

    def results(encoded: Any, inputs: Any) -> list[Tensor]:
        positions, table, tangents = (x.clone().requires_grad_() for x in inputs)
        features = encoded(positions, table)
        first = torch.autograd.grad(features, (positions, table), v.to(features), create_graph=True)
        second = torch.autograd.grad(first[0], table, tangents)
        return [features, *first, *second]

    expected = results(lambda x, t: encodings_reference.encode(x, t, places, lattice, interpolation), inputs)
    there = [x.to(device, torch.float32) for x in inputs]
    actual = results(lambda x, t: encode(x, t, settings), there)
    with deterministic():
        repeatable = results(lambda x, t: encode(x, t, settings), there)[2]
    names = ["d positions", "d table", "d table along tangents", "d table, deterministic"]
    return [
        *compare(["features"], actual[:1], expected[:1], ROUNDING),
        *compare(names, [*actual[1:], repeatable], [*expected[1:], expected[2]], ROUNDING),
        *(_half_tables(there, expected[0], settings) if (lattice, dims) == ("simplex", 3) else []),
    ]


def _half_tables(inputs: list[Tensor], expected: Tensor, settings: Any) -> list[Finding]:
    """Tables of half the memory: features as exact as their entries."""
    positions, table, _ = inputs
    kinds = {torch.float16: 2e-3, torch.bfloat16: 1e-2}
    return [
        finding
        for kind, most in kinds.items()
        for finding in compare([f"features, {kind}"], [encode(positions, table.to(kind), settings)], [expected], most)
    ]


@contextmanager
def deterministic() -> Iterator[None]:
    """Gradients of tables are summed in whole numbers inside."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def surface(device: str) -> list[Finding]:
    """Topology, vertices with all weights, gradients and faces of a gyroid over several blocks."""
    field = gyroid_field(7, 8, 70)
    there = field.to(device, torch.float32)
    topology, expected = find_surface(there), surface_reference.find_topology(field[0])
    differing = float(topology.cases.tolist() != expected.cases) + float(topology.quads.tolist() != expected.quads)
    if differing:
        return [Finding("topology", differing, 0)]
    rows, cells = topology.coordinates.cpu().double(), len(topology.cases)
    weights = {
        "values": field.reshape(-1)[topology.grid_vertices.cpu()],
        "points": torch.cat([rows + 0.2 * randoms(*rows.shape).clamp(-1, 1), randoms(len(rows), 2, seed=2)], -1),
        "alphas": 0.1 + randoms(cells, 8, seed=3).abs().clamp_max(1.9),
        "betas": 0.1 + randoms(cells, 12, seed=4).abs().clamp_max(1.9),
        "gammas": 0.1 + randoms(cells, seed=5).abs().clamp_max(1.9),
    }
    results = []
    for native in (False, True):
        leaves = {key: (x.to(there) if native else x.clone()).requires_grad_() for key, x in weights.items()}
        if native:
            out = surface_vertices(topology, **leaves, centers=True, deviations=True)
        else:
            vertices, uneven = surface_reference.find_vertices(expected, *list(leaves.values())[:4])
            centers = surface_reference.find_centers(expected, vertices, leaves["gammas"])
            out = torch.cat([vertices, centers]), uneven
        v = [randoms(*x.shape, seed=seed).to(x) for seed, x in enumerate(out)]
        results.append([*out, *torch.autograd.grad(out, list(leaves.values()), v)])
    names = ["vertices", "deviations", *(f"d {name}" for name in weights)]
    return [*compare(names, results[1], results[0], SURFACE_ROUNDING), _faces(topology, results[1][0].detach())]


def _faces(topology: SurfaceTopology, vertices: Tensor) -> Finding:
    """Whether the faces are those between the sides of quads and their centers."""
    quads, faces = topology.quads.long(), surface_faces(topology, vertices, centers=True)
    centers = (len(topology.vertex_cells) + torch.arange(len(quads), device=quads.device))[:, None].expand(-1, 4)
    expected = torch.stack([quads, quads.roll(-1, 1), centers], -1).reshape(-1, 3)
    wrong = not torch.equal(*(torch.unique(each.sort(1).values, dim=0) for each in (faces, expected)))
    return Finding("faces that are not between quads and their centers", float(wrong), 0)


def weight_ranges(device: str) -> list[Finding]:
    """Weights within bounds: 1 + 0.5 tanh(0.7 raw) of chosen rows."""
    raw, places, v = randoms(50, 8), torch.tensor([3, -1, 49, 0, 7]), randoms(5, 8, seed=2)
    leaf = raw.clone().requires_grad_()
    rows = torch.where((places >= 0)[:, None], leaf[places.clamp_min(0)], 0.0)
    expected = 1 + 0.5 * (0.7 * rows).tanh()
    native = raw.to(device, torch.float32).requires_grad_()
    actual = weights_in_range(native, 0.7, 0.5, 1.0, places.to(device))
    gradients = [torch.autograd.grad(x, y, v.to(x))[0] for x, y in ((actual, native), (expected, leaf))]
    return compare(["weights", "d raw"], [actual, gradients[0]], [expected, gradients[1]], ROUNDING)


def _encoding_case(lattice: str, dims: int, interpolation: str) -> Case:
    own = ("gather", "scatter", "pull", "largest", "count")
    kernels = {f"encoding_{name}_kernel<{dims}, {lattice == 'grid':d}>" for name in own}
    kernels |= {"encoding_zero_kernel", "encoding_total_kernel"}
    name = f"encoding {lattice} {dims}-D {interpolation}"
    return Case(name, frozenset(kernels), partial(encoding, lattice, dims, interpolation))


CASES = [
    *(_encoding_case(lattice, dims, "linear") for lattice, all_dims in _LATTICES.items() for dims in all_dims),
    *(_encoding_case(lattice, 3, "smooth") for lattice in _LATTICES),
    Case("surface", frozenset(f"surface_{name}_kernel" for name in _SURFACE.split()), surface),
    Case(
        "weights in range",
        frozenset({"range_values_kernel", "range_backward_kernel", "surface_zero_kernel"}),
        weight_ranges,
    ),
]
