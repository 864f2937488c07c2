"""Times of kernels, and torch's copy bandwidth: `measure.py --json FILE [--device cpu] [--quick]`.

Run by `scripts/gpu_check.py` in a process of its own. Times are wall milliseconds, measured by events on the device.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpu_checks.report import Record, make_record, write_whole
from gpu_checks.scenes import SIZES, SeededSplats, camera, seeded_splats, with_gradients
from gpu_checks.stereo import MOST_ERROR, SWEEPS, wall
from splatkit import ops
from splatkit.ops.stereo import check_agreement, window_texture
from splatkit.splatting.rendering import render_splats

SPLAT_COUNTS = (10_000, 100_000, 1_000_000)
WARM_UP = 2


def main() -> None:
    """Measure all, and write the records as soon as there are new ones: a time limit then loses only the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    records: list[Record] = []
    counts, sizes, repeats = (SPLAT_COUNTS, SIZES, 20) if not options.quick else ((500,), ((64, 48),), 2)
    rasterize_gaussians = load_gsplat()

    def add(new: list[Record]) -> None:
        records.extend(new)
        write_whole(options.json, json.dumps(records))

    add([measure_copy(options.device, 2**28 if not options.quick else 2**16, repeats)])
    for width, height in sizes:
        add(measure_stereo(width, height, options.device, repeats))
    for count in counts:
        for width, height in sizes:
            for gaussian in (True, False):
                add(measure_frame(count, width, height, gaussian, options.device, repeats, rasterize_gaussians))


def load_gsplat() -> Callable[..., Any] | None:
    """gsplat's rasterization where it is importable with its kernels."""
    try:
        import gsplat
        from gsplat.cuda._backend import _C
    except Exception as error:  # whatever a package without its compiled part raises
        print(f"gsplat: not measured ({type(error).__name__}: {error})")
        return None
    if _C is None:
        print("gsplat: not measured (it has no compiled kernels)")
        return None
    rasterize: Callable[..., Any] = gsplat.rasterization
    return rasterize


def elapsed_ms(work: Callable[[], object], device: str, repeats: int) -> list[float]:
    """Milliseconds of each repeat after a warm-up."""
    for _ in range(WARM_UP):
        work()
    times = []
    for _ in range(repeats):
        if device == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            work()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        else:
            start = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - start))
    return times


def measure_copy(device: str, count: int, repeats: int) -> Record:
    """torch's copy on the device: what memory allows. Bytes read and bytes written both count."""
    source, target = torch.ones(count, device=device), torch.empty(count, device=device)
    times = elapsed_ms(lambda: target.copy_(source), device, repeats)
    return make_record("copy", {"bytes": 4 * count}, "GB/s", [8 * count / ms / 1e6 for ms in times])


def measure_stereo(width: int, height: int, device: str, repeats: int) -> list[Record]:
    """Matching a wall from random planes, agreement and texture; SystemExit where the wall is not found."""
    view = wall(width, height, device)
    found = view.match()
    if not view.error(found) <= MOST_ERROR:
        raise SystemExit(f"stereo: the median depth is wrong by {100 * view.error(found):.2g} %")
    neighbors = view.neighbors(found)
    work: dict[str, Callable[[], object]] = {
        "match": view.match,
        "agreement": lambda: check_agreement(found.planes, view.K, neighbors),
        "texture": lambda: window_texture(view.grays, 10.0),
    }
    params = {"sources": len(view.sources), "sweeps": len(SWEEPS), "width": width, "height": height}
    return [
        make_record(f"stereo/{name}", params, "ms", elapsed_ms(each, device, repeats)) for name, each in work.items()
    ]


def measure_frame(
    count: int,
    width: int,
    height: int,
    gaussian: bool,
    device: str,
    repeats: int,
    rasterize_gaussians: Callable[..., Any] | None,
) -> list[Record]:
    """All phases of one frame, forward and backward; gsplat's beside the Gaussian ones."""
    splats = seeded_splats(count, device, gaussian)
    viewmats, Ks = camera(width, height, device)
    params = {"kernel": "gaussian" if gaussian else "gef", "splats": count, "width": width, "height": height}

    def render(leaves: SeededSplats) -> Tensor:
        return render_splats(*leaves, viewmats, Ks, width, height, sh_degree=3).colors

    records = [
        make_record(f"frame/{name}", params, "ms", times)
        for name, times in time_both_ways(render, splats, device, repeats).items()
    ]
    if gaussian and rasterize_gaussians is not None:
        records[0]["peers"], records[1]["peers"] = (
            {"gsplat": statistics.median(times)}
            for times in time_gsplat(rasterize_gaussians, splats, viewmats, Ks, width, height, repeats).values()
        )
    return records + measure_phases(splats, viewmats, Ks, params, device, repeats)


def time_both_ways(
    render: Callable[[SeededSplats], Tensor], splats: SeededSplats, device: str, repeats: int
) -> dict[str, list[float]]:
    """Forward with a graph, and backward alone."""
    leaves = with_gradients(splats)
    image = render(leaves)
    weights = torch.rand_like(image)
    return {
        "forward": elapsed_ms(lambda: render(leaves), device, repeats),
        "backward": elapsed_ms(lambda: image.backward(weights, retain_graph=True), device, repeats),
    }


def time_gsplat(
    rasterize: Callable[..., Any],
    splats: SeededSplats,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    repeats: int,
) -> dict[str, list[float]]:
    """The same scene by gsplat, with the depth that our rendering includes."""

    def render(leaves: SeededSplats) -> Tensor:
        image: Tensor = rasterize(
            leaves.means,
            leaves.quats,
            leaves.scales,
            leaves.opacities,
            leaves.colors,
            viewmats,
            Ks,
            width,
            height,
            sh_degree=3,
            packed=False,
            render_mode="RGB+ED",
        )[0]
        return image

    return time_both_ways(render, splats, "cuda", repeats)


def measure_phases(
    splats: SeededSplats, viewmats: Tensor, Ks: Tensor, params: dict[str, Any], device: str, repeats: int
) -> list[Record]:
    """The ops of a forward pass one by one, and the number of intersections of splats and tiles."""
    width, height, near, far, eps2d = params["width"], params["height"], 0.01, 1e10, 0.3
    means, quats, scales, opacities, betas, coefficients = splats

    def project() -> tuple[Tensor, ...]:
        return ops.project_splats(means, quats, scales, opacities, betas, viewmats, Ks, width, height, near, far, eps2d)

    with torch.no_grad():
        means2d, conics, depths, extents = project()
        colors = ops.sh_colors(means, viewmats, coefficients, extents, 3)
        lists = ops.intersect_tiles(means2d, conics, depths, extents, width, height)
        phases: dict[str, Callable[[], object]] = {
            "project": project,
            "sh_colors": lambda: ops.sh_colors(means, viewmats, coefficients, extents, 3),
            "intersect": lambda: ops.intersect_tiles(means2d, conics, depths, extents, width, height),
            "rasterize": lambda: ops.rasterize_splats(
                means2d, conics, depths, extents, colors, opacities, betas, lists, width, height
            ),
        }
        records = [
            make_record(f"phase/{name}", params, "ms", elapsed_ms(work, device, repeats))
            for name, work in phases.items()
        ]
    return [*records, make_record("intersections", params, "1", [float(len(lists.splat_ids))])]


if __name__ == "__main__":
    main()
