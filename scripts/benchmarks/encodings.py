"""Encodings: look-ups and their gradients on simplices, cubes, in plain torch, and by nerfstudio's HashEncoding."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import Record, record
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.hash_encoding import Lattice
from splatkit.reference import encodings as reference

_SAMPLES = 64  # of a ray
_MAX_RES = {2: 2048, 3: 2048, 4: 512}
_TORCH_SHARE = 16  # the torch definition gets a sixteenth of the points: it is some thirty times as slow

Params = dict[str, str | int]


def make_points(count: int, dims: int, order: str) -> Tensor:
    """[count, dims] in the unit cube, independent of each other, or as samples of rays between two random points."""
    generator = torch.Generator().manual_seed(0)
    if order == "random":
        return torch.rand(count, dims, generator=generator)
    start, end = torch.rand(2, count // _SAMPLES, 1, dims, generator=generator)
    return (start + (end - start) * torch.linspace(0, 1, _SAMPLES)[None, :, None]).reshape(count, dims)


def make_encoding(lattice: Lattice, dims: int, log2_hashmap_size: int, dtype: torch.dtype) -> SimplexHashEncoding:
    """16 levels of 2 features, 16 to 2048 cells (4-D: to 512), the coarse levels dense."""
    generator = torch.Generator().manual_seed(0)
    return SimplexHashEncoding(
        dims, 16, 16, _MAX_RES[dims], log2_hashmap_size, lattice=lattice, dtype=dtype, generator=generator
    )


def measure_encodings(data: Path | None, quick: bool) -> list[Record]:
    """All lattices, sizes, orders of points, threads; the peers; training steps. Quick: one small case of each."""
    count = 1 << (13 if quick else 18)
    cases: list[tuple[int, int, str, int, torch.dtype]] = [(3, 19, "random", 1, torch.float32)]
    if not quick:
        cases += [(3, 19, "rays", 1, torch.float32), (3, 19, "random", 2, torch.float32)]
        cases += [(3, size, order, 1, torch.float32) for size in (17, 21) for order in ("random", "rays")]
        cases += [(2, 19, "random", 1, torch.float32), (4, 19, "random", 1, torch.float32)]
        cases += [(3, 19, "random", 1, torch.bfloat16), (3, 19, "random", 1, torch.float16)]
    before = torch.get_num_threads()
    records = []
    for case in cases:
        records += _measure_case(count, *case, repeats=3)
    torch.set_num_threads(1)
    records += _measure_torch(count, 3)
    torch.set_num_threads(before)
    if data is not None:
        from benchmarks.ray_steps import measure_ray_steps  # takes seconds to import

        records += measure_ray_steps(data / "fox_tiny", quick)
    return records


def _rates(count: int, repeats: int, calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Million points a second of CPU time of each call, in turn so that noise meets all; the first round is dropped.

    CPU time of all threads, times their number: with one thread busy all the time it is the wall time.
    """
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            spent = max(time.process_time() - start, 1e-9)
            if repeat > 0:
                rates[name].append(torch.get_num_threads() * count / spent / 1e6)
    return rates


def _measure_case(
    count: int, dims: int, log2_hashmap_size: int, order: str, threads: int, dtype: torch.dtype, repeats: int
) -> list[Record]:
    torch.set_num_threads(threads)
    points = make_points(count, dims, order)
    lattices: tuple[Lattice, ...] = ("simplex", "grid")
    calls: dict[str, Callable[[], Any]] = {}
    for lattice in lattices:
        calls |= _calls(make_encoding(lattice, dims, log2_hashmap_size, dtype), points)
    rates = _rates(count, repeats, calls)
    params: Params = {
        "dims": dims,
        "threads": threads,
        "log2_hashmap_size": log2_hashmap_size,
        "points": order,
        "dtype": str(dtype).removeprefix("torch."),
        "clock": "cpu",
    }
    records = [record(name, params, "Mpts/s", values) for name, values in rates.items()]
    pairs = zip(rates["forward_backward/simplex"], rates["forward_backward/grid"], strict=True)
    return [*records, record("speedup/simplex_over_grid", params, "x", [mine / grid for mine, grid in pairs])]


def _calls(encoding: SimplexHashEncoding, points: Tensor) -> dict[str, Callable[[], Any]]:
    """Forward; backward to the table alone; both; with positions too; and an eikonal loss's double backward."""
    lattice, table = encoding.levels.lattice, encoding.hash_table
    leaf = points.clone().requires_grad_()
    features = encoding(points)
    v = torch.ones_like(features)
    kept = encoding(points)
    slope_features = encoding(leaf)
    (slope,) = torch.autograd.grad(slope_features, leaf, v.requires_grad_(), create_graph=True)
    v_slope = torch.ones_like(slope)

    def forward() -> Tensor:
        with torch.no_grad():
            return encoding(points)

    return {
        f"forward/{lattice}": forward,
        f"backward/{lattice}": lambda: torch.autograd.grad(kept, table, v.detach(), retain_graph=True),
        f"forward_backward/{lattice}": lambda: torch.autograd.grad(encoding(points), table, v.detach()),
        f"forward_backward_input/{lattice}": lambda: torch.autograd.grad(encoding(leaf), (leaf, table), v.detach()),
        f"double_backward/{lattice}": lambda: torch.autograd.grad(slope, (table, v), v_slope, retain_graph=True),
    }


def _measure_torch(count: int, repeats: int) -> list[Record]:
    """Forward + backward against the torch definition and nerfstudio's HashEncoding, on one thread in the same run."""
    from nerfstudio.field_components.encodings import HashEncoding  # takes seconds to import

    records = []
    few = count // _TORCH_SHARE
    points = make_points(count, 3, "random")
    host = HashEncoding(16, 16, 2048, 19, 2, implementation="torch")
    lattices: tuple[Lattice, ...] = ("simplex", "grid")
    for lattice in lattices:
        encoding = make_encoding(lattice, 3, 19, torch.float32)
        levels, table = encoding.levels, encoding.hash_table
        places = reference.Levels(levels.scales, levels.offsets, levels.sizes, levels.moduli, levels.steps)

        def native(encoding: SimplexHashEncoding = encoding) -> None:
            features = encoding(points)
            torch.autograd.grad(features, encoding.hash_table, torch.ones_like(features))

        def plain(table: Tensor = table, places: Any = places, lattice: str = lattice) -> None:
            features = reference.encode(points[:few], table, places, lattice)
            torch.autograd.grad(features, table, torch.ones_like(features))

        def nerfstudio() -> None:
            features = host(points[:few])
            torch.autograd.grad(features, host.hash_table, torch.ones_like(features))

        rates = _rates(count, repeats, {"native": native, "torch": plain, "nerfstudio": nerfstudio})
        # These two did a share of the points.
        peers = {name: sorted(rates[name])[len(rates[name]) // 2] / _TORCH_SHARE for name in ("torch", "nerfstudio")}
        params: Params = {
            "dims": 3,
            "threads": 1,
            "log2_hashmap_size": 19,
            "points": "random",
            "dtype": "float32",
            "lattice": lattice,
        }
        pairs = zip(rates["native"], rates["torch"], strict=True)
        mine = record("speedup/native_over_torch", params, "x", [a / b * _TORCH_SHARE for a, b in pairs])
        records.append(Record(**{**vars(mine), "peers": peers}))
    return records
