"""Rendering of a seeded cloud of splats: whole frames, single phases, and cost per contributing pair."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import Record, record
from benchmarks.splat_sets import SH_DEGREE, Cloud, make_cloud, make_seeded
from benchmarks.torch_compositor import composite, count_pairs
from splatkit import ops
from splatkit.ops import TileLists
from splatkit.splatting.rendering import render_splats


class Clock:
    """Milliseconds of repeated calls: CPU time of all threads, and wall."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def measure(self, call: Callable[..., Any]) -> Any:
        """Run once and keep the time."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = call()
        self.cpu.append(1e3 * (time.process_time() - cpu))
        self.wall.append(1e3 * (time.perf_counter() - wall))
        return result


def measure_splatting(data: Path | None, quick: bool) -> list[Record]:
    """Splats at three counts and image sizes, on one and two threads; quick: the smallest alone.

    The sets are `cloud`, and the seeds of the generated `studio` and, where `data` holds it, of `fox`.
    """
    counts = [10_000] if quick else [10_000, 100_000, 1_000_000]
    sizes = [(480, 270)] if quick else [(480, 270), (960, 540), (1920, 1080)]
    before = torch.get_num_threads()
    records = []
    for splats in counts:
        for width, height in sizes:
            for kernel in ("gaussian", "gef_at_2", "gef"):
                cloud = make_cloud(splats, kernel, width, height)
                records += _measure_set("cloud", cloud, width, height, kernel)
            for name in [] if quick else ["studio", "fox"]:
                if name == "fox" and data is None:
                    continue
                for kernel in ("gaussian", "gef"):
                    cloud = make_seeded(name, data, splats, kernel, width, height)
                    records += _measure_set(name, cloud, width, height, kernel)
    torch.set_num_threads(1)
    records += _measure_peer(2_000 if quick else 20_000)
    torch.set_num_threads(before)
    return records


def _measure_set(name: str, cloud: Cloud, width: int, height: int, kernel: str) -> list[Record]:
    splats = len(cloud.means)
    repeats = 3 if splats * width > 500_000_000 else 7
    torch.set_num_threads(1)
    projected, lists = _project(cloud, width, height)
    pairs = count_pairs(projected, cloud.opacities, cloud.betas, lists, width, height)
    records = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with ops.native_threads_only():  # as in training
            forward, backward = _time_frames(cloud, kernel, width, height, repeats)
            phases = _time_phases(cloud, kernel, width, height, repeats)
        params: dict[str, str | int] = {
            "set": name,
            "kernel": kernel,
            "splats": splats,
            "width": width,
            "threads": threads,
            "pairs": pairs,
        }
        for phase, clock in (("forward", forward), ("backward", backward)):
            records.append(record(f"frame/{phase}", {**params, "clock": "wall"}, "ms", clock.wall))
            records.append(record(f"frame/{phase}", {**params, "clock": "cpu"}, "ms", clock.cpu))
            records.append(record(f"pair/{phase}", params, "ns", [1e6 * ms / pairs for ms in clock.cpu]))
        for phase, clock in phases.items():
            records.append(record(f"phase/{phase}", {**params, "clock": "wall"}, "ms", clock.wall))
    return records


def _project(cloud: Cloud, width: int, height: int) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], TileLists]:
    projected = ops.project_splats(*cloud[:5], cloud.viewmats, cloud.Ks, width, height, 0.01, 1e10, 0.3)
    return projected, ops.intersect_tiles(*projected, width, height)


def _leaves(cloud: Cloud, kernel: str) -> list[Tensor]:
    return [x.clone().requires_grad_(i != 4 or kernel != "gaussian") for i, x in enumerate(cloud[:6])]


def _time_frames(cloud: Cloud, kernel: str, width: int, height: int, repeats: int) -> tuple[Clock, Clock]:
    forward, backward = Clock(), Clock()
    leaves = _leaves(cloud, kernel)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    v_image = torch.randn(1, height, width, 3, generator=torch.Generator().manual_seed(1))
    for repeat in range(repeats + 1):
        if repeat == 1:  # the first frame pays for fresh memory
            forward, backward = Clock(), Clock()
        arguments: Any = (*leaves, cloud.viewmats, cloud.Ks, width, height)
        rendering = forward.measure(lambda a=arguments: render_splats(*a, sh_degree=SH_DEGREE))
        backward.measure(lambda image=rendering.colors: torch.autograd.grad(image, wanted, v_image))
    return forward, backward


def _time_phases(cloud: Cloud, kernel: str, width: int, height: int, repeats: int) -> dict[str, Clock]:
    """Each op of a frame alone, forward and backward."""
    clocks: dict[str, Clock] = {}
    for _ in range(repeats):
        _time_phases_once(clocks, cloud, kernel, width, height)
    return clocks


def _time_phases_once(clocks: dict[str, Clock], cloud: Cloud, kernel: str, width: int, height: int) -> None:
    means, quats, scales, opacities, betas, coefficients = _leaves(cloud, kernel)
    splats = (means, quats, scales, opacities, betas, cloud.viewmats, cloud.Ks)

    def timed(name: str, call: Callable[[], Any]) -> Any:
        return clocks.setdefault(name, Clock()).measure(call)

    projected = timed("project", lambda: ops.project_splats(*splats, width, height, 0.01, 1e10, 0.3))
    extents = projected[3].detach()
    colors = timed("colors", lambda: ops.sh_colors(means, cloud.viewmats, coefficients, extents, SH_DEGREE))
    fixed = _fix(projected)
    features = torch.cat([colors.detach(), projected[2].detach()[..., None]], -1).requires_grad_()
    lists = timed("intersect", lambda: ops.intersect_tiles(*fixed, width, height))
    image, _ = timed(
        "composite", lambda: ops.rasterize_splats(*fixed, features, opacities, betas, lists, width, height)
    )
    wanted = [*fixed[:2], features, *(x for x in (opacities, betas) if x.requires_grad)]
    ones = [torch.ones_like(x) for x in projected[:3]]
    timed("composite_backward", lambda: torch.autograd.grad(image, wanted, torch.ones_like(image)))
    timed("colors_backward", lambda: torch.autograd.grad(colors, [means, coefficients], torch.ones_like(colors)))
    timed("project_backward", lambda: torch.autograd.grad(projected[:3], [means, quats, scales], ones))


def _fix(projected: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same values as leaves; positions and conics want gradients."""
    means2d, conics, depths, extents = (x.detach() for x in projected)
    return means2d.requires_grad_(), conics.requires_grad_(), depths, extents


def _measure_peer(splats: int) -> list[Record]:
    """Compositing forward + backward beside the torch compositor, CPU milliseconds on one thread."""
    width, height = 480, 270
    cloud = make_cloud(splats, "gef", width, height)
    projected, lists = _project(cloud, width, height)
    colors = torch.rand(1, splats, 3, generator=torch.Generator().manual_seed(2))
    fixed = _fix(projected)
    inputs = [*fixed[:2], colors.requires_grad_(), cloud.opacities.requires_grad_(), cloud.betas.requires_grad_()]

    def ours() -> None:
        lists = ops.intersect_tiles(*fixed, width, height)
        image, _ = ops.rasterize_splats(*fixed, colors, cloud.opacities, cloud.betas, lists, width, height)
        torch.autograd.grad(image.square().sum(), inputs)

    def peer() -> None:
        image = composite(tuple(fixed), colors, cloud.opacities, cloud.betas, lists, width, height)
        torch.autograd.grad(image.square().sum(), inputs)

    clock, peer_clock = Clock(), Clock()
    for _ in range(3):
        clock.measure(ours)
        peer_clock.measure(peer)
    params: dict[str, str | int] = {"set": "cloud", "kernel": "gef", "splats": splats, "width": width, "threads": 1}
    mine, other = record("composite/both", params, "ms", clock.cpu), record("", {}, "", peer_clock.cpu)
    return [Record(**{**vars(mine), "peers": {"torch_compositor": other.median}})]
