"""The README's picture of reconstructed stairs: `scripts/flexicubes_pictures.py --out scenes/pictures`.

Generated stairs, and what marching cubes, dual marching cubes with vertices at centroids, and FlexiCubes make of them
on the same grid of 32 cells a side, under the same loss.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the control lies beside this file

from benchmarks.marching_cubes import MarchingCubes
from splatkit.evaluation.geometry import signed_distances
from splatkit.io.images import write_image
from splatkit.io.meshes import Mesh
from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.fitting import FitSettings, fit_surface
from splatkit.isosurface.supervision import SurfaceTarget
from splatkit.report.mesh_views import render_mesh_views
from splatkit.synthetic.solids import make_stairs

_RESOLUTION = 32
_SIZE = (360, 270)  # px, of a view
_VIEWS, _VIEW = 6, 1  # of the views all around, the one that shows the steps


def target_mesh() -> Mesh:
    """Stairs amid the box, turned so that no face lies along the grid."""
    solid = make_stairs((1.1, 0.9, 1.0), 4)
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.4, 0.3], [0.4, 0, -0.2], [-0.3, 0.2, 0]])).double().numpy()
    return Mesh((solid.vertices - (solid.vertices.min(0) + solid.vertices.max(0)) / 2) @ turn.T, solid.faces)


def main(out: Path) -> None:
    """Write flexicubes.jpg.

    Args:
        out: folder of the pictures.
    """
    truth = target_mesh()
    vertices, faces = torch.from_numpy(truth.vertices).float(), torch.from_numpy(truth.faces).long()
    points = FlexiCubes(_RESOLUTION).grid_points()
    distances = signed_distances(points.reshape(-1, 3).double(), truth).float().reshape(points.shape[:3])
    results = [truth]
    for method in (MarchingCubes(), FlexiCubes(_RESOLUTION, weights=False, deform=False), FlexiCubes(_RESOLUTION)):
        field = torch.nn.Parameter(distances.clone())
        target = SurfaceTarget(vertices, faces, 5000, torch.Generator().manual_seed(0))
        fit_surface(method, field, target, FitSettings())
        found = method.eval()(field).mesh
        results.append(Mesh(found.vertices, found.faces))
    views = [render_mesh_views(mesh, None, views=_VIEWS, size=_SIZE)[_VIEW] for mesh in results]
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "flexicubes.jpg", np.concatenate(views, 1))


if __name__ == "__main__":
    tyro.cli(main)
