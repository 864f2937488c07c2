"""Reconstruct meshes by optimization: `scripts/study.py flexicubes OUT [--quick]`.

FlexiCubes, and as controls dual marching cubes with vertices at centroids and marching cubes, fit the same targets from
the same start (the true distances on the grid) under the same loss: points and normals of the surface, both ways. Every
result is a file in OUT; run it again to go on. Ends with OUT/table.md in the form of Tables 2 and 4 of FlexiCubes
(arXiv 2308.05371); its data set is not ours and conventions differ, so only differences between the rows compare.
"""

import json
import os
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import nn

from benchmarks.marching_cubes import MarchingCubes
from splatkit.evaluation.geometry import signed_distances
from splatkit.evaluation.mesh_detail import compare_details
from splatkit.evaluation.mesh_quality import measure_quality
from splatkit.evaluation.mesh_topology import measure_topology, self_intersecting_faces
from splatkit.io.atomic import atomic_file
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.fitting import FitSettings, fit_surface
from splatkit.isosurface.supervision import SurfaceTarget
from splatkit.synthetic.solids import make_box

METHODS = {"marching cubes": MarchingCubes, "dual, centroids": None, "FlexiCubes": None}
MESHES = ("block", "spot", "uv_bob_tri", "cheburashka")
_EXTENT = 1.8  # longest side of a normalized mesh, in a box of side 2
_CELL_SHARE = 0.025  # learning rate of the field in cells

Result = dict[str, float | int | bool | str]
COLUMNS = {
    "inaccurate_normals": ("IN>5 %", 100, "{:.2f}"),
    "chamfer": ("CD e-3", 1e3, "{:.3f}"),
    "f_score": ("F1", 1, "{:.3f}"),
    "edge_chamfer": ("ECD e-2", 1e2, "{:.2f}"),
    "edge_f_score": ("EF1", 1, "{:.3f}"),
    "vertices": ("#V", 1, "{:.0f}"),
    "faces": ("#F", 1, "{:.0f}"),
    "aspect_ratio_above_4": ("aspect>4 %", 100, "{:.2f}"),
    "radius_ratio_above_4": ("radius>4 %", 100, "{:.2f}"),
    "min_angle_below_10_deg": ("angle<10 %", 100, "{:.2f}"),
    "self_intersecting": ("self-int. %", 100, "{:.3f}"),
    "cpu_s": ("CPU-s", 1, "{:.0f}"),
}


def load(name: str, data: str | None) -> Mesh:
    """A mesh by its name."""
    if name == "box":
        box = make_box((1.0, 0.7, 0.4))
        return Mesh(box.vertices, box.faces)
    return read_mesh(Path(str(data)) / "meshes" / f"{name}.obj")


def normalized(mesh: Mesh) -> Mesh:
    """Amid the box [-1, 1]^3."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    return Mesh((mesh.vertices - (low + high) / 2) * (_EXTENT / float((high - low).max())), mesh.faces)


def extractor(method: str, resolution: int) -> nn.Module:
    """A module field -> Surface."""
    if method == "marching cubes":
        return MarchingCubes()
    whole = method == "FlexiCubes"
    return FlexiCubes(resolution, weights=whole, deform=whole)


def reconstruct(mesh: Mesh, method: str, resolution: int, steps: int, samples: int) -> Result:
    """Fit, and measure what came out."""
    start = time.process_time()
    points = FlexiCubes(resolution).grid_points()
    distances = signed_distances(points.reshape(-1, 3).double(), mesh).float().reshape(points.shape[:3])
    field = nn.Parameter(distances)
    target = SurfaceTarget(
        torch.from_numpy(mesh.vertices).float(),
        torch.from_numpy(mesh.faces).long(),
        samples,
        torch.Generator().manual_seed(0),
    )
    surface_of = extractor(method, resolution)
    fit_surface(surface_of, field, target, FitSettings(steps=steps, field_rate=_CELL_SHARE * 2 / resolution))
    found = surface_of.eval()(field).mesh
    spent = time.process_time() - start
    return {
        "method": method,
        "resolution": resolution,
        "steps": steps,
        "cpu_s": spent,
        **asdict(compare_details(found, mesh)),
        **asdict(measure_quality(found)),
        "self_intersecting": float(self_intersecting_faces(found).mean()),
        "vertices": len(found.vertices),
        "faces": len(found.faces),
        **asdict(measure_topology(found)),
    }


def table(results: list[Result]) -> str:
    """Means over the meshes, and the differences of FlexiCubes to both controls mesh by mesh."""
    lines = ["| res | method | " + " | ".join(title for title, _, _ in COLUMNS.values()) + " |"]
    lines.append("|" + "---|" * (len(COLUMNS) + 2))
    resolutions = sorted({int(r["resolution"]) for r in results})
    for resolution in resolutions:
        for method in METHODS:
            rows = [r for r in results if r["resolution"] == resolution and r["method"] == method]
            if rows:
                means = [
                    form.format(scale * statistics.fmean(float(r[key]) for r in rows))
                    for key, (_, scale, form) in COLUMNS.items()
                ]
                lines.append(f"| {resolution} | {method} | " + " | ".join(means) + " |")
    lines += ["", "| res | mesh | FlexiCubes minus | IN>5 % | EF1 |", "|---|---|---|---|---|"]
    best = {(r["resolution"], r["mesh"]): r for r in results if r["method"] == "FlexiCubes"}
    for control in results:
        mine = best.get((control["resolution"], control["mesh"]))
        if mine is not None and mine is not control:
            normals = 100 * (float(mine["inaccurate_normals"]) - float(control["inaccurate_normals"]))
            edges = float(mine["edge_f_score"]) - float(control["edge_f_score"])
            place = f"| {control['resolution']} | {control['mesh']} | {control['method']} "
            lines.append(f"{place}| {normals:+.2f} | {edges:+.3f} |")
    return "\n".join(lines) + "\n"


def main(
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    resolutions: tuple[int, ...] = (32, 64, 128),
    meshes: tuple[str, ...] = MESHES,
    steps: int = 200,
    quick: bool = False,
) -> None:
    """Reconstruct all meshes with all methods.

    Args:
        out: folder of the results.
        resolutions: cells along an axis.
        meshes: names in $SPLATKIT_DATA/meshes, or "box".
        steps: of each fit.
        quick: a box at 16 cells and 10 steps, which only shows that it works.
    """
    if quick:
        resolutions, meshes, steps = (16,), ("box",), 10
    data = os.environ.get("SPLATKIT_DATA")
    if data is None and set(meshes) != {"box"}:
        sys.exit("study flexicubes: set SPLATKIT_DATA to the folder of the real scenes (it holds meshes)")
    out.mkdir(parents=True, exist_ok=True)
    results = []
    for resolution in resolutions:
        for name in meshes:
            mesh = normalized(load(name, data))
            for method in METHODS:
                path = out / f"{name}_{resolution}_{method.split(',')[0].replace(' ', '_')}_{steps}.json"
                if not path.exists():
                    result = {"mesh": name, **reconstruct(mesh, method, resolution, steps, 1000 if quick else 10_000)}
                    with atomic_file(path) as temporary:
                        temporary.write_text(json.dumps(result, indent=1) + "\n")
                results.append(json.loads(path.read_text()))
                print(f"{path.name}: IN>5 {100 * results[-1]['inaccurate_normals']:.2f} %", flush=True)
    with atomic_file(out / "table.md") as temporary:
        temporary.write_text(table(results))
    print((out / "table.md").read_text())
