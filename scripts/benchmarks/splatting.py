"""Rendering of a seeded cloud of splats: whole frames, single phases, and cost per contributing pair."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.record import Record, record
from benchmarks.torch_compositor import composite, count_pairs
from splatkit import ops
from splatkit.ops import TileLists
from splatkit.splatting.rasterization import rasterization

_COVERAGE_SPLATS = 100_000  # splats of this many have a median standard deviation of _SIGMA_PX at 960 px width
_SIGMA_PX = 2.0
_SH_DEGREE = 3


class Cloud(NamedTuple):
    """Splats before one camera, in the order of `rasterization`."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    betas: Tensor
    colors: Tensor  # [N, 16, 3] spherical harmonics
    viewmats: Tensor
    Ks: Tensor


def make_cloud(splats: int, kernel: str, width: int, height: int) -> Cloud:
    """The set `cloud`: splats spread over a frustum, seed 0, the same for every image size.

    Sizes fall with the square root of their number, so that a pixel always lies under some 30 of them; axes differ by
    up to e^1.5, opacities follow u^1.5. Exponents are 2, without a gradient (gaussian) or with one (gef_at_2), or
    spread evenly over 1.2 to 4 (gef).
    """
    generator = torch.Generator().manual_seed(0)
    depth = 2 + 8 * torch.rand(splats, generator=generator)
    across = (torch.rand(splats, 2, generator=generator) * 2 - 1) * 1.05
    means = torch.cat([across * torch.tensor([0.5, 0.28125]) * depth[:, None] / 0.8, depth[:, None]], -1)
    sigma_px = (
        _SIGMA_PX * (_COVERAGE_SPLATS / splats) ** 0.5 * torch.exp(torch.randn(splats, generator=generator) * 0.4)
    )
    stretch = torch.exp((torch.rand(splats, 3, generator=generator) - 0.5) * 1.5)
    focal = 0.8 * width
    quats = torch.randn(splats, 4, generator=generator)
    opacities = 0.05 + 0.9 * torch.rand(splats, generator=generator) ** 1.5
    shapes = 1.2 + 2.8 * torch.rand(splats, generator=generator)
    colors = torch.randn(splats, (_SH_DEGREE + 1) ** 2, 3, generator=generator) * 0.2
    return Cloud(
        means,
        quats,
        stretch * (sigma_px * depth / (0.8 * 960))[:, None],
        opacities,
        shapes if kernel == "gef" else torch.full_like(opacities, 2.0),
        colors,
        torch.eye(4)[None],
        torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]),
    )


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


def measure_splatting(_: Path | None, quick: bool) -> list[Record]:
    """Clouds of 10 k, 100 k and 1 M splats at three sizes on one and two threads; quick: the smallest alone."""
    counts = [10_000] if quick else [10_000, 100_000, 1_000_000]
    sizes = [(480, 270)] if quick else [(480, 270), (960, 540), (1920, 1080)]
    before = torch.get_num_threads()
    records = []
    for splats in counts:
        for width, height in sizes:
            for kernel in ("gaussian", "gef_at_2", "gef"):
                records += _measure_cloud(splats, width, height, kernel)
    torch.set_num_threads(1)
    records += _measure_peer(2_000 if quick else 20_000)
    torch.set_num_threads(before)
    return records


def _measure_cloud(splats: int, width: int, height: int, kernel: str) -> list[Record]:
    cloud = make_cloud(splats, kernel, width, height)
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
            "set": "cloud", "kernel": kernel, "splats": splats, "width": width, "threads": threads, "pairs": pairs,
        }  # fmt: skip
        for name, clock in (("forward", forward), ("backward", backward)):
            records.append(record(f"frame/{name}", {**params, "clock": "wall"}, "ms", clock.wall))
            records.append(record(f"frame/{name}", {**params, "clock": "cpu"}, "ms", clock.cpu))
            records.append(record(f"pair/{name}", params, "ns", [1e6 * ms / pairs for ms in clock.cpu]))
        for name, clock in phases.items():
            records.append(record(f"phase/{name}", {**params, "clock": "wall"}, "ms", clock.wall))
    return records


def _project(cloud: Cloud, width: int, height: int) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], TileLists]:
    projected = ops.project_splats(*cloud[:5], cloud.viewmats, cloud.Ks, width, height, 0.01, 1e10, 0.3)
    return projected, ops.intersect_tiles(*projected, cloud.opacities, cloud.betas, width, height)


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
        rendering = forward.measure(lambda a=arguments: rasterization(*a, sh_degree=_SH_DEGREE))
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
    colors = timed("colors", lambda: ops.sh_colors(means, cloud.viewmats, coefficients, extents, _SH_DEGREE))
    fixed = _fix(projected)
    features = torch.cat([colors.detach(), projected[2].detach()[..., None]], -1).requires_grad_()
    lists = timed("intersect", lambda: ops.intersect_tiles(*fixed, opacities, betas, width, height))
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
        lists = ops.intersect_tiles(*fixed, cloud.opacities, cloud.betas, width, height)
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
