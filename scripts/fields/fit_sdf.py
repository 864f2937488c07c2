"""Fit the signed distance field of a mesh, and take a mesh out of it again: `scripts/fit.py sdf MESH --out DIR`.

The experiment of Instant-NGP (arXiv 2201.05989, section 5.2): an encoding and a small network learn exact distances to
the triangles. Writes mesh.ply in the frame of the input, fit.png (the input above the fit), fit.pt, and fit.json with
errors near the surface and distances between the surfaces. Interrupt it, start it again: it resumes.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from fields.meshes import FINAL_SHARE, DistanceField, extract_mesh, field_errors, load_solid, relative_distance_loss
from fields.pools import draw_from
from fields.results import Result, keep_result, run
from splatkit.commands.terminal import show_progress
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.encoded_field import EncodedField, FitSettings, fit_field
from splatkit.encodings.hash_encoding import Lattice
from splatkit.evaluation.geometry import compare_surfaces
from splatkit.io.images import write_image
from splatkit.io.meshes import write_mesh
from splatkit.report.mesh_views import render_mesh_views

_POOL = 1 << 20  # samples with their exact distances, from which every step draws
_JUDGED = 100_000  # samples that training never sees
_TAU = 0.002  # of the unit cube: within it, surfaces count as one


def fit(
    mesh: Path,
    out: Path,
    steps: int,
    batch: int,
    lattice: Lattice,
    num_levels: int,
    max_res: int,
    log2_hashmap_size: int,
    resolution: int,
    seed: int,
) -> Result:
    """Fit, write and judge; see `main`."""
    solid = load_solid(mesh)
    out.mkdir(parents=True, exist_ok=True)
    truth = DistanceField(solid.mesh)
    samples = truth.sample(min(_POOL, steps * batch), seed, "Distances")
    torch.manual_seed(seed)
    field = EncodedField(SimplexHashEncoding(3, num_levels, 16, max_res, log2_hashmap_size, lattice=lattice), 1)
    checkpoint = out / "unfinished.pt"
    settings = FitSettings(steps, final_share=FINAL_SHARE, seed=seed)
    seconds = fit_field(field, draw_from(*samples, batch), relative_distance_loss, settings, checkpoint, show_progress)
    fitted = extract_mesh(field, max_res, solid, resolution)
    write_mesh(out / "mesh.ply", fitted, (f"fitted to {mesh.name}, in its frame and units",))
    original = type(solid.mesh)(solid.to_mesh_frame(solid.mesh.vertices), solid.mesh.faces)
    rows = [np.concatenate(render_mesh_views(shown, None, views=3), axis=1) for shown in (original, fitted)]
    write_image(out / "fit.png", np.concatenate(rows))
    surfaces = compare_surfaces(fitted, original, _TAU / solid.scale)
    result: Result = {
        "mesh": mesh.name,
        "lattice": lattice,
        **{f"{name}_near": value for name, value in field_errors(field, *truth.sample(_JUDGED, seed + 1)).items()},
        "chamfer": surfaces.chamfer,
        "f_score": surfaces.f_score,
        "parameters": sum(p.numel() for p in field.parameters()),
        "steps": steps,
        "cpu_s": seconds,
    }
    keep_result(out, field, result)
    checkpoint.unlink(missing_ok=True)
    return result


def main(
    mesh: Annotated[Path, tyro.conf.Positional],
    out: Path,
    steps: int = 2000,
    batch: int = 1 << 14,
    lattice: Lattice = "simplex",
    num_levels: int = 18,
    max_res: int = 256,
    log2_hashmap_size: int = 14,
    resolution: int = 192,
    seed: int = 0,
) -> None:
    """Fit a mesh.

    Args:
        mesh: closed, .ply, .obj or .glb.
        out: folder to write; an interrupted fit in it resumes.
        steps: of training.
        batch: samples a step.
        lattice: simplex, grid or kuhn.
        num_levels: of the encoding.
        max_res: cells of the finest level along the longest side of the mesh.
        log2_hashmap_size: entries a level at most, as a power of two.
        resolution: cells of the extracted mesh along its longest side.
        seed: of the first values and of the samples.
    """
    if min(steps, batch, resolution) < 1:
        sys.exit("fit sdf: expected at least one step, one sample and one cell")
    run(
        "fit sdf",
        lambda: fit(mesh, out, steps, batch, lattice, num_levels, max_res, log2_hashmap_size, resolution, seed),
    )
