"""The README's picture of an optimization: `scripts/flexicubes_pictures.py --out scenes/pictures`.

Above: a sphere becomes generated stairs, seen from all around as steps pass (FlexiCubes, 32 cells a side). Below: what
marching cubes, dual marching cubes with vertices at centroids, and FlexiCubes make of the same target, start and loss.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the control lies beside this file

from benchmarks.marching_cubes import MarchingCubes
from splatkit.evaluation.geometry import signed_distances
from splatkit.io.images import write_image
from splatkit.io.meshes import Mesh
from splatkit.isosurface import FlexiCubes, Surface
from splatkit.isosurface.fitting import FitSettings, fit_surface
from splatkit.isosurface.supervision import SurfaceTarget
from splatkit.report.mesh_views import render_mesh_views
from splatkit.synthetic.solids import make_stairs

_RESOLUTION = 32
_ROUGH = FitSettings(steps=150, field_rate=0.01, normal_weight=0.0)  # far from the target normals mislead
_FINE = FitSettings(steps=200)
_STAGES = (0, 10, 30, 149, 200, 349)
_SIZE = (240, 200)  # px, of a view


def target_mesh() -> Mesh:
    """Stairs amid the box, turned so that no face lies along the grid."""
    solid = make_stairs((1.1, 0.9, 1.0), 4)
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.4, 0.3], [0.4, 0, -0.2], [-0.3, 0.2, 0]])).double().numpy()
    return Mesh((solid.vertices - (solid.vertices.min(0) + solid.vertices.max(0)) / 2) @ turn.T, solid.faces)


def view(mesh: Mesh, number: int) -> NDArray[np.uint8]:
    """One of the views all around."""
    return render_mesh_views(mesh, None, views=len(_STAGES), size=_SIZE)[number]


def as_mesh(surface: Surface) -> Mesh:
    """For the renderer."""
    return Mesh(surface.mesh.vertices, surface.mesh.faces)


def main(out: Path) -> None:
    """Write flexicubes.jpg.

    Args:
        out: folder of the pictures.
    """
    truth = target_mesh()
    vertices, faces = torch.from_numpy(truth.vertices).float(), torch.from_numpy(truth.faces).long()
    cubes = FlexiCubes(_RESOLUTION)
    points = cubes.grid_points()
    field = torch.nn.Parameter(points.norm(dim=-1) - 0.7)
    stages: list[NDArray[np.uint8]] = []
    target = SurfaceTarget(vertices, faces, 5000, torch.Generator().manual_seed(0))
    for first, settings in ((0, _ROUGH), (_ROUGH.steps, _FINE)):

        def keep(step: int, surface: Surface, _loss: float, first: int = first) -> None:
            if first + step in _STAGES:
                stages.append(view(as_mesh(surface), len(stages)))

        fit_surface(cubes, field, target, settings, keep)

    distances = signed_distances(points.reshape(-1, 3).double(), truth).float().reshape(points.shape[:3])
    results = [truth]
    for control in (MarchingCubes(), FlexiCubes(_RESOLUTION, weights=False, deform=False), FlexiCubes(_RESOLUTION)):
        start = torch.nn.Parameter(distances.clone())
        target = SurfaceTarget(vertices, faces, 5000, torch.Generator().manual_seed(0))
        fit_surface(control, start, target, _FINE)
        results.append(as_mesh(control.eval()(start)))
    below = np.concatenate([view(mesh, 1) for mesh in results], 1)
    above = np.concatenate(stages, 1)
    margin = above.shape[1] - below.shape[1]
    below = np.pad(below, ((0, 0), (margin // 2, margin - margin // 2), (0, 0)), constant_values=255)
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "flexicubes.jpg", np.concatenate([above, below], 0))


if __name__ == "__main__":
    tyro.cli(main)
